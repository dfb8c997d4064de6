//! What a request is about, for a record that nobody shall lead astray: of two members of one name, servers differ in
//! which they take.

use serde_json::value::RawValue;

use crate::message::each_member;
use crate::text;
use crate::tool_policy::akin::{are_akin, loosely};

/// How much of each is told where there are several, in characters.
const OF_SEVERAL: usize = 50;

/// The text in `member` of the `params` of a request; of several that some server may take for it, the first and the
/// last, as `first | last`. `None`: there is none.
pub fn about(request: &str, member: &str) -> Option<String> {
    let (mut first, mut last): (Option<String>, Option<String>) = (None, None);
    let whole: &RawValue = serde_json::from_str(request).ok()?;
    let mut found = |key: &RawValue, value: &RawValue| {
        if are_akin(&loosely(key), member)
            && let Ok(text) = serde_json::from_str::<String>(value.get())
        {
            match &first {
                None => first = Some(text),
                Some(_) => last = Some(text),
            }
        }
    };
    each_member(whole, |key, params| {
        if are_akin(&loosely(key), "params") {
            let _ = each_member(params, &mut found);
        }
    })
    .ok()?;
    match (first?, last) {
        (first, Some(last)) if first != last => {
            Some(format!("{} | {}", text::clean(&first, OF_SEVERAL), text::clean(&last, OF_SEVERAL)))
        }
        (first, _) => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_of_two_names_a_server_takes_is_told() {
        let call = |params: &str| format!(r#"{{"id":1,"method":"tools/call",{params}}}"#);
        for (params, told) in [
            (r#""params":{"arguments":{"name":"x"},"n\u0061me":"add"}"#, Some("add")),
            (r#""params":{"name":"add","name":"add"}"#, Some("add")),
            (r#""params":{"name":"read","name":"delete"}"#, Some("read | delete")),
            (r#""params":{"name":"read","Name":"a","name\u0000":"delete"}"#, Some("read | delete")),
            (r#""params":{"name":"read"},"Params":{"name":"delete"}"#, Some("read | delete")),
            (r#""params":{"name":7}"#, None),
            (r#""params":[]"#, None),
        ] {
            assert_eq!(about(&call(params), "name").as_deref(), told, "{params}");
        }
        let long = "x".repeat(500);
        let told = about(&call(&format!(r#""params":{{"name":"{long}","name":"delete"}}"#)), "name").unwrap();
        assert!(told.ends_with(" | delete") && told.len() < 120, "no length hides the other: {told}");
        assert_eq!(about("[]", "name"), None);
    }
}

//! Progress tokens: where a request and a `notifications/progress` name the call that they belong to.

use culvert_protocol::message::{Id, Malformed, Message};
use memchr::memmem;
use serde_json::value::RawValue;

/// The method of a progress notification.
pub(crate) const PROGRESS: &str = "notifications/progress";

/// The token by which a request asks for progress; `None` when it does not, or when it is neither text nor number.
///
/// # Errors
/// [`Malformed::Repeated`] when two readers could see two tokens.
pub(crate) fn asked<'a>(request: &Message<'a>) -> Result<Option<&'a RawValue>, Malformed> {
    // Most requests ask for none, and finding that out by a parse of `params` costs as much as reading the message
    // did. A name can only be there in other letters by an escape of the form \uXXXX.
    let text = request.text().as_bytes();
    if memmem::find(text, b"progressToken").is_none() && memmem::find(text, b"\\u").is_none() {
        return Ok(None);
    }
    Ok(request.param(&["_meta", "progressToken"])?.filter(|token| Id::of(token).is_ok_and(|id| id != Id::Null)))
}

/// The token that a progress notification carries.
pub(crate) fn carried<'a>(notification: &Message<'a>) -> Option<(&'a RawValue, Id)> {
    let token = notification.param(&["progressToken"]).ok().flatten()?;
    Some((token, Id::of(token).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Option<String>, Malformed> {
        asked(&Message::parse(text).unwrap()).map(|token| token.map(|token| token.get().to_owned()))
    }

    #[test]
    fn the_token_is_found_where_it_counts_and_nowhere_else() {
        let with = |params: &str| token(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#));
        assert_eq!(with(r#"{"_meta":{"progressToken":7}}"#), Ok(Some("7".to_owned())));
        assert_eq!(with(r#"{"_meta":{"progressT\u006fken":"a"}}"#), Ok(Some("\"a\"".to_owned())));
        assert_eq!(with(r#"{"arguments":{"_meta":{"progressToken":7}},"progressToken":8}"#), Ok(None));
        assert_eq!(with(r#"{"_meta":{"progressToken":null}}"#), Ok(None));
        assert_eq!(with(r#"{"_meta":{"progressToken":{}}}"#), Ok(None));
        assert_eq!(
            with(r#"{"_meta":{"progressToken":1,"progressToken":2}}"#),
            Err(Malformed::Repeated("progressToken"))
        );
        assert_eq!(with(r#"[1]"#), Ok(None));
    }
}

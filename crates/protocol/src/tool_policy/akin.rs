//! Members that a careless reader takes for others: some parsers do not mind the case of a name, take `ſ` for `s` and
//! the Kelvin sign for `k`, or see no NUL and no half a character in it. To them `Name` is `name`, and often the last
//! of both counts. Where such a member stands, a message can be read in two ways.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::message::{Malformed, Message, each_member, name_of};

/// The members of a message that say what it is.
const OF_A_MESSAGE: [&str; 6] = ["error", "id", "jsonrpc", "method", "params", "result"];

/// The member `name` of a JSON object; `None` when it is not there or `object` is no object.
///
/// # Errors
/// [`Malformed::Repeated`] when it is there twice, or one is there that some take for it.
pub(super) fn sole<'a>(object: &'a RawValue, name: &'static str) -> Result<Option<&'a RawValue>, Malformed> {
    let (mut found, mut is_blurred) = (None, false);
    each_member(object, |key, value| {
        if name_of(key) == name {
            is_blurred |= found.replace(value).is_some();
        } else {
            is_blurred |= are_akin(&loosely(key), name);
        }
    })?;
    if is_blurred { Err(Malformed::Repeated(name)) } else { Ok(found) }
}

/// The nested member `path` of a message's `params`.
///
/// # Errors
/// As [`sole`], for each member on the way.
pub(super) fn sole_param<'a>(message: &Message<'a>, path: &[&'static str]) -> Result<Option<&'a RawValue>, Malformed> {
    let Some(mut at) = message.params() else { return Ok(None) };
    for name in path {
        match sole(at, name)? {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// What a member of this message may be taken for besides what it is.
pub(super) fn blurred(message: &Message<'_>) -> Option<&'static str> {
    if !message.has_foreign_members() {
        return None;
    }
    let whole: &RawValue = serde_json::from_str(message.text()).ok()?;
    let mut blurred = None;
    let look = |key, _| {
        let (exact, loose) = (name_of(key), loosely(key));
        let mut known = OF_A_MESSAGE.into_iter();
        blurred = blurred.or(known.find(|name| exact != *name && are_akin(&loose, name)));
    };
    each_member(whole, look).ok()?;
    blurred
}

/// Whether somebody may take one name for the other.
pub(crate) fn are_akin(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

/// What the least careful reader compares.
fn letters(name: &str) -> impl Iterator<Item = char> {
    let folded = name.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    });
    folded.filter(char::is_ascii_alphanumeric)
}

/// A name without its quotes and escapes; half a character, which no text can hold, is left out.
pub(crate) fn loosely(spelled: &RawValue) -> Cow<'_, str> {
    let spelled = spelled.get();
    let inner = spelled.get(1..spelled.len() - 1).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut name = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        name.push_str(plain);
        rest = match escape.strip_prefix('u') {
            Some(digits) => {
                let code = digits.get(..4).and_then(|code| u32::from_str_radix(code, 16).ok());
                name.extend(code.and_then(char::from_u32));
                digits.get(4..).unwrap_or_default()
            }
            // A sign or a control character, and no letter either way.
            None => escape.get(1..).unwrap_or_default(),
        };
    }
    name.push_str(rest);
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_akin_that_some_parser_takes_for_one() {
        let key = |spelled: &str| loosely(serde_json::from_str(spelled).unwrap()).into_owned();
        for spelled in [
            r#""params""#,
            r#""Params""#,
            r#""paramſ""#,
            r#""param\u017F""#,
            r#""params\u0000""#,
            r#""p\ud800arams""#,
            r#""\nPARAMS""#,
        ] {
            assert!(are_akin(&key(spelled), "params"), "{spelled}");
        }
        assert!(are_akin("to\u{212a}en", "token") && are_akin("next_cursor", "nextCursor"));
        for spelled in [r#""param""#, r#""paramsx""#, r#""\u0070aram""#, r#""""#] {
            assert!(!are_akin(&key(spelled), "params"), "{spelled}");
        }
    }

    #[test]
    fn a_member_is_had_only_where_nothing_else_may_be_taken_for_it() {
        fn had(text: &str) -> Result<Option<&str>, Malformed> {
            sole(serde_json::from_str(text).unwrap(), "name").map(|found| found.map(RawValue::get))
        }
        assert_eq!(had(r#"{"x":1,"n\u0061me":2}"#), Ok(Some("2")));
        assert_eq!(had(r#"{"x":{"Name":1}}"#), Ok(None));
        assert_eq!(had("[1]"), Ok(None));
        for blurred in
            [r#"{"name":1,"name":2}"#, r#"{"name":1,"NAME":2}"#, r#"{"Name":1}"#, r#"{"name\u0000":1,"name":2}"#]
        {
            assert_eq!(had(blurred), Err(Malformed::Repeated("name")), "{blurred}");
        }
    }
}

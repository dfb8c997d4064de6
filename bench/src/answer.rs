//! The answer to a call of the echo tool, as JSON-RPC carries it, and whether it is right.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The members of a JSON-RPC message that tell an answer, still as they were written.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallResult<'a> {
    #[serde(borrow)]
    content: Vec<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

impl Answer<'_> {
    /// Whether it is an answer at all, and no request or notification.
    pub(crate) fn is_one(&self) -> bool {
        self.result.or(self.error).is_some()
    }

    /// Whether this is the tool result with exactly `body` as its one text.
    pub(crate) fn echoes(&self, body: &str) -> bool {
        let result = self.result.and_then(|result| serde_json::from_str::<CallResult>(result.get()).ok());
        result.is_some_and(|result| matches!(result.content.as_slice(), [only] if only.text == body))
    }

    /// The beginning of what was answered, for an error message.
    pub(crate) fn excerpt(&self) -> String {
        excerpt(self.error.or(self.result).map(RawValue::get).unwrap_or_default())
    }
}

/// The beginning of a text from outside, fit for one line.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}

/// Letters and digits, the same for the same size: what is to be echoed.
pub(crate) fn body(size: usize) -> String {
    let mut random = fastrand::Rng::with_seed(size as u64);
    std::iter::repeat_with(|| random.alphanumeric()).take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_text_is_an_echo() {
        for (content, good) in [
            (r#"[{"type":"text","text":"hello"}]"#, true),
            (r#"[{"type":"text","text":"h\u0065llo"}]"#, true),
            (r#"[{"type":"text","text":"hell"}]"#, false),
            (r#"[{"type":"text","text":"hello"},{"type":"text","text":"hello"}]"#, false),
            ("[]", false),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":{content}}}}}"#);
            let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!((answer.is_one(), answer.echoes("hello")), (true, good), "{text}");
        }
        let refused: Answer<'_> =
            serde_json::from_str(r#"{"id":7,"error":{"code":-32000,"message":"gone\u0007"}}"#).unwrap();
        assert!(refused.is_one() && !refused.echoes("hello"));
        assert!(refused.excerpt().contains("gone"));
        let request: Answer<'_> = serde_json::from_str(r#"{"id":7,"method":"ping"}"#).unwrap();
        assert!(!request.is_one());
    }
}

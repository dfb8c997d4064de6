//! The call that all loads are made of: `tools/call` of the echo tool.

use crate::answer::Answer;
use crate::channels::trouble::Failure;

/// One body, sent again and again under new ids.
#[derive(Debug)]
pub(crate) struct EchoCall {
    /// Letters and digits.
    body: String,
    after_id: String,
}

const BEFORE_ID: &[u8] = br#"{"jsonrpc":"2.0","id":"#;

impl EchoCall {
    /// `body` needs no JSON escapes.
    pub(crate) fn new(body: String) -> Self {
        let after_id =
            format!(r#","method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{body}"}}}}}}"#);
        Self { body, after_id }
    }

    /// The parts of the request with this id, itself given as text.
    pub(crate) fn parts<'a>(&'a self, id: &'a str) -> [&'a [u8]; 3] {
        [BEFORE_ID, id.as_bytes(), self.after_id.as_bytes()]
    }

    /// Whether `message` is the right answer to a call, and to which.
    pub(crate) fn check(&self, message: &[u8]) -> Result<u64, Failure> {
        let answer: Answer<'_> = serde_json::from_slice(message)?;
        match answer.id.and_then(|id| id.get().parse().ok()) {
            Some(id) if answer.echoes(&self.body) => Ok(id),
            _ => Err(Failure::WrongAnswer(answer.excerpt())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_json_and_its_echo_is_told_from_others() {
        let call = EchoCall::new("abc".to_owned());
        let request: serde_json::Value = serde_json::from_slice(&call.parts("17").concat()).unwrap();
        assert_eq!((&request["id"], &request["params"]["arguments"]["text"]), (&17.into(), &"abc".into()));
        let answer = |text: &str| {
            call.check(format!(r#"{{"id":17,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#).as_bytes())
        };
        assert_eq!(answer("abc").unwrap(), 17);
        assert!(matches!(answer("abd"), Err(Failure::WrongAnswer(said)) if said.contains("abd")));
    }
}

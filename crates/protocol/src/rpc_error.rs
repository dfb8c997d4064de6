//! The JSON-RPC errors that Culvert itself answers, so that no request stays without an answer.

use serde_json::json;

use crate::text;

/// An error answer of Culvert's own. `data.code` is the stable code; the number follows JSON-RPC where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    number: i32,
    code: &'static str,
    message: String,
}

/// JSON-RPC: the text is not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: the JSON is no valid request.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC: nobody here knows that method.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC: the params do not fit the method; MCP answers so to a call of an unknown tool.
pub const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC: the other side failed within.
pub const INTERNAL_ERROR: i32 = -32603;
/// The first of JSON-RPC's implementation-defined numbers: the tunnel, not the server, answers.
pub const TUNNEL_ERROR: i32 = -32000;

/// The longest message of an error answer, in characters: it may quote a local server's last words.
const MAX_MESSAGE: usize = 600;

impl RpcError {
    /// An error with a JSON-RPC number of its own.
    pub fn new(number: i32, code: &'static str, message: impl AsRef<str>) -> Self {
        Self { number, code, message: text::clean(message.as_ref(), MAX_MESSAGE) }
    }

    /// An error of the tunnel between caller and server.
    pub fn tunnel(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(TUNNEL_ERROR, code, message)
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What happened, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole answer to the request whose id has this JSON text.
    pub fn answer(&self, raw_id: &str) -> String {
        let error = json!({"code": self.number, "message": self.message, "data": {"code": self.code}});
        format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"error":{error}}}"#)
    }
}

/// An empty result: the answer to `ping`.
pub fn empty_result(raw_id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{{}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_valid_line_whatever_the_words() {
        let answer = RpcError::tunnel("server.exited", "died: \"x\"\n\u{1b}[0m").answer("\"a\"");
        let value: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(value["id"], "a");
        assert_eq!(value["error"]["code"], -32000);
        assert_eq!(value["error"]["message"], "died: \"x\" [0m");
        assert_eq!(value["error"]["data"]["code"], "server.exited");
        assert!(!answer.contains('\n'));
    }
}

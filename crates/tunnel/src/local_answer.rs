//! Answers to what a local server asks of its client, where the gateway cannot carry the question: no server hangs.

use culvert_protocol::message::{Message, Shape};
use culvert_protocol::rpc_error::{METHOD_NOT_FOUND, RpcError, empty_result};

/// The answer, when `message` is a request: `ping` succeeds, all else (sampling, elicitation, roots) is not to be had.
/// Base gateways drop such requests, or take them for answers.
pub(crate) fn to_request(message: &Message<'_>) -> Option<String> {
    let (Shape::Request(_), Some(id)) = (message.shape(), message.raw_id()) else { return None };
    Some(match &*message.method() {
        "ping" => empty_result(id),
        method => {
            let why = format!("{method} cannot reach an MCP client: this gateway carries no requests of servers");
            RpcError::new(METHOD_NOT_FOUND, "gateway.one_way", why).answer(id)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_succeed_and_the_rest_is_refused_with_the_id_as_spelled() {
        let answer = |text| to_request(&Message::parse(text).unwrap());
        assert_eq!(
            answer(r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#).unwrap(),
            r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#
        );
        let refused = answer(r#"{"jsonrpc":"2.0","id":"a","method":"roots/list"}"#).unwrap();
        assert!(refused.contains("-32601") && refused.contains(r#""id":"a""#), "{refused}");
        assert_eq!(answer(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#), None);
    }
}

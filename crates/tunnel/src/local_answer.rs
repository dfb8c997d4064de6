//! Answers that are given at this end: to what a local server asks of its client, where the gateway cannot carry the
//! question, so that no server hangs; and to calls that come too late.

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

/// Why a call is not taken any more while those in flight come to their end.
pub(crate) fn stopping() -> RpcError {
    RpcError::tunnel("tunnel.stopping", "the tunnel to this server is being stopped by its owner")
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

//! The one handshake with a shared child: what the gateway asks, what the child answered, and how each client gets it.

use bytes::Bytes;
use culvert_protocol::message::{self, Message};
use culvert_protocol::rpc_error::{INVALID_REQUEST, RpcError};
use culvert_protocol::splice::splice;
use serde_json::value::RawValue;

/// The revisions that begin with `initialize`, oldest first.
pub const LEGACY_REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The notification that ends the handshake.
pub(super) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The `params` of the gateway's own `initialize`. No capabilities: on a shared child nobody could tell which client a
/// request of the server is for.
pub(super) fn params() -> String {
    format!(
        r#"{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"culvert-gateway","version":"{}"}}}}"#,
        LEGACY_REVISIONS[LEGACY_REVISIONS.len() - 1],
        env!("CARGO_PKG_VERSION"),
    )
}

/// What the server said in answer to `initialize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialized {
    result: Bytes,
    version: String,
}

impl Initialized {
    /// Takes the server's whole answer.
    ///
    /// # Errors
    /// The reason, when it is an error or no answer that MCP allows.
    pub(super) fn of(answer: &str) -> Result<Self, RpcError> {
        let broken = |what: &str| {
            RpcError::tunnel("server.handshake", format!("the local server's answer to initialize {what}"))
        };
        let message = Message::parse(answer).map_err(|_| broken("is no JSON-RPC message"))?;
        if let Some(error) = message.error() {
            return Err(broken(&format!("is an error: {}", error.get())));
        }
        let result = message.result().ok_or_else(|| broken("has no result"))?;
        let version = message::member(result, "protocolVersion")
            .ok()
            .flatten()
            .and_then(|version| serde_json::from_str(version.get()).ok())
            .ok_or_else(|| broken("names no protocol version"))?;
        Ok(Self { result: Bytes::copy_from_slice(result.get().as_bytes()), version })
    }

    /// The `result`, as the server wrote it.
    pub fn result(&self) -> &str {
        std::str::from_utf8(&self.result).unwrap_or_default()
    }

    /// The revision that server and gateway agreed on.
    pub fn protocol_version(&self) -> &str {
        &self.version
    }

    /// Whether the server offers `capability` (`tools`, `resources`, `prompts` …), so that its lists may be asked for.
    pub fn offers(&self, capability: &'static str) -> bool {
        self.member("capabilities").is_some_and(|all| message::member(all, capability).is_ok_and(|one| one.is_some()))
    }

    /// A member of the result, raw: `serverInfo`, `instructions` …
    pub fn member(&self, name: &'static str) -> Option<&RawValue> {
        message::member(serde_json::from_str(self.result()).ok()?, name).ok().flatten()
    }

    /// The answer to a client's own `initialize`.
    ///
    /// The revision in it is the server's, save where the client asks for an older one that Culvert knows: legacy
    /// revisions only add to what stdio carries, and a client that takes no newer one would leave for nothing.
    ///
    /// # Errors
    /// When the client names no revision: MCP makes that a must.
    pub(super) fn answer(&self, request: &Message<'_>) -> Result<Bytes, RpcError> {
        let asked: String = request
            .param(&["protocolVersion"])
            .ok()
            .flatten()
            .and_then(|version| serde_json::from_str(version.get()).ok())
            .ok_or_else(|| {
                RpcError::new(INVALID_REQUEST, "initialize.version", "initialize names no protocolVersion")
            })?;
        let head = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, request.raw_id().unwrap_or("null"));
        let mut text = head + self.result();
        text.push('}');
        if !is_older(&asked, &self.version) {
            return Ok(text.into());
        }
        let span = Message::parse(&text).ok().and_then(|answer| {
            let version = message::member(answer.result()?, "protocolVersion").ok()??;
            Some(answer.span_of(version))
        });
        let quoted = format!("\"{asked}\"");
        Ok(span.map(|span| splice(&text, &[(span, &*quoted)])).unwrap_or_else(|| text.into()))
    }
}

/// Whether `asked` is a revision that Culvert knows, and older than `agreed`.
fn is_older(asked: &str, agreed: &str) -> bool {
    let place = |revision| LEGACY_REVISIONS.iter().position(|known| *known == revision);
    matches!((place(asked), place(agreed)), (Some(asked), Some(agreed)) if asked < agreed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = concat!(
        r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{}},"x":1.50,"#,
        r#""serverInfo":{"name":"a","protocolVersion":"no"},"protocolVersion": "2025-06-18" }}"#
    );

    fn answer(version: &str) -> String {
        let ask = format!(r#"{{"id":"\u0041","method":"initialize","params":{{"protocolVersion":"{version}"}}}}"#);
        let bytes = Initialized::of(ANSWER).unwrap().answer(&Message::parse(&ask).unwrap()).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn each_client_gets_the_servers_own_words_with_its_own_id() {
        assert_eq!(answer("2025-06-18"), ANSWER.replacen("\"id\":1", r#""id":"\u0041""#, 1));
        assert_eq!(answer("2025-11-25"), answer("2025-06-18"), "newer than the server's: the server's");
        assert_eq!(answer("1999-01-01"), answer("2025-06-18"), "unknown: the server's");
    }

    #[test]
    fn a_client_of_an_older_revision_gets_that_one() {
        assert_eq!(answer("2024-11-05"), answer("2025-06-18").replacen("\"2025-06-18\"", "\"2024-11-05\"", 1));
    }

    #[test]
    fn capabilities_and_members_are_read_from_the_result() {
        let answer = Initialized::of(ANSWER).unwrap();
        assert!(answer.offers("tools") && !answer.offers("prompts"));
        assert_eq!(answer.member("x").unwrap().get(), "1.50");
        assert_eq!(answer.protocol_version(), "2025-06-18");
    }

    #[test]
    fn a_refusal_or_nonsense_is_no_handshake() {
        for bad in ["x", r#"{"id":1,"error":{"code":1,"message":"no"}}"#, r#"{"id":1,"result":{}}"#] {
            assert_eq!(Initialized::of(bad).unwrap_err().code(), "server.handshake", "{bad}");
        }
    }
}

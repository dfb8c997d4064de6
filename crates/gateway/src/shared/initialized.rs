//! The one handshake with a shared child: what the gateway asks (`initialize`, or `server/discover` of a server that
//! knows no sessions), what the child answered, and how each client gets it.

use bytes::Bytes;
use culvert_protocol::message::{self, Message};
use culvert_protocol::revision;
use culvert_protocol::rpc_error::{INVALID_REQUEST, RpcError};
use culvert_protocol::splice::splice;
use serde_json::value::RawValue;

use crate::era::{self, Era};

/// What the gateway calls itself.
const PROGRAM: &str = "culvert-gateway";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The notification that ends the handshake.
pub(super) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The `params` of the gateway's own `initialize`. No capabilities: on a shared child nobody could tell which client a
/// request of the server is for.
pub(super) fn params() -> String {
    revision::initialize_params(PROGRAM, VERSION)
}

/// The error of a server that does not speak the revision asked for (2026-07-28).
pub(super) const UNSUPPORTED_VERSION: i32 = -32022;

/// The `_meta` of the gateway's own requests to a modern server of this revision.
pub(super) fn meta(of: &str) -> String {
    revision::own_meta(of, PROGRAM, VERSION)
}

/// The newest modern revision in a JSON list.
pub(super) fn newest_modern(list: &RawValue) -> Option<String> {
    let listed: Vec<String> = serde_json::from_str(list.get()).ok()?;
    listed.into_iter().filter(|revision| era::is_modern_revision(revision)).max()
}

/// What the server said of itself, in answer to `initialize` or `server/discover`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialized {
    era: Era,
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
        Ok(Self { era: Era::Legacy, result: Bytes::copy_from_slice(result.get().as_bytes()), version })
    }

    /// Takes the `result` of a server's `server/discover`. `None`: it names no modern revision.
    pub(super) fn discovered(result: &RawValue) -> Option<Self> {
        let listed = message::member(result, "supportedVersions").ok()??;
        let spoken: Vec<String> = serde_json::from_str(listed.get()).ok()?;
        let ours = spoken.iter().any(|one| one == revision::MODERN).then(|| revision::MODERN.to_owned());
        let version = ours.or_else(|| newest_modern(listed))?;
        Some(Self { era: Era::Modern, result: Bytes::copy_from_slice(result.get().as_bytes()), version })
    }

    /// How the child is spoken to.
    pub fn era(&self) -> Era {
        self.era
    }

    /// `params`, a JSON object, as a request of the gateway's own has them in the child's era.
    pub(super) fn own_params(&self, params: Option<&str>) -> Option<String> {
        if self.era == Era::Legacy {
            return params.map(str::to_owned);
        }
        let rest = params.map_or("}", |params| params.trim_start().strip_prefix('{').unwrap_or("}"));
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        Some(format!(r#"{{"_meta":{}{comma}{rest}"#, meta(&self.version)))
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
    /// When the client names no revision: MCP makes that a must. And when the server has no sessions to begin.
    pub(super) fn answer(&self, request: &Message<'_>) -> Result<Bytes, RpcError> {
        if self.era == Era::Modern {
            let words = format!("this server speaks no revision with initialize; it speaks MCP {}", self.version);
            return Err(RpcError::new(INVALID_REQUEST, "era.modern", words));
        }
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
    let place = |one| revision::LEGACY.iter().position(|known| *known == one);
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
    fn a_modern_server_is_known_by_the_revisions_that_it_lists() {
        let discovered = |text: &str| Initialized::discovered(&RawValue::from_string(text.to_owned()).unwrap());
        let both =
            discovered(r#"{"supportedVersions":["2031-01-01","2026-07-28","2025-11-25"],"capabilities":{"tools":{}}}"#);
        let both = both.unwrap();
        assert_eq!((both.era(), both.protocol_version()), (Era::Modern, "2026-07-28"));
        assert!(both.offers("tools"));
        assert_eq!(discovered(r#"{"supportedVersions":["2031-01-01"]}"#).unwrap().protocol_version(), "2031-01-01");
        for legacy in [r#"{"supportedVersions":["2025-11-25"]}"#, r#"{"supportedVersions":[]}"#, "{}", "7"] {
            assert_eq!(discovered(legacy), None, "{legacy}");
        }
        for (params, rest) in [(None, "}"), (Some("{}"), "}"), (Some(r#" {"cursor":"c"}"#), r#","cursor":"c"}"#)] {
            let own = both.own_params(params).unwrap();
            assert_eq!(own, format!(r#"{{"_meta":{}{rest}"#, meta("2026-07-28")));
            serde_json::from_str::<serde_json::Value>(&own).unwrap();
        }
        let ask =
            Message::parse(r#"{"id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#).unwrap();
        assert_eq!(both.answer(&ask).unwrap_err().code(), "era.modern");
    }

    #[test]
    fn a_refusal_or_nonsense_is_no_handshake() {
        for bad in ["x", r#"{"id":1,"error":{"code":1,"message":"no"}}"#, r#"{"id":1,"result":{}}"#] {
            assert_eq!(Initialized::of(bad).unwrap_err().code(), "server.handshake", "{bad}");
        }
    }
}

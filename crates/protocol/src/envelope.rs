//! The base dialect: the JSON envelopes of `/reverse-proxy/ws`, as ContextForge gateways and their clients send them.
//!
//! Reading is tolerant (unknown members and types are kept apart, never an error), writing is strict: exactly the
//! members that the strictest known gateway takes. Payloads go in and out as raw text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::channels::control::{Grant, Offer};
use crate::introduction::{ClientInfo, Labels};
use crate::message::{Carried, Plain};
use crate::name::ServerName;

/// What an envelope says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Client: this server wants to be reachable.
    Register,
    /// Gateway: the registration has begun (`processing`) or, on the released ContextForge, is all done (`success`).
    RegisterAck,
    /// Gateway: the registration is done or refused.
    RegisterComplete,
    /// Client: the server goes away.
    Unregister,
    /// Client, in the channels dialect: its owner's labels are others now.
    Labels,
    /// Client: still there. Gateway: the acknowledgement of it, which is never answered.
    Heartbeat,
    /// A message for the local server. Notifications come under this label too.
    Request,
    /// A message of the local server. Old clients put its requests under this label too.
    Response,
    /// A notification of the local server.
    Notification,
    /// The peer could not make sense of something.
    Error,
    /// Anything else.
    Other(String),
}

/// An envelope that was read. Which members are there depends on its kind.
#[derive(Clone)]
pub struct Envelope<'a> {
    /// What it says it is.
    pub kind: Kind,
    /// The sender's idea of the session's id.
    pub session_id: Option<Cow<'a, str>>,
    /// `status` of an acknowledgement: `processing`, `success`, `error`.
    pub status: Option<Cow<'a, str>>,
    /// What an error or a refusal says.
    pub message: Option<Cow<'a, str>>,
    /// The JSON-RPC message that it carries.
    pub payload: Option<Carried<'a>>,
    /// `register`: who wants to be reachable.
    pub server: Option<&'a RawValue>,
    /// Offers (`register`) and grants (`register_ack`) beyond the base dialect.
    pub extensions: Option<&'a RawValue>,
    /// `register`: the client's program.
    pub client: Option<&'a RawValue>,
    /// `register` and `labels`: the owner's labels.
    pub labels: Option<&'a RawValue>,
    /// Credentials that the gateway wants the local server to see. Never logged.
    pub authentication: Option<&'a RawValue>,
}

/// What it carries may hold credentials, and a grant the key to the session.
impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, session_id, status, message, .. } = self;
        let mut shown = f.debug_struct("Envelope");
        shown.field("kind", kind).field("session_id", session_id).field("status", status).field("message", message);
        shown.finish_non_exhaustive()
    }
}

/// Why a text is no envelope.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadEnvelope {
    /// Not a JSON object, or a member has the wrong type.
    #[error("not an envelope: {0}")]
    Unreadable(String),
    /// Nothing says what it is.
    #[error("an envelope without a type")]
    NoType,
}

/// The members, with the payload read as `P`.
#[derive(Deserialize)]
#[serde(bound = "P: Deserialize<'de>")]
struct Wire<'a, P> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(rename = "sessionId", borrow)]
    session_id: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    payload: Option<P>,
    #[serde(borrow)]
    server: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
    #[serde(borrow)]
    client: Option<&'a RawValue>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    authentication: Option<&'a RawValue>,
}

/// A JSON text, borrowed where it has no escapes: within an option, only a type of its own is.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Envelope<'a> {
    /// Reads one text frame.
    ///
    /// # Errors
    /// [`BadEnvelope`] when it is no JSON object with a `type`.
    pub fn parse(text: &'a str) -> Result<Self, BadEnvelope> {
        // Nearly always the message can be read along with what it comes in.
        if let Ok(mut wire) = serde_json::from_str::<Wire<'a, Plain<'a>>>(text) {
            match wire.payload.take().map(|plain| Carried::within(text, plain)) {
                None => return Self::of(wire, None),
                Some(Some(payload)) => return Self::of(wire, Some(payload)),
                Some(None) => {}
            }
        }
        let mut wire: Wire<'a, &'a RawValue> =
            serde_json::from_str(text).map_err(|error| BadEnvelope::Unreadable(error.to_string()))?;
        let payload = wire.payload.take().map(Carried::from);
        Self::of(wire, payload)
    }

    fn of<P>(wire: Wire<'a, P>, payload: Option<Carried<'a>>) -> Result<Self, BadEnvelope> {
        let said = |text: Option<Text<'a>>| text.map(|Text(text)| text);
        let kind = match &*said(wire.kind).ok_or(BadEnvelope::NoType)? {
            "register" => Kind::Register,
            "register_ack" => Kind::RegisterAck,
            "register_complete" => Kind::RegisterComplete,
            "unregister" => Kind::Unregister,
            "labels" => Kind::Labels,
            "heartbeat" => Kind::Heartbeat,
            "request" => Kind::Request,
            "response" => Kind::Response,
            "notification" => Kind::Notification,
            "error" => Kind::Error,
            other => Kind::Other(other.to_owned()),
        };
        Ok(Self {
            kind,
            session_id: said(wire.session_id),
            status: said(wire.status),
            message: said(wire.message),
            payload,
            server: wire.server,
            extensions: wire.extensions,
            client: wire.client,
            labels: wire.labels,
            authentication: wire.authentication,
        })
    }
}

/// The `server` member of a `register`, as gateways read it.
#[derive(Debug, Clone, Deserialize)]
pub struct ServerInfo {
    /// The name asked for, unchecked.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for, in the words of its owner.
    #[serde(default)]
    pub description: Option<String>,
}

/// What a `register` says.
#[derive(Debug, Clone)]
pub struct Register<'a> {
    /// The name asked for.
    pub name: &'a ServerName,
    /// What the server is for.
    pub description: Option<&'a str>,
    /// What the client can do beyond the base dialect.
    pub offer: Offer,
    /// The client's program.
    pub client: &'a ClientInfo,
    /// The owner's labels.
    pub labels: &'a Labels,
}

/// Writes the envelopes of one session: its id is quoted once.
#[derive(Debug, Clone)]
pub struct Writer {
    session: String,
}

impl Writer {
    /// For the session with this id.
    pub fn new(session_id: &str) -> Self {
        Self { session: quote(session_id) }
    }

    /// Client → gateway: `register`. Gateways that do not know the members after `server` take no notice of them.
    pub fn register(&self, register: &Register<'_>) -> String {
        let Register { name, description, offer, client, labels } = register;
        // Nothing in them can fail to be written: numbers and texts.
        let offer = serde_json::to_string(offer).unwrap_or_else(|_| "{}".to_owned());
        let (session, name) = (&self.session, quote(name.as_str()));
        let description = description.map(|text| format!(r#","description":{}"#, quote(text))).unwrap_or_default();
        let member =
            |name: &str, json: Option<String>| json.map(|json| format!(r#","{name}":{json}"#)).unwrap_or_default();
        let client = (**client != ClientInfo::default()).then(|| serde_json::to_string(client).ok()).flatten();
        let labels = (!labels.is_empty()).then(|| serde_json::to_string(labels).ok()).flatten();
        let (client, labels) = (member("client", client), member("labels", labels));
        format!(
            r#"{{"type":"register","sessionId":{session},"server":{{"name":{name}{description},"protocol":"mcp"}},"extensions":{offer}{client}{labels}}}"#
        )
    }

    /// Gateway → client: `register_ack` with a status.
    pub fn register_ack(&self, status: &str) -> String {
        format!(r#"{{"type":"register_ack","sessionId":{},"status":{}}}"#, self.session, quote(status))
    }

    /// Gateway → client: `register_ack` that grants the channels dialect.
    pub fn register_grant(&self, grant: &Grant) -> String {
        let grant = serde_json::to_string(grant).unwrap_or_else(|_| "{}".to_owned());
        format!(r#"{{"type":"register_ack","sessionId":{},"status":"processing","extensions":{grant}}}"#, self.session)
    }

    /// Gateway → client: the registration is done.
    pub fn register_complete(&self) -> String {
        format!(r#"{{"type":"register_complete","sessionId":{},"status":"success"}}"#, self.session)
    }

    /// Gateway → client: the registration is refused.
    pub fn register_refused(&self, why: &str) -> String {
        format!(
            r#"{{"type":"register_complete","sessionId":{},"status":"error","message":{}}}"#,
            self.session,
            quote(why)
        )
    }

    /// Client → gateway: the server goes away.
    pub fn unregister(&self) -> String {
        format!(r#"{{"type":"unregister","sessionId":{}}}"#, self.session)
    }

    /// Client → gateway, in the channels dialect: all of the owner's labels, which are others now.
    pub fn labels(&self, labels: &Labels) -> String {
        // Texts with keys that are texts always become JSON.
        let labels = serde_json::to_string(labels).unwrap_or_else(|_| "{}".to_owned());
        format!(r#"{{"type":"labels","sessionId":{},"labels":{labels}}}"#, self.session)
    }

    /// Client → gateway: still there.
    pub fn heartbeat(&self) -> String {
        format!(r#"{{"type":"heartbeat","sessionId":{}}}"#, self.session)
    }

    /// Gateway → client: acknowledges a heartbeat. `timestamp` is RFC 3339.
    pub fn heartbeat_ack(&self, timestamp: &str) -> String {
        format!(r#"{{"type":"heartbeat","sessionId":{},"timestamp":{}}}"#, self.session, quote(timestamp))
    }

    /// Gateway → client: something could not be understood.
    pub fn error(&self, message: &str) -> String {
        format!(r#"{{"type":"error","sessionId":{},"message":{}}}"#, self.session, quote(message))
    }

    /// Gateway → client: a message for the local server.
    pub fn request(&self, payload: &str) -> String {
        self.carry("request", payload)
    }

    /// Client → gateway: an answer of the local server.
    pub fn response(&self, payload: &str) -> String {
        self.carry("response", payload)
    }

    /// Client → gateway: a notification of the local server.
    pub fn notification(&self, payload: &str) -> String {
        self.carry("notification", payload)
    }

    /// How many bytes an envelope adds to its payload, at most.
    pub fn overhead(&self) -> usize {
        self.session.len() + 64
    }

    fn carry(&self, kind: &str, payload: &str) -> String {
        let parts = [r#"{"type":""#, kind, r#"","sessionId":"#, &self.session, r#","payload":"#, payload, "}"];
        parts.concat()
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn a_payload_is_the_same_whichever_way_it_is_read() {
        for payload in [
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"}":"{"}}"#,
            "{ \n \"id\" : \"x\" , \"result\" : {} \t }",
            r#"{"\u0069d":1,"method":"a"}"#,
            r#"{"\ud800":1,"id":7,"method":"a"}"#,
            r#"{"id":1,"id":2,"method":"a"}"#,
            r#"{"":1,"id":1,"method":"a"}"#,
            r#"{"method":"\u0061"}"#,
            r#"[{"id":1,"method":"a"}]"#,
            r#""text""#,
            "{}",
            "7",
        ] {
            let frame = format!(r#"{{"type":"request","payload" : {payload} ,"sessionId":"s\u0031"}}"#);
            let envelope = Envelope::parse(&frame).unwrap();
            assert_eq!(envelope.session_id.as_deref(), Some("s1"));
            let carried = envelope.payload.unwrap();
            assert_eq!(carried.text(), payload);
            let alone = Message::parse(payload);
            assert_eq!(carried.message().map(|message| message.shape().clone()), alone.map(|it| it.shape().clone()));
        }
        let cut = r#"{"type":"request","payload":{"id":1,"method":"a"},"#;
        assert!(matches!(Envelope::parse(cut), Err(BadEnvelope::Unreadable(_))));
        assert!(Envelope::parse(r#"{"type":"request","payload":null}"#).unwrap().payload.is_none());
    }

    #[test]
    fn a_payload_passes_untouched() {
        let payload = r#"{"jsonrpc":"2.0","id":"a" , "result":{"x":1.50,"x":2}}"#;
        let frame = Writer::new("s\"1").response(payload);
        let envelope = Envelope::parse(&frame).unwrap();
        assert_eq!(envelope.kind, Kind::Response);
        assert_eq!(envelope.session_id.as_deref(), Some("s\"1"));
        assert_eq!(envelope.payload.unwrap().text(), payload);
    }

    #[test]
    fn the_overhead_is_never_understated() {
        let writer = Writer::new("0123456789abcdef");
        for frame in [writer.request("{}"), writer.response("{}"), writer.notification("{}")] {
            assert!(frame.len() - 2 <= writer.overhead());
        }
    }

    #[test]
    fn unknown_types_and_members_are_no_error() {
        let envelope = Envelope::parse(r#"{"type":"later","new":{"a":[1]}}"#).unwrap();
        assert_eq!(envelope.kind, Kind::Other("later".into()));
        assert!(matches!(Envelope::parse("{}"), Err(BadEnvelope::NoType)));
        assert!(matches!(Envelope::parse("[]"), Err(BadEnvelope::Unreadable(_))));
    }

    #[test]
    fn register_has_what_strict_gateways_take_and_more_beside_it() {
        let name = ServerName::new("git").unwrap();
        let client = ClientInfo { host: Some("h".into()), ..ClientInfo::default() };
        let labels = Labels::new([("team".to_owned(), "a\"b".to_owned())].into()).unwrap();
        let register = Register {
            name: &name,
            description: Some("my \"repo\""),
            offer: Offer::ALL,
            client: &client,
            labels: &labels,
        };
        let mut expected = serde_json::json!({"type":"register","sessionId":"s","server":{"name":"git","description":"my \"repo\"","protocol":"mcp"},
                "extensions":{"channels":1,"resume":1},"client":{"host":"h"},"labels":{"team":"a\"b"}});
        let value = |register: &Register<'_>| -> serde_json::Value {
            serde_json::from_str(&Writer::new("s").register(register)).unwrap()
        };
        assert_eq!(value(&register), expected);
        let plain = Register { client: &ClientInfo::default(), labels: &Labels::default(), ..register };
        expected.as_object_mut().unwrap().retain(|member, _| !matches!(member.as_str(), "client" | "labels"));
        assert_eq!(value(&plain), expected, "nothing is said by members that say nothing");
    }
}

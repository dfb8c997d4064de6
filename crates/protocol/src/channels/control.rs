//! The JSON messages of the channels dialect, beside the resumable stream: what is offered and granted, how much came
//! in, how a link goes on after its connection broke, and why it ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::{MAX_MESSAGE_DEFAULT, MAX_MESSAGE_FLOOR};
use crate::secret::Secret;

/// The version of the dialect that this code speaks.
const VERSION: u32 = 1;

/// The smallest window that is worth the name, in bytes.
pub const MIN_WINDOW: u32 = 1024;

/// The largest window that a client takes, in bytes.
pub const MAX_WINDOW: u32 = 16 * 1024 * 1024;

/// The longest grace that a client reckons with, in seconds.
pub const MAX_GRACE: u64 = 3600;

/// The most users that one message names.
pub const MOST_USERS: usize = 256;

/// `extensions` of a `register`: what the client can do beyond the base dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The version of channels, 0 for none.
    #[serde(default)]
    pub channels: u32,
    /// The version of resume, 0 for none.
    #[serde(default)]
    pub resume: u32,
    /// The server must not run twice: all clients share the child behind the gateway's own channel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_child: bool,
    /// The registration is a test and ends at once: the gateway is to keep nothing of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
    /// The longest JSON-RPC message that the client takes, in bytes. `None`: what links take unless set otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_message: Option<usize>,
}

impl Offer {
    /// Everything, for a server that may run as often as there are sessions.
    pub const ALL: Self =
        Self { channels: VERSION, resume: VERSION, single_child: false, trial: false, max_message: None };

    /// Reads a peer's `extensions`; what cannot be read offers nothing.
    pub fn read(extensions: &RawValue) -> Self {
        serde_json::from_str(extensions.get()).unwrap_or_default()
    }

    /// The longest message that the peer takes, in bytes; not less than what any error answer needs.
    pub fn takes(self) -> usize {
        self.max_message.unwrap_or(MAX_MESSAGE_DEFAULT).max(MAX_MESSAGE_FLOOR)
    }

    /// Whether channels can be used with this peer.
    pub fn has_channels(self) -> bool {
        self.channels >= VERSION && self.resume >= VERSION
    }
}

/// `extensions` of a `register_ack`: the channels dialect is on, with these limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The version of channels.
    pub channels: u32,
    /// The version of resume.
    pub resume: u32,
    /// The credit of each side of each channel, in bytes.
    pub window: u32,
    /// The longest JSON-RPC message that the gateway takes, in bytes.
    pub max_message: usize,
    /// Seconds for which a link whose connection broke can be resumed.
    pub grace: u64,
    /// What resuming takes beside the bearer: 128 random bits.
    #[serde(with = "key")]
    pub resume_key: Secret,
}

impl Grant {
    /// A grant of this version.
    pub fn new(window: u32, max_message: usize, grace: Duration, resume_key: Secret) -> Self {
        Self { channels: VERSION, resume: VERSION, window, max_message, grace: grace.as_secs(), resume_key }
    }

    /// Reads a gateway's `extensions`. `None`: nothing usable was granted. What is granted beyond reason is cut to it,
    /// for the window bounds this end's memory and the grace its patience.
    pub fn read(extensions: &RawValue) -> Option<Self> {
        let grant: Self = serde_json::from_str(extensions.get()).ok()?;
        let usable = grant.channels == VERSION
            && grant.resume == VERSION
            && grant.window >= MIN_WINDOW
            && grant.max_message >= MAX_MESSAGE_FLOOR;
        usable.then(|| Self { window: grant.window.min(MAX_WINDOW), grace: grant.grace.min(MAX_GRACE), ..grant })
    }

    /// How long a broken link can be resumed.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }
}

mod key {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::secret::Secret;

    pub(super) fn serialize<S: Serializer>(key: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(key.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

/// A control message of the dialect. Those of the base dialect that stay (heartbeat, register, …) are read as
/// [`Envelope`](crate::envelope::Envelope)s.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Control {
    /// Either: so many bytes of the stream have come in.
    Ack {
        /// In all.
        received: u64,
    },
    /// Client, first on a new connection: go on with this session.
    Resume {
        /// The session, as the gateway named it.
        session_id: String,
        /// The key that came with the grant.
        #[serde(with = "key")]
        key: Secret,
        /// What has come in of the gateway's stream.
        received: u64,
        /// Counts the client's tries: one that arrives late must not undo a later one.
        attempt: u64,
    },
    /// Gateway: it goes on, from here.
    Resumed {
        /// What has come in of the client's stream.
        received: u64,
    },
    /// Gateway: it does not go on. The connection can be used for a fresh `register`.
    ResumeRefused {
        /// `unknown`, `subject`, `stale`.
        reason: String,
    },
    /// Gateway: the session is over for good.
    Close {
        /// A cause code: `auth.expired`, `session.deleted`, `register.displaced`, …
        code: String,
    },
    /// Gateway, where all clients share one child: who uses it now, up to [`MOST_USERS`] of them.
    InUse {
        /// All of them.
        by: Vec<User>,
    },
}

/// Somebody who uses a shared child; of other channels their [`Header`] says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The caller's program, as it named itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl Control {
    /// Reads a text message; `None` when it is none of these.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text to send.
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to be written: texts, numbers, and keys that are texts.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The header of a channel: for whom it is. Never a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// What it is for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The MCP session, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Who calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The caller's program, as it named itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// What a channel is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A client's conversation.
    #[default]
    Client,
    /// The gateway's own: discovery and probes. It counts towards no cap and never idles out.
    Gateway,
}

impl Header {
    /// Reads an OPEN's bytes; what cannot be read says nothing.
    pub fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// The bytes of an OPEN.
    pub fn to_bytes(&self) -> bytes::Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn control_messages_have_the_documented_text() {
        let ack = Control::Ack { received: 7 }.to_json();
        assert_eq!(ack, r#"{"type":"ack","received":7}"#);
        let resume = Control::Resume { session_id: "s".into(), key: Secret::new("k"), received: 0, attempt: 1 };
        assert_eq!(resume.to_json(), r#"{"type":"resume","sessionId":"s","key":"k","received":0,"attempt":1}"#);
        assert!(!format!("{resume:?}").contains("\"k\""));
        assert!(matches!(
            Control::parse(r#"{"type":"resumed","received":9,"later":1}"#),
            Some(Control::Resumed { received: 9 })
        ));
        assert!(Control::parse(r#"{"type":"heartbeat"}"#).is_none());
        assert!(Control::parse(r#"{"type":"ack","received":-1}"#).is_none());
    }

    #[test]
    fn nothing_is_granted_by_what_cannot_be_read() {
        assert!(Grant::read(&raw("{}")).is_none());
        assert!(Grant::read(&raw(r#"{"channels":2}"#)).is_none());
        let grant = Grant::new(65_536, 10_000, Duration::from_secs(120), Secret::new("k"));
        let read = Grant::read(&raw(&serde_json::to_string(&grant).unwrap())).unwrap();
        assert_eq!((read.window, read.grace(), read.resume_key.expose()), (65_536, Duration::from_secs(120), "k"));
        assert!(Offer::read(&raw(r#"{"channels":1,"resume":1,"more":{}}"#)).has_channels());
        assert!(!Offer::read(&raw("[]")).has_channels());
        let takes = |text: &str| Offer::read(&raw(text)).takes();
        assert_eq!((takes("{}"), takes(r#"{"maxMessage":65536}"#)), (MAX_MESSAGE_DEFAULT, 65_536));
        assert_eq!(takes(r#"{"maxMessage":1}"#), MAX_MESSAGE_FLOOR);
    }

    #[test]
    fn headers_say_what_they_can() {
        let header = Header { subject: Some("a@b".into()), ..Header::default() };
        assert_eq!(&header.to_bytes()[..], br#"{"purpose":"client","subject":"a@b"}"#);
        assert_eq!(Header::read(&header.to_bytes()), header);
        assert_eq!(Header::read(b"nonsense"), Header::default());
    }
}

//! How a fake gateway behaves: which ContextForge it plays, and where a test wants it otherwise.

use std::time::Duration;

/// What one gateway does on every link.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Which gateway it plays.
    pub dialect: Dialect,
    /// The bearer that it takes; none: it asks for none.
    pub token: Option<String>,
    /// Where its endpoint is.
    pub paths: Paths,
    /// Whether it acknowledges heartbeats.
    pub acks: Acks,
    /// The largest frame that it takes, in bytes; above, it closes with 1009.
    pub max_frame: usize,
    /// How long a client may go without a heartbeat.
    pub evict_after: Duration,
}

/// Which gateway is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The strict rework: it initialises, lists, completes, and judges every payload.
    Next,
    /// ContextForge 1.0.7: `register_ack` with success, and nothing more.
    Released,
    /// It answers `register` with nothing: the test does.
    Mute,
}

/// Where the endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// `/reverse-proxy/ws` alone.
    Plain,
    /// Both.
    Both,
    /// `/v1/reverse-proxy/ws`; the old one answers 403 with an empty body.
    V1Only,
    /// Neither: every path is 404.
    None,
}

/// Whether heartbeats are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Each of them, at once.
    Each,
    /// None: as late as can be.
    Never,
}

/// How a registration ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `register_complete` with an error and this message, then close 1008.
    Refused(String),
    /// Success, and right after it a close frame with this code and no reason.
    CompleteThenClose(u16),
}

impl Manner {
    /// The strict rework.
    pub fn next() -> Self {
        Self {
            dialect: Dialect::Next,
            token: None,
            paths: Paths::Both,
            acks: Acks::Each,
            max_frame: 1_048_576,
            evict_after: Duration::from_secs(90),
        }
    }

    /// ContextForge 1.0.7.
    pub fn released() -> Self {
        Self { dialect: Dialect::Released, paths: Paths::Plain, max_frame: 16 * 1_048_576, ..Self::next() }
    }

    /// The strict rework until `register`, which stays without an answer.
    pub fn mute() -> Self {
        Self { dialect: Dialect::Mute, ..Self::next() }
    }

    /// Takes this bearer and no other.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Has its endpoint there.
    #[must_use]
    pub fn paths(mut self, paths: Paths) -> Self {
        self.paths = paths;
        self
    }

    /// Acknowledges heartbeats so.
    #[must_use]
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// Evicts after this long without a heartbeat.
    #[must_use]
    pub fn evict_after(mut self, patience: Duration) -> Self {
        self.evict_after = patience;
        self
    }
}

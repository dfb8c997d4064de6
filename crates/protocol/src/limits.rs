//! The numbers that bound the wire, each with its reason.

use std::time::Duration;

/// The largest whole frame that Culvert sends or takes unless told otherwise, in bytes. The released ContextForge
/// gateway takes as much.
pub const MAX_MESSAGE_DEFAULT: usize = 16 * 1024 * 1024;

/// The largest whole frame, in bytes, towards a base gateway that answers `processing`: ContextForge's reworked
/// service closes the link with 1009 one byte above it.
pub const MAX_MESSAGE_STRICT: usize = 1024 * 1024;

/// The smallest value that `--max-message-size` may have: below it not even error answers fit.
pub const MAX_MESSAGE_FLOOR: usize = 4 * 1024;

/// The base dialect's heartbeat interval unless `--keepalive` says otherwise.
pub const KEEPALIVE_DEFAULT: Duration = Duration::from_secs(30);

/// Above this heartbeat interval a warning is due: base gateways evict a silent client after 90 s.
pub const KEEPALIVE_WARN: Duration = Duration::from_secs(60);

/// How long a link may be silent before a WebSocket ping asks whether the peer is still there.
pub const SILENCE_BEFORE_PING: Duration = Duration::from_secs(8);

/// How long the peer may stay silent after that ping before the link counts as dead.
pub const SILENCE_AFTER_PING: Duration = Duration::from_secs(20);

/// How long the peer may stay silent after a ping that is sent because the network may be another one, as after a
/// sleep. Round trips over satellites are shorter; a session that is resumed for nothing loses nothing.
pub const SILENCE_WHEN_DOUBTED: Duration = Duration::from_millis(900);

/// The same where calls are in flight that would end with the link.
pub const SILENCE_WHEN_DOUBTED_IN_USE: Duration = Duration::from_secs(5);

/// How long name look-up, TCP, TLS and WebSocket upgrade may take together.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a gateway may take from `register` to the end of the registration. ContextForge lists tools, resources
/// and prompts in between and was seen frozen for 41 s.
pub const REGISTER_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a local server may take to its first good `initialize` answer; downloads by `uvx` and `npx` count.
pub const START_TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);

/// How long a request may stay unanswered before its caller gets an error; progress starts the time anew.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);

/// The longest wait between two tries to reach a gateway.
pub const RETRY_CAP: Duration = Duration::from_secs(60);

/// The longest wait between two tries while a session can still be resumed.
pub const RESUME_RETRY_CAP: Duration = Duration::from_secs(5);

/// How long a client that found WebSocket blocked stays on SSE before it tries WebSocket again.
pub const WEBSOCKET_AGAIN: Duration = Duration::from_secs(3600);

/// Our gateway acknowledges heartbeats of one link at most this often: some clients answer an acknowledgement with a
/// heartbeat, and would loop.
pub const HEARTBEAT_ACK_INTERVAL: Duration = Duration::from_secs(5);

/// The longest id of a JSON-RPC request that is taken, in bytes of its JSON text. Real ids are numbers and UUIDs.
pub const MAX_ID: usize = 1024;

/// How long a local server may go without an answer until it is asked for one: with the time for that answer, one that
/// hangs shows within a minute.
pub const PROBE_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);

/// How long calls in flight may take to their end once a tunnel is to stop.
pub const DRAIN_DEFAULT: Duration = Duration::from_secs(5);

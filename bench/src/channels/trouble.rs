//! Why something between client and server could not be measured.

use std::io;
use std::time::Duration;

use crate::process::Ended;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the driver itself failed: {0}")]
    Driver(io::Error),
    #[error("no token could be made: {0}")]
    Token(String),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("the connection was closed before the answer was whole")]
    Closed,
    #[error("no HTTP: {0}")]
    NotHttp(&'static str),
    #[error("HTTP status {status}: {said}")]
    Status { status: u16, said: String },
    #[error("the response held no answer to the call")]
    NoAnswer,
    #[error("what came is no JSON-RPC: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("wrong answer: {0}")]
    WrongAnswer(String),
    #[error("an answer to no call in flight (answered twice?)")]
    Stray,
    #[error("{waiting} of {of} calls in flight unanswered after {} s", .patience.as_secs())]
    Unanswered { waiting: usize, of: usize, patience: Duration },
    #[error("no session after {} s: {last}{said}", .patience.as_secs())]
    NotReady { patience: Duration, last: String, said: String },
    #[error(transparent)]
    Ended(#[from] Ended),
}

//! Why the load could not be made.

use culvert_protocol::channels::Violation;
use tokio_tungstenite::tungstenite;

use crate::channels::Failure;

#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Call(#[from] Failure),
    #[error("a light tunnel's link failed: {0}")]
    Link(Box<tungstenite::Error>),
    #[error("a light tunnel's link was closed")]
    Closed,
    #[error("the gateway broke the dialect's rules: {0}")]
    Rules(Violation),
    #[error("the gateway granted no channels")]
    NoChannels,
    #[error("a light tunnel was refused: {0}")]
    Refused(String),
    #[error("the token is no header")]
    Token,
    #[error("{down} of {of} light tunnels went down")]
    Down { down: usize, of: usize },
}

impl From<tungstenite::Error> for Trouble {
    fn from(error: tungstenite::Error) -> Self {
        Self::Link(Box::new(error))
    }
}

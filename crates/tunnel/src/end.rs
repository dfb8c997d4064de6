//! Why a session is over.

use std::time::Duration;

use culvert_link::LinkEnd;
use culvert_protocol::Cause;

use crate::output::Exit;
use crate::registration::Refusal;

/// Why a session is over.
#[derive(Debug)]
pub(crate) enum End {
    /// As asked.
    Stopped,
    /// Nothing is in flight, and there is another token to register with.
    TokenReplaced,
    /// The child ended; its callers were told.
    Server(Exit),
    /// The gateway turned the registration down.
    Refused(Refusal),
    /// The link ended, so long after the registration was complete, if it ever was.
    Link(LinkEnd, Option<Duration>),
    /// Anything that is a cause already.
    Cause(Cause),
}

//! What comes from a local server, be it a process or a URL.

use std::fmt;

use culvert_link::queue::Weight;
use culvert_protocol::Cause;

use crate::lines::Line;

/// What comes from a local server.
#[derive(Debug)]
pub(crate) enum Output {
    /// A message, or what is known of one that was too long.
    Line(Line),
    /// It is gone, and everything that it had said was read.
    Exited(Exit),
}

impl Weight for Output {
    fn weight(&self) -> usize {
        match self {
            Self::Line(Line::Whole(line)) => line.len(),
            Self::Line(Line::Oversize { .. }) | Self::Exited(_) => 0,
        }
    }
}

/// How a local server ended. Shown, it goes on after "the local server ".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exit {
    /// "exited with code 3", "ended the session (404)".
    status: String,
    /// Its last line on stderr, beginning with a separator, or nothing.
    stderr: String,
    of: Of,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    Process,
    Url {
        url: String,
        /// What it means for a server that has never worked.
        first: Box<Cause>,
    },
}

impl Exit {
    /// The end of a process.
    pub(crate) fn of_process(status: String, stderr: String) -> Self {
        Self { status, stderr, of: Of::Process }
    }

    /// The end of a conversation with a URL; `first` is the cause if it had never worked.
    pub(crate) fn of_url(url: String, status: String, first: Cause) -> Self {
        Self { status, stderr: String::new(), of: Of::Url { url, first: Box::new(first) } }
    }

    /// The cause, for a server that has never worked: the user's to mend.
    pub(crate) fn first(self) -> Cause {
        match self.of {
            Of::Process => Cause::ServerFailedToStart { status: self.status, stderr: self.stderr },
            Of::Url { first, .. } => *first,
        }
    }

    /// The cause, for a server that has worked: it is begun again.
    pub(crate) fn later(self) -> Cause {
        match self.of {
            Of::Process => Cause::ServerExited { status: self.status, stderr: self.stderr },
            Of::Url { url, .. } => Cause::ServerLost { url, status: self.status },
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.status, self.stderr)
    }
}

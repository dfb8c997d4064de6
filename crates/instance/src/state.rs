//! The states of tunnels put in order, so that one of them can speak for all.

use culvert_tunnel::{Server, Status};

/// How a tunnel or a profile is, from the best to the worst. A profile is as its worst wanted tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mood {
    /// Not wanted.
    Off,
    /// Registered, and its server answers.
    Online,
    /// On its way up, for the first time or again.
    Connecting,
    /// Registered, and something needs a look: a notice, or a server that does not answer.
    Attention,
    /// Down for now; it tries again by itself.
    Waiting,
    /// Down until the user does something.
    Stopped,
}

impl Mood {
    /// Its name in events and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Online => "online",
            Self::Connecting => "connecting",
            Self::Attention => "attention",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

/// The mood of a tunnel with this status.
pub fn mood_of(status: &Status) -> Mood {
    match status {
        Status::Off | Status::Stopping | Status::Stopped { cause: None } => Mood::Off,
        Status::Starting { .. } | Status::Connecting | Status::Registering => Mood::Connecting,
        Status::Online(online) => match online.server {
            Server::Silent { .. } | Server::Restarting { .. } => Mood::Attention,
            Server::Ready | Server::Unprobed if online.notices.is_empty() => Mood::Online,
            Server::Ready | Server::Unprobed => Mood::Attention,
        },
        Status::Waiting { .. } => Mood::Waiting,
        Status::Stopped { cause: Some(_) } => Mood::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use culvert_protocol::Cause;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn the_worst_speaks_for_all() {
        let cause = || Cause::RegisterFailed { reason: "busy".to_owned() };
        let waiting = Status::Waiting { attempt: 1, retry_at: Instant::now(), cause: cause() };
        let stopped = Status::Stopped { cause: Some(cause()) };
        let moods = [&Status::Connecting, &waiting, &Status::Off, &stopped].map(mood_of);
        assert_eq!(moods.into_iter().max(), Some(Mood::Stopped));
        assert!(Mood::Attention > Mood::Online && Mood::Waiting > Mood::Attention);
    }

    #[test]
    fn what_ended_as_asked_is_off() {
        assert_eq!(mood_of(&Status::Stopped { cause: None }), Mood::Off);
    }
}

//! Signs that the network may be another one by now: the computer slept, the process stood still, a route came or went.
//! They end waits and put links to the test; they know no tunnel.

mod clock;
#[cfg(target_os = "linux")]
mod logind;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod signal;

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Signs that may wait at once. One more would say nothing new.
const WAITING: usize = 8;

/// Something after which a tunnel had better look anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// So much time passed beyond what was slept: the computer was asleep, the process stopped, or the clock was set.
    Missed(Duration),
    /// The system says that it woke up.
    #[cfg(target_os = "linux")]
    Woke,
    /// A route came or went.
    #[cfg(target_os = "linux")]
    Routes,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missed(time) => write!(f, "{} s are missing on the clock", time.as_secs()),
            #[cfg(target_os = "linux")]
            Self::Woke => f.write_str("the computer woke up"),
            #[cfg(target_os = "linux")]
            Self::Routes => f.write_str("the network changed"),
        }
    }
}

/// Whoever looks out for signs; they end with this.
#[derive(Debug)]
pub(crate) struct Signs {
    heard: mpsc::Receiver<Sign>,
    _watchers: JoinSet<()>,
}

impl Signs {
    /// Of this machine, each source as far as there is one. Within a tokio runtime.
    pub(crate) fn of_this_machine() -> Self {
        let (teller, heard) = mpsc::channel(WAITING);
        let mut watchers = JoinSet::new();
        #[cfg(target_os = "linux")]
        {
            watchers.spawn(logind::listen(teller.clone()));
            watchers.spawn(network::listen(teller.clone()));
        }
        watchers.spawn(clock::watch(teller));
        Self { heard, _watchers: watchers }
    }

    /// The next one. Cancel safe.
    pub(crate) async fn next(&mut self) -> Sign {
        match self.heard.recv().await {
            Some(sign) => sign,
            None => std::future::pending().await,
        }
    }
}

//! One tunnel's story, from its first status to its last, told to people or to programs.

use culvert_protocol::Cause;
use culvert_tunnel::Status;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::events::Events;
use crate::stdout::Stdout;
use crate::talk::Talk;
use crate::terminal::Terminal;

/// How the story is told.
pub(crate) enum Story {
    /// To people.
    Talk(Talk),
    /// To programs. The terminal hears when nobody reads them.
    Events(Events, Stdout, Terminal),
}

impl Story {
    /// Tells every status until the last one, and returns its cause.
    pub(crate) async fn tell(mut self, mut status: watch::Receiver<Status>) -> Option<Cause> {
        let mut next_tick = None;
        loop {
            let tick = async {
                match next_tick {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let changed = tokio::select! {
                biased;
                changed = status.changed() => match changed {
                    Ok(()) => true,
                    // The engine has ended, and its last status was told.
                    Err(_) => return status.borrow().cause().cloned(),
                },
                () = tick => false,
            };
            let now = Instant::now();
            match &mut self {
                Self::Talk(talk) if changed => {
                    let current = status.borrow_and_update().clone();
                    next_tick = talk.status(&current, now);
                }
                Self::Talk(talk) => next_tick = talk.tick(now),
                Self::Events(events, stdout, terminal) => {
                    let lines = events.status(&status.borrow_and_update(), now);
                    stdout.tell(lines, terminal).await;
                }
            }
        }
    }
}

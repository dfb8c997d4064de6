//! The tasks behind channels, each with the channel that it serves: one that ends out of turn gives its place up too.

use std::collections::HashMap;

use culvert_protocol::channels::ChannelId;
use tokio::task::{Id, JoinSet};
use tracing::{Instrument as _, warn};

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<()>,
    serves: HashMap<Id, ChannelId>,
}

impl Tasks {
    /// Begins to serve a channel.
    pub(super) fn serve(&mut self, channel: ChannelId, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.running.spawn(work.in_current_span()).id();
        self.serves.insert(task, channel);
    }

    /// Begins something that serves none.
    pub(super) fn begin(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(work.in_current_span());
    }

    /// The next channel that nobody serves any more. Never, while there is none. Cancel safe.
    pub(super) async fn ended(&mut self) -> ChannelId {
        loop {
            let task = match self.running.join_next_with_id().await {
                Some(Ok((task, ()))) => task,
                Some(Err(error)) => {
                    warn!(%error, "a session's task ended out of turn");
                    error.id()
                }
                None => std::future::pending().await,
            };
            if let Some(channel) = self.serves.remove(&task) {
                return channel;
            }
        }
    }

    /// Waits until all have ended. Cancel safe.
    pub(super) async fn all_ended(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_gives_its_channel_up() {
        let mut tasks = Tasks::default();
        tasks.serve(ChannelId(7), async { panic!("on purpose") });
        assert_eq!(tasks.ended().await, ChannelId(7));
        tasks.begin(async {});
        tasks.serve(ChannelId(8), async {});
        assert_eq!(tasks.ended().await, ChannelId(8));
        assert!(tasks.serves.is_empty());
        tasks.all_ended().await;
    }
}

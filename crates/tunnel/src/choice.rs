//! Which carriage a tunnel dials, and what it remembers of a network that lets no WebSocket pass. Nothing of it is
//! saved.

use std::sync::{Mutex, MutexGuard, PoisonError};

use culvert_link::refusal::Suspicion;
use tokio::time::Instant;

use crate::config::{Transport, TunnelConfig};

/// Signs that may mean something else count from this number in a row.
const ENOUGH: u32 = 2;

/// One tunnel's choice.
#[derive(Debug)]
pub(crate) struct Choice {
    transport: Transport,
    again: std::time::Duration,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// When WebSocket is to be tried again, while it is known not to pass.
    again_at: Option<Instant>,
    /// Upgrades in a row that failed as they do where the gateway is only not ready.
    doubtful: u32,
    /// WebSockets in a row on which no word of the gateway came.
    mute: u32,
}

/// What to dial now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    WebSocket,
    Sse,
    /// The other where [`Choice::suspects`] says so.
    WebSocketFirst,
    /// The other where the gateway has no SSE.
    SseFirst,
}

impl Choice {
    pub(crate) fn new(config: &TunnelConfig) -> Self {
        Self { transport: config.transport, again: config.retry.websocket, memory: Mutex::default() }
    }

    /// What to dial now.
    pub(crate) fn plan(&self) -> Plan {
        match self.transport {
            Transport::WebSocket => Plan::WebSocket,
            Transport::Sse => Plan::Sse,
            Transport::Auto => {
                let memory = self.memory();
                let is_blocked = memory.again_at.is_some_and(|again| Instant::now() < again);
                if is_blocked || memory.mute >= ENOUGH { Plan::SseFirst } else { Plan::WebSocketFirst }
            }
        }
    }

    /// When to try WebSocket again, while the link goes over SSE for want of it.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        self.memory().again_at
    }

    /// An upgrade failed: whether SSE is worth a try.
    pub(crate) fn suspects(&self, suspicion: Suspicion) -> bool {
        let mut memory = self.memory();
        match suspicion {
            Suspicion::None => false,
            Suspicion::Strong => true,
            Suspicion::Slight => {
                memory.doubtful += 1;
                memory.doubtful >= ENOUGH
            }
        }
    }

    /// A WebSocket came about, and not a word on it.
    pub(crate) fn mute(&self) {
        self.memory().mute += 1;
    }

    /// WebSocket does not pass, and SSE does, or is all that there is.
    pub(crate) fn blocked(&self) {
        if self.transport == Transport::Auto {
            *self.memory() = Memory { again_at: Some(Instant::now() + self.again), ..Memory::default() };
        }
    }

    /// WebSocket passes, or it is to be found out anew.
    pub(crate) fn forget(&self) {
        *self.memory() = Memory::default();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn choice(transport: Transport) -> Choice {
        Choice { transport, again: Duration::from_secs(3600), memory: Mutex::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_without_websocket_is_remembered_for_its_time() {
        let choice = choice(Transport::Auto);
        assert_eq!((choice.plan(), choice.again_at()), (Plan::WebSocketFirst, None));
        choice.blocked();
        assert_eq!((choice.plan(), choice.again_at()), (Plan::SseFirst, Some(Instant::now() + choice.again)));
        tokio::time::advance(Duration::from_secs(3599)).await;
        assert_eq!(choice.plan(), Plan::SseFirst);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(choice.plan(), Plan::WebSocketFirst);
        choice.blocked();
        choice.forget();
        assert_eq!(choice.plan(), Plan::WebSocketFirst);
    }

    #[test]
    fn one_odd_answer_or_one_mute_link_is_chance() {
        let choice = choice(Transport::Auto);
        assert!(choice.suspects(Suspicion::Strong));
        assert!(!choice.suspects(Suspicion::None));
        assert!(!choice.suspects(Suspicion::Slight));
        assert!(choice.suspects(Suspicion::Slight));
        choice.forget();
        assert!(!choice.suspects(Suspicion::Slight));
        choice.mute();
        assert_eq!(choice.plan(), Plan::WebSocketFirst);
        choice.mute();
        assert_eq!(choice.plan(), Plan::SseFirst);
    }

    #[test]
    fn who_was_told_which_does_not_choose() {
        for (transport, plan) in [(Transport::WebSocket, Plan::WebSocket), (Transport::Sse, Plan::Sse)] {
            let choice = choice(transport);
            choice.blocked();
            choice.mute();
            choice.mute();
            assert_eq!((choice.plan(), choice.again_at()), (plan, None));
        }
    }
}

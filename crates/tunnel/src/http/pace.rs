//! How long to wait before a stream of events is asked for again.

use std::time::Duration;

use culvert_protocol::backoff::Backoff;

/// The ceiling of the first wait, where the server names none.
const FIRST: Duration = Duration::from_secs(1);

/// The ceiling of every later wait.
const CAP: Duration = Duration::from_secs(30);

/// The longest wait that a server can ask for: one that says more means something else.
const MAX_RETRY: Duration = Duration::from_secs(3600);

/// The shortest wait: a server that says 0 and closes its streams at once must not be asked in a loop.
const MIN_WAIT: Duration = Duration::from_millis(20);

/// The waits of one stream. What the server asks for (`retry`) is waited at least.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    backoff: Backoff,
    retry: Option<Duration>,
}

impl Pace {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { backoff: Backoff::new(FIRST, CAP, random), retry: None }
    }

    /// The server said how long to wait.
    pub(super) fn asked(&mut self, retry: Duration) {
        self.retry = Some(retry.min(MAX_RETRY));
    }

    /// The stream carried something: its next end is no sign of trouble.
    pub(super) fn heard(&mut self) {
        self.backoff.reset();
    }

    /// How many waits there were since something was heard.
    pub(super) fn tries(&self) -> u32 {
        self.backoff.tries()
    }

    /// How long to wait now.
    pub(super) fn wait(&mut self) -> Duration {
        let first = self.backoff.tries() == 0;
        let spread = self.backoff.next().unwrap_or(CAP);
        let wait = match self.retry {
            Some(asked) if first => asked,
            Some(asked) => asked + spread,
            None => spread,
        };
        wait.max(MIN_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_asks_for_is_waited_exactly_and_more_after_failures() {
        let mut pace = Pace::new(fastrand::Rng::with_seed(1));
        pace.asked(Duration::from_millis(500));
        assert_eq!(pace.wait(), Duration::from_millis(500));
        let later: Vec<_> = (0..10).map(|_| pace.wait()).collect();
        assert!(later.iter().all(|wait| *wait >= Duration::from_millis(500)), "{later:?}");
        assert!(later.iter().any(|wait| *wait > Duration::from_secs(5)), "{later:?}");
        pace.heard();
        assert_eq!(pace.wait(), Duration::from_millis(500));
    }

    #[test]
    fn no_server_makes_us_ask_in_a_loop_or_never() {
        let mut pace = Pace::new(fastrand::Rng::with_seed(1));
        pace.asked(Duration::ZERO);
        assert_eq!(pace.wait(), MIN_WAIT);
        pace.asked(Duration::MAX);
        assert!(pace.wait() <= MAX_RETRY + CAP);
    }
}

//! What the log says about a token, each thing once: that its end is near, and that others can read where it lies.

use std::time::{Duration, SystemTime};

use culvert_profiles::{SecretCondition, SecretNotice};
use culvert_protocol::Explain as _;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

/// The longest sleep before another look: the clock goes on while the machine is suspended, and timers do not.
const LONGEST: Duration = Duration::from_secs(60);

/// The code of a token whose end is near, wherever it is told.
pub const EXPIRES_SOON: &str = "auth.expires_soon";

/// How near it is.
pub(crate) fn ends_in(left: Duration) -> String {
    match left.as_secs() / 3600 {
        0 => format!("its token ends in {} min", left.as_secs() / 60),
        hours => format!("its token ends in {hours} h"),
    }
}

/// Tells for as long as the token is followed by anybody. `clock` is the time of day.
pub(crate) async fn tell(mut condition: watch::Receiver<SecretCondition>, clock: impl Fn() -> SystemTime) {
    let mut told = Told::default();
    loop {
        let (now, found) = (clock(), condition.borrow_and_update().clone());
        for (code, words) in told.news(&found, now) {
            warn!(code, "{words}");
        }
        let due = found.expiry.filter(|expiry| told.end != Some(expiry.at));
        let due = due.map(|expiry| expiry.warn_from.duration_since(now).unwrap_or_default().min(LONGEST));
        let look = async {
            match due {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = condition.changed() => if changed.is_err() { return },
            () = look => {}
        }
    }
}

/// What was said before.
#[derive(Debug, Default)]
struct Told {
    notice: Option<SecretNotice>,
    end: Option<SystemTime>,
}

impl Told {
    fn news(&mut self, found: &SecretCondition, now: SystemTime) -> Vec<(&'static str, String)> {
        let mut news = Vec::new();
        if self.notice != found.notice {
            news.extend(found.notice.as_ref().map(|notice| (notice.code(), format!("{notice}: {}", notice.action()))));
            self.notice.clone_from(&found.notice);
        }
        if let Some(expiry) = found.expiry.filter(|expiry| expiry.is_near(now) && self.end != Some(expiry.at)) {
            self.end = Some(expiry.at);
            let left = ends_in(expiry.expires_in(now));
            news.push((EXPIRES_SOON, format!("{left}: make a new one and put it where the old one is")));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use culvert_profiles::{Expiry, Volume};

    use super::*;

    fn readable(mode: u32) -> Option<SecretNotice> {
        Some(SecretNotice::ReadableByOthers { file: "/t".to_owned(), mode, volume: Volume::Ordinary })
    }

    #[test]
    fn each_thing_is_said_once_and_again_when_it_is_another() {
        let now = SystemTime::now();
        let hour = Duration::from_secs(3600);
        let mut told = Told::default();
        let mut codes = |condition: &SecretCondition, now| -> Vec<_> {
            told.news(condition, now).into_iter().map(|(code, _)| code).collect()
        };
        let expiry = Some(Expiry { at: now + 50 * hour, warn_from: now + hour });
        let mut condition = SecretCondition { notice: readable(0o644), expiry, ..SecretCondition::default() };
        assert_eq!(codes(&condition, now), ["secret.readable"]);
        assert!(codes(&condition, now).is_empty());
        assert_eq!(codes(&condition, now + hour), [EXPIRES_SOON]);
        assert!(codes(&condition, now + 2 * hour).is_empty());
        condition.notice = None;
        condition.expiry = Some(Expiry { at: now + 51 * hour, warn_from: now });
        assert_eq!(codes(&condition, now), [EXPIRES_SOON], "of the next one too");
        condition.notice = readable(0o644);
        assert_eq!(codes(&condition, now), ["secret.readable"]);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_at_when_it_is_due_and_ends_with_the_token() {
        let (began, since) = (tokio::time::Instant::now(), SystemTime::now());
        let expiry = Some(Expiry { at: since + 9 * LONGEST, warn_from: since + 5 * LONGEST / 2 });
        let (sender, receiver) = watch::channel(SecretCondition { expiry, ..SecretCondition::default() });
        let telling = tokio::spawn(tell(receiver, move || since + began.elapsed()));
        sleep(5 * LONGEST).await;
        assert!(!telling.is_finished());
        drop(sender);
        telling.await.unwrap();
    }

    #[test]
    fn what_is_left_is_told_in_hours_or_minutes() {
        assert_eq!(ends_in(Duration::from_secs(50 * 3600)), "its token ends in 50 h");
        assert_eq!(ends_in(Duration::from_secs(300)), "its token ends in 5 min");
    }
}

//! When a bearer token ends, when to say so, and when to look for its successor. Read from its claims without a look at
//! the signature: enough to plan by, and proof of nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use culvert_protocol::{Secret, claims};

/// How long before its end a token is worth a warning, in general: long enough for a weekend.
const WARNING: Duration = Duration::from_secs(3 * 86_400);

/// The part of a short token's life that is left when the warning is due: a tenth.
const SHORT: u32 = 10;

/// How long before the end the successor is looked for at the latest.
const LAST_LOOK: Duration = Duration::from_secs(60);

/// The shortest time between two looks because of time alone.
const SHORTEST: Duration = Duration::from_secs(5);

/// The time between two looks once the token is over.
const OVER: Duration = Duration::from_secs(30);

/// A token's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// From then on it is refused (`exp`, RFC 7519 §4.1.4).
    pub at: SystemTime,
    /// From then on its end is worth a warning: three days before, or a tenth of its life where that is less.
    pub warn_from: SystemTime,
}

impl Expiry {
    /// That of a token; `None` for one that is no JWT or has no end. Its life begins with `iat` or `nbf`, else at
    /// `since`; where nothing tells, it counts as a long one.
    pub fn of(token: &Secret, since: Option<SystemTime>) -> Option<Self> {
        let claims = claims::peek(token.expose())?;
        let at = moment(claims.exp?)?;
        let begin = claims.iat.or(claims.nbf).and_then(moment).or(since);
        let life = begin.and_then(|begin| at.duration_since(begin).ok());
        let ahead = life.map_or(WARNING, |life| WARNING.min(life / SHORT));
        Some(Self { at, warn_from: at.checked_sub(ahead).unwrap_or(UNIX_EPOCH) })
    }

    /// How long it is still good; zero once it is over.
    pub fn expires_in(self, now: SystemTime) -> Duration {
        self.at.duration_since(now).unwrap_or_default()
    }

    /// Whether its end is worth a warning now.
    pub fn is_near(self, now: SystemTime) -> bool {
        now >= self.warn_from
    }

    /// When to look for its successor, from `now` on: after 80 % of what is left, and a minute before the end.
    pub(super) fn look_again_in(self, now: SystemTime) -> Duration {
        let left = self.expires_in(now);
        if left.is_zero() {
            return OVER;
        }
        let most = left / 5 * 4;
        let last = left.checked_sub(LAST_LOOK).filter(|wait| *wait >= SHORTEST);
        last.map_or(most, |last| most.min(last)).max(SHORTEST)
    }
}

/// Unix seconds as a time; `None` for one that no clock will ever show.
fn moment(seconds: i64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    /// A token with these claims and a signature that nobody checks.
    pub(in crate::secret) fn token(claims: &str) -> Secret {
        Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)))
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const DAY: u64 = 86_400;

    #[test]
    fn a_warning_is_due_three_days_before_and_for_short_tokens_in_the_last_tenth() {
        let warn_from = |claims: &str, since| Expiry::of(&token(claims), since).unwrap().warn_from;
        assert_eq!(warn_from(r#"{"iat":0,"exp":31536000}"#, None), at(362 * DAY));
        assert_eq!(warn_from(r#"{"iat":0,"exp":604800}"#, None), at(7 * DAY - 60_480));
        assert_eq!(warn_from(r#"{"nbf":1000,"exp":2000}"#, None), at(1900));
        assert_eq!(warn_from(r#"{"exp":864000}"#, None), at(7 * DAY));
        assert_eq!(warn_from(r#"{"exp":864000}"#, Some(at(863_000))), at(863_900));
        let soon = Expiry::of(&token(r#"{"iat":0,"exp":1000}"#), None).unwrap();
        assert!(!soon.is_near(at(899)) && soon.is_near(at(900)) && soon.is_near(at(2000)));
        assert_eq!(soon.expires_in(at(400)), Duration::from_secs(600));
        assert_eq!(soon.expires_in(at(1001)), Duration::ZERO);
    }

    #[test]
    fn what_has_no_end_is_never_near() {
        assert_eq!(Expiry::of(&Secret::new("opaque"), None), None);
        assert_eq!(Expiry::of(&token(r#"{"sub":"ann"}"#), None), None);
        assert!(Expiry::of(&token(r#"{"exp":-5}"#), None).unwrap().is_near(at(0)));
    }

    #[test]
    fn a_successor_is_looked_for_in_time() {
        let wait = |left: u64| {
            let expiry = Expiry { at: at(1_000_000), warn_from: at(0) };
            expiry.look_again_in(at(1_000_000 - left)).as_secs()
        };
        assert_eq!(wait(1000), 800);
        assert_eq!(wait(200), 140);
        assert_eq!(wait(100), 40);
        assert_eq!(wait(60), 48);
        assert_eq!(wait(3), 5);
        assert_eq!(wait(0), 30);
    }

    proptest! {
        #[test]
        fn between_two_looks_is_a_pause_and_a_long_token_is_seen_before_its_last_minute(left in 0_u64..10_000_000) {
            let expiry = Expiry { at: at(20_000_000), warn_from: at(0) };
            let wait = expiry.look_again_in(at(20_000_000 - left));
            prop_assert!(wait >= SHORTEST);
            if left >= 65 {
                prop_assert!(wait.as_secs() <= left - 60);
            }
        }

        #[test]
        fn no_claim_is_too_odd(exp in any::<i64>(), iat in any::<Option<i64>>()) {
            let iat = iat.map_or_else(String::new, |iat| format!(r#""iat":{iat},"#));
            if let Some(expiry) = Expiry::of(&token(&format!(r#"{{{iat}"exp":{exp}}}"#)), None) {
                prop_assert!(expiry.warn_from <= expiry.at);
                expiry.look_again_in(at(0));
            }
        }
    }
}

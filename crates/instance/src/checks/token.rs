//! What a token says about itself, and what the two clocks make of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use culvert_profiles::Expiry;
use culvert_protocol::claims::{self, Audience};
use culvert_protocol::{Cause, Secret, ServerName, text};

use super::finding::Verdict;
use crate::token_news::EXPIRES_SOON;

/// How far two clocks may be apart. `Date` is whole seconds, and an answer takes a while.
const SKEW: Duration = Duration::from_secs(30);

/// Judges a token for the gateway at `now`, whose own clock said `date` then.
pub(super) fn judge(token: Option<&Secret>, gateway: &str, now: SystemTime, date: Option<SystemTime>) -> Verdict {
    let Some(token) = token else {
        return Verdict::Ok("none is set; a gateway that asks for one says so below".to_owned());
    };
    let Some(claims) = claims::peek(token.expose()) else {
        return Verdict::Ok("set; it is no JWT, so it does not tell until when it is good".to_owned());
    };
    let expiry = Expiry::of(token, None);
    if expiry.is_some_and(|expiry| expiry.expires_in(now).is_zero()) {
        return Verdict::failed(&Cause::TokenExpired { gateway: gateway.to_owned() });
    }
    if let Some(date) = date
        && let Some(apart) = apart(now, date)
    {
        let message = format!("this machine's clock and the gateway's are {} s apart", apart.as_secs());
        return Verdict::warning(
            "clock.skew",
            message,
            "Set the clock: a token may count as over, or as not good yet.",
        );
    }
    let starts = claims.nbf.and_then(|nbf| u64::try_from(nbf).ok()).map(|nbf| UNIX_EPOCH + Duration::from_secs(nbf));
    if starts.is_some_and(|starts| starts > now + SKEW) {
        let message = "it is not good yet (nbf)".to_owned();
        return Verdict::warning("auth.early", message, "Wait until it is, or make a new token.");
    }
    if let Some(expiry) = expiry.filter(|expiry| expiry.is_near(now)) {
        let message = format!("it is good for {} only", lasting(expiry.expires_in(now)));
        return Verdict::warning(EXPIRES_SOON, message, "Make a new token in time.");
    }
    let until = match expiry {
        Some(expiry) => format!("good for {}", lasting(expiry.expires_in(now))),
        None => "it has no end (exp)".to_owned(),
    };
    let audience = match &claims.aud {
        None => String::new(),
        Some(Audience::One(one)) => format!(", for {}", text::clean(one, 80)),
        Some(Audience::Many(many)) => format!(", for {}", text::clean(&many.join(", "), 80)),
    };
    Verdict::Ok(format!("{until}{audience}"))
}

/// Why no server of this name can be registered with the token, where it names the servers that it is good for.
pub(super) fn not_for(token: Option<&Secret>, name: &ServerName) -> Option<String> {
    let servers = claims::peek(token?.expose())?.servers?;
    let is_named = servers.iter().any(|server| server == name.as_str());
    (!is_named)
        .then(|| format!("the token is good for certain servers only ({})", text::clean(&servers.join(", "), 120)))
}

fn apart(now: SystemTime, date: SystemTime) -> Option<Duration> {
    let apart = now.duration_since(date).or_else(|_| date.duration_since(now)).unwrap_or_default();
    (apart > SKEW).then_some(apart)
}

/// Days, hours, minutes or seconds, whichever says enough.
pub(super) fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const DAY: u64 = 86_400;

    /// Claims of a token whose life is a hundred days from 0, in base64 without a library.
    fn token(claims: &str) -> Secret {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in claims.as_bytes().chunks(3) {
            let bits = chunk.iter().chain([&0, &0]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let sextets = (0..=chunk.len()).map(|nth| ALPHABET[(bits >> (18 - 6 * nth) & 63) as usize] as char);
            text.extend(sextets);
        }
        Secret::new(format!("e30.{text}.c2ln"))
    }

    fn code(claims: &str, now: u64, date: Option<u64>) -> String {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        match judge(Some(&token(claims)), "https://gw", at(now), date.map(at)) {
            Verdict::Ok(evidence) => evidence,
            Verdict::Warning(problem) | Verdict::Failed(problem) => problem.code,
            Verdict::Skipped(why) => why,
        }
    }

    #[test]
    fn a_token_is_judged_by_its_claims_and_both_clocks() {
        let long = r#"{"iat":0,"exp":8640000,"aud":"gw"}"#;
        assert_eq!(code(long, DAY, Some(DAY + 29)), "good for 99 days, for gw");
        assert_eq!(code(long, DAY, Some(DAY + 31)), "clock.skew");
        assert_eq!(code(long, DAY, Some(DAY - 31)), "clock.skew");
        assert_eq!(code(long, 99 * DAY, None), "auth.expires_soon");
        assert_eq!(code(long, 100 * DAY, None), "auth.expired");
        assert_eq!(code(r#"{"nbf":1000}"#, 900, None), "auth.early");
        assert_eq!(code(r#"{"aud":["a","b"]}"#, 900, None), "it has no end (exp), for a, b");
    }

    #[test]
    fn a_list_of_servers_lets_no_other_name_in() {
        let name = |text| ServerName::new(text).unwrap();
        let only = token(r#"{"servers":["git"]}"#);
        assert_eq!(not_for(Some(&only), &name("git")), None);
        assert!(not_for(Some(&only), &name("git-doctor-0a1b")).unwrap().contains("git"));
        assert_eq!(not_for(Some(&token("{}")), &name("git")), None);
        assert_eq!(not_for(None, &name("git")), None);
    }
}

//! Times and durations as people and programs read them.

use std::time::Duration;

use culvert_gateway::tokens::UnixTime;

/// The time now in UTC, as RFC 3339 writes it.
pub(crate) fn now() -> String {
    UnixTime::now().rfc3339()
}

/// A wait in whole seconds, the last one begun counted: nobody waits for zero seconds.
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Reads a length of time: `90s`, `30m`, `1h`, `1h30m`, `2d`.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn lasting(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
    let wrong = || "expected a time such as 90s, 30m, 1h or 1h30m".to_owned();
    let (mut rest, mut total) = (text.trim(), 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..].chars().next().ok_or_else(wrong)?;
        let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds).ok_or_else(wrong)?;
        total = number.checked_mul(seconds).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    // A hundred years are as good as for ever, and fit every clock.
    if (1..=3_155_760_000).contains(&total) { Ok(Duration::from_secs(total)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_and_kept_short() {
        let shown = |millis| seconds(Duration::from_millis(millis));
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(1), "1 s");
        assert_eq!(shown(3_400), "4 s");
        assert_eq!(shown(119_000), "119 s");
        assert_eq!(shown(150_000), "2 min");
        assert_eq!(shown(7_200_000), "2 h");
    }
}

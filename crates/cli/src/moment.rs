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

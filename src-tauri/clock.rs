//! The time of day on the user's own clock.

use std::time::SystemTime;

/// Hours and minutes, such as `15:04`.
#[cfg(target_os = "linux")]
pub(crate) fn time_of_day(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let local = i64::try_from(seconds).ok().and_then(|seconds| gtk::glib::DateTime::from_unix_local(seconds).ok());
    local.and_then(|local| local.format("%H:%M").ok()).map(|text| text.to_string()).unwrap_or_default()
}

/// Hours and minutes, such as `15:04`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn time_of_day(time: SystemTime) -> String {
    chrono::DateTime::<chrono::Local>::from(time).format("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        let text = time_of_day(SystemTime::now());
        assert!(text.len() == 5 && text.as_bytes()[2] == b':', "{text}");
    }
}

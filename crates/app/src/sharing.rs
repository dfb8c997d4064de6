//! Profiles that are shared for a while: when each ends, kept in a file, so that no crash leaves one shared for ever.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use culvert_profiles::write_whole;

/// How long a share lasts.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The ends of all shares, by profile.
#[derive(Debug)]
pub(crate) struct Shares {
    file: PathBuf,
    ends: Mutex<BTreeMap<String, SystemTime>>,
}

impl Shares {
    /// Reads what is remembered; none where that cannot be read.
    pub(crate) fn read(file: PathBuf) -> Self {
        let small = std::fs::metadata(&file).is_ok_and(|found| found.len() <= LARGEST);
        let text = if small { std::fs::read(&file).ok() } else { None };
        let seconds: BTreeMap<String, u64> =
            text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let time = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let ends = seconds.into_iter().filter_map(|(profile, seconds)| Some((profile, time(seconds)?))).collect();
        Self { file, ends: Mutex::new(ends) }
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<String, SystemTime> {
        self.lock().clone()
    }

    /// Shares a profile until then; an earlier share is replaced.
    ///
    /// # Errors
    /// The system's; then it is not shared.
    pub(crate) fn begin(&self, profile: &str, until: SystemTime) -> std::io::Result<()> {
        let mut ends = self.lock();
        let before = ends.insert(profile.to_owned(), until);
        self.save(&ends).inspect_err(|_| {
            match before {
                Some(before) => ends.insert(profile.to_owned(), before),
                None => ends.remove(profile),
            };
        })
    }

    /// The user decided otherwise.
    pub(crate) fn end(&self, profile: &str) {
        let mut ends = self.lock();
        if ends.remove(profile).is_some() {
            // One that stays in the file ends again, which does no harm.
            let _ = self.save(&ends);
        }
    }

    /// Those that are over at `now`.
    pub(crate) fn over(&self, now: SystemTime) -> Vec<String> {
        self.lock().iter().filter(|(_, end)| **end <= now).map(|(profile, _)| profile.clone()).collect()
    }

    /// How long until the next one is over.
    pub(crate) fn next(&self, now: SystemTime) -> Option<Duration> {
        self.lock().values().min().map(|end| end.duration_since(now).unwrap_or_default())
    }

    fn save(&self, ends: &BTreeMap<String, SystemTime>) -> std::io::Result<()> {
        let seconds = |end: &SystemTime| end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let all: BTreeMap<_, _> = ends.iter().map(|(profile, end)| (profile, seconds(end))).collect();
        write_whole(&self.file, &serde_json::to_vec(&all)?)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SystemTime>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_ends_by_itself_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shared.json");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let shares = Shares::read(file.clone());
        shares.begin("git", at(100)).unwrap();
        shares.begin("db", at(200)).unwrap();
        assert_eq!((shares.next(at(40)), shares.over(at(99)).len()), (Some(Duration::from_secs(60)), 0));
        let later = Shares::read(file);
        assert_eq!(later.over(at(150)), ["git"]);
        later.end("git");
        assert_eq!(later.all().len(), 1);
        assert_eq!(later.next(at(300)), Some(Duration::ZERO));
    }
}

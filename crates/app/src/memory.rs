//! How much memory a process and those that it started hold, where the system tells without being asked twice.

use std::collections::BTreeMap;
use std::fs;

/// The memory of processes and all their descendants, as of one moment.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By parent.
    children: BTreeMap<u32, Vec<u32>>,
}

impl Memory {
    /// Looks at the processes of this machine; on systems without `/proc`, at none.
    pub(crate) fn now() -> Self {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            if let Some(parent) = parent(&stat) {
                children.entry(parent).or_default().push(pid);
            }
        }
        Self { children }
    }

    /// Of a process and its descendants, in bytes; 0 where the system does not tell.
    pub(crate) fn of(&self, pid: u32) -> u64 {
        let mut all = vec![pid];
        let mut at = 0;
        while let Some(pid) = all.get(at).copied() {
            // A process that was listed twice while the list was made must not be followed for ever.
            let more = self.children.get(&pid).into_iter().flatten().filter(|child| !all.contains(child));
            let more: Vec<_> = more.copied().collect();
            all.extend(more);
            at += 1;
        }
        let status = |pid| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        all.into_iter().map(|pid| resident(&status(pid))).sum()
    }
}

/// The fourth field of `/proc/PID/stat`; the second, the name, may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// `VmRSS` in bytes.
fn resident(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    kib.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_writes_is_read() {
        assert_eq!(parent("71 (a) b (c) S 42 71 71 0"), Some(42));
        assert_eq!(parent(""), None);
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), 2 << 20);
        assert_eq!(resident(""), 0);
    }

    #[test]
    fn this_process_is_seen_with_its_children() {
        if cfg!(target_os = "linux") {
            let (own, memory) = (std::process::id(), Memory::now());
            assert!(memory.of(own) > 1 << 20);
            assert!(memory.children.values().any(|children| children.contains(&own)));
        }
    }
}

//! A child of a Culvert that was killed between starting it and telling of it: found by what it has in common with the
//! reaper, its sibling. On Linux; elsewhere nobody is found.

use std::fs;

/// Hundredths of a second since the system started, by which Linux tells when a process began; `None` elsewhere.
pub fn now() -> Option<u64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = text.split(' ').next()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 100 + hundredths.parse::<u64>().ok()?)
}

/// What the system says of a process.
#[derive(Debug, Clone)]
pub(crate) struct About {
    name: String,
    parent: u32,
    group: u32,
    session: u32,
    began: u64,
}

impl About {
    /// The process with this id, or `self`.
    pub(crate) fn of(process: &str) -> Option<Self> {
        let text = fs::read(format!("/proc/{process}/stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The name is in brackets, and may have some itself.
        let (before, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse().ok();
        Some(Self {
            name: before.split_once('(')?.1.to_owned(),
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            began: fields.get(19)?.parse().ok()?,
        })
    }

    /// The leaders of groups that began at this time or later and have this one's parent and session. Others like this one,
    /// by its name, are none of them: they watch over other Culverts.
    pub(crate) fn siblings_since(&self, began: u64) -> Vec<u32> {
        let is_one = |process: &u32| {
            Self::of(&process.to_string()).is_some_and(|about| {
                about.group == *process
                    && (about.parent, about.session) == (self.parent, self.session)
                    && about.began >= began
                    && about.name != self.name
            })
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_one).collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_began_since_is_found_and_who_was_there_is_not() {
        let sleeper = |leads: Option<i32>| {
            let mut command = Command::new("sleep");
            command.arg("600");
            if let Some(group) = leads {
                command.process_group(group);
            }
            command.spawn().unwrap()
        };
        let mut before = sleeper(Some(0));
        // A hundredth of a second is the grain.
        std::thread::sleep(Duration::from_millis(30));
        let since = now().unwrap();
        let mut after = sleeper(Some(0));
        let mut no_leader = sleeper(None);
        let us = About::of("self").unwrap();
        let reaper = About { name: "reaper".to_owned(), parent: std::process::id(), ..us };
        assert_eq!(reaper.siblings_since(since), [after.id()]);
        let namesake = About { name: "sleep".to_owned(), ..reaper };
        assert_eq!(namesake.siblings_since(since), [0_u32; 0]);
        for child in [&mut before, &mut after, &mut no_leader] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

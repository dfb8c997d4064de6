//! What a reaper does: it hears over a pipe of the process groups that a Culvert has started, and ends those that are left
//! when the pipe ends. Kept apart from the rest so that the program which does nothing else is small, as it runs beside
//! every Culvert.

mod group;
mod untold;

use std::collections::BTreeSet;
use std::io::BufRead;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use group::{Ask, Group};
pub use untold::now;

use untold::About;

/// How long groups have after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// How often is looked whether groups are gone.
const LOOK: Duration = Duration::from_millis(5);

/// What is said to a reaper: a line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// One is about to begin, at this time by [`now`] or later: until it has, it cannot be named.
    Coming(u64),
    /// It does not come after all.
    Missed,
    /// A group has begun: its leader's process id.
    Begun(u32),
    /// There is nobody left in this group: its leader's process id, which may be another's soon.
    Over(u32),
}

impl News {
    /// The line, its end included.
    pub fn line(self) -> String {
        match self {
            Self::Coming(time) => format!("?{time}\n"),
            Self::Missed => "!\n".to_owned(),
            Self::Begun(leader) => format!("+{leader}\n"),
            Self::Over(leader) => format!("-{leader}\n"),
        }
    }

    /// What a line without its end says; `None` for what no Culvert says.
    fn of(line: &str) -> Option<Self> {
        let (sign, number) = line.split_at_checked(1)?;
        match sign {
            "?" => number.parse().ok().map(Self::Coming),
            "!" => Some(Self::Missed),
            "+" => number.parse().ok().map(Self::Begun),
            "-" => number.parse().ok().map(Self::Over),
            _ => None,
        }
    }
}

/// Hears `news` until they end, then ends the groups that are left: politely, and after a second finally. One that was to
/// come is looked for, as it may have begun with nobody left to say so.
pub fn attend(news: impl BufRead) {
    let (mut left, mut coming, mut since) = (BTreeSet::new(), 0_usize, None);
    for line in news.lines().map_while(Result::ok) {
        match News::of(&line) {
            Some(News::Coming(time)) => {
                coming += 1;
                since.get_or_insert(time);
            }
            Some(News::Begun(leader)) => {
                coming = coming.saturating_sub(1);
                left.insert(leader);
            }
            Some(News::Missed) => coming = coming.saturating_sub(1),
            Some(News::Over(leader)) => _ = left.remove(&leader),
            None => {}
        }
        since = since.filter(|_| coming > 0);
    }
    let mut groups: Vec<Group> = left.iter().copied().filter_map(Group::led_by).collect();
    groups.iter().for_each(|group| group.end(Ask::Politely));
    let begun = Instant::now();
    while (!groups.is_empty() || coming > 0) && begun.elapsed() < GRACE {
        if let Some(since) = since.filter(|_| coming > 0) {
            let found = About::of("self").map(|us| us.siblings_since(since)).unwrap_or_default();
            for group in found.into_iter().filter(|leader| left.insert(*leader)).filter_map(Group::led_by) {
                coming = coming.saturating_sub(1);
                group.end(Ask::Politely);
                groups.push(group);
            }
        }
        sleep(LOOK);
        groups.retain(|group| group.is_there());
    }
    groups.iter().for_each(|group| group.end(Ask::Finally));
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").process_group(0).spawn().unwrap()
    }

    #[test]
    fn those_that_are_left_are_ended_and_no_others() {
        let (mut left, mut over) = (sleeper(), sleeper());
        let said: String = [News::Begun(left.id()), News::Begun(over.id())].map(News::line).concat();
        let news = format!("{said}nonsense\n\n+\n+1\n+0\n+x\né1\n{}", News::Over(over.id()).line());
        // It is nobody's child but ours, and stays in its group until we have looked at it.
        let waiting = std::thread::spawn(move || left.wait().unwrap());
        attend(news.as_bytes());
        assert!(!waiting.join().unwrap().success());
        assert!(matches!(over.try_wait(), Ok(None)), "one that was taken back is left alone");
        over.kill().unwrap();
        over.wait().unwrap();
    }
}

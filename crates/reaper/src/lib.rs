//! What a reaper does: it hears over a pipe of the process groups that a Culvert has started, and ends those that are left
//! when the pipe ends. Kept apart from the rest so that the program which does nothing else is small, as it runs beside
//! every Culvert.

mod group;

use std::collections::BTreeSet;
use std::io::BufRead;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use group::{Ask, Group};

/// How long groups have after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// How often is looked whether groups are gone.
const LOOK: Duration = Duration::from_millis(5);

/// What is said to a reaper: a line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A group has begun: its leader's process id.
    Begun(u32),
    /// There is nobody left in this group: its leader's process id, which may be another's soon.
    Over(u32),
}

impl News {
    /// The line, its end included.
    pub fn line(self) -> String {
        match self {
            Self::Begun(leader) => format!("+{leader}\n"),
            Self::Over(leader) => format!("-{leader}\n"),
        }
    }

    /// What a line without its end says; `None` for what no Culvert says.
    fn of(line: &str) -> Option<Self> {
        let (sign, leader) = line.split_at_checked(1)?;
        let leader = leader.parse().ok()?;
        match sign {
            "+" => Some(Self::Begun(leader)),
            "-" => Some(Self::Over(leader)),
            _ => None,
        }
    }
}

/// Hears `news` until they end, then ends the groups that are left: politely, and after a second finally.
pub fn attend(news: impl BufRead) {
    let mut left = BTreeSet::new();
    for line in news.lines().map_while(Result::ok) {
        match News::of(&line) {
            Some(News::Begun(leader)) => _ = left.insert(leader),
            Some(News::Over(leader)) => _ = left.remove(&leader),
            None => {}
        }
    }
    let mut groups: Vec<Group> = left.into_iter().filter_map(Group::led_by).collect();
    groups.iter().for_each(|group| group.end(Ask::Politely));
    let begun = Instant::now();
    while !groups.is_empty() && begun.elapsed() < GRACE {
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

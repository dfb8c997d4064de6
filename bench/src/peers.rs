//! Who is measured, and by which command each is started.

use std::path::{Path, PathBuf};

/// A program that is measured, or one of several that are measured as one. The words of
/// its command may hold placeholders, which the suite fills.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    command: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
    /// What brings the program here, should it be missing.
    remedy: &'static str,
}

/// Why a peer cannot be started at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("no peer is called {0}; there are: {1}")]
    Unknown(String, String),
    #[error("--cmd {0:?}: {1}")]
    Command(String, &'static str),
    #[error("{name}: {program} is missing\n  → {remedy}")]
    Missing { name: String, program: String, remedy: &'static str },
}

impl Peer {
    /// A program of this build; `rest` is split at spaces.
    pub(crate) fn built(name: &str, program: PathBuf, rest: &str) -> Self {
        let remedy = "cargo build --release -p culvert-cli";
        Self { name: name.to_owned(), command: words(&program, rest), env: Vec::new(), remedy }
    }

    /// A program that bench/setup.sh installs; `rest` is split at spaces.
    pub(crate) fn installed(name: &str, program: PathBuf, rest: &str) -> Self {
        Self { name: name.to_owned(), command: words(&program, rest), env: Vec::new(), remedy: "bench/setup.sh" }
    }

    /// The same with a variable in its environment.
    pub(crate) fn with_env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Adds words to the command, split at spaces.
    pub(crate) fn also(&mut self, rest: &str) {
        self.command.extend(rest.split_ascii_whitespace().map(str::to_owned));
    }

    /// A peer from the command line: `NAME=COMMAND`, or a command alone, named after its
    /// program. Split as a shell would; no shell runs it.
    pub(crate) fn free(text: &str) -> Result<Self, PeerError> {
        let wrong = |why| PeerError::Command(text.to_owned(), why);
        let named = text.split_once('=').filter(|(name, _)| !name.contains([' ', '/', '{']));
        let (name, line) = named.map_or((None, text), |(name, line)| (Some(name.to_owned()), line));
        let command = shell_words::split(line).map_err(|_| wrong("a quote is not closed"))?;
        let program = command.first().ok_or_else(|| wrong("no command"))?;
        let stem = Path::new(program).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name: name.unwrap_or(stem), command, env: Vec::new(), remedy: "give --cmd the path of a program" })
    }

    /// Says in advance that the program is not there.
    pub(crate) fn check(&self) -> Result<(), PeerError> {
        let program = self.command.first().cloned().unwrap_or_default();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let there = match program.contains('/') {
            true => Path::new(&program).exists(),
            false => std::env::split_paths(&path).any(|folder| folder.join(&program).exists()),
        };
        let Self { name, remedy, .. } = self;
        there.then_some(()).ok_or(PeerError::Missing { name: name.clone(), program, remedy })
    }

    /// The command line with each placeholder replaced by its value, after splitting:
    /// values may hold spaces.
    pub(crate) fn command(&self, values: &[(&str, &str)]) -> Vec<String> {
        let fill = |word: &String| values.iter().fold(word.clone(), |word, (key, value)| word.replace(key, value));
        self.command.iter().map(fill).collect()
    }

    pub(crate) fn env(&self) -> &[(&'static str, &'static str)] {
        &self.env
    }
}

fn words(program: &Path, rest: &str) -> Vec<String> {
    let rest = rest.split_ascii_whitespace().map(str::to_owned);
    std::iter::once(program.display().to_string()).chain(rest).collect()
}

/// Where the installed peers are.
pub(crate) fn folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))).unwrap_or_default();
    cache.join("culvert/peers")
}

/// Those of the known that are named, then the free commands; all the known if neither
/// is given.
pub(crate) fn chosen<P: Clone>(
    known: &[P],
    name_of: impl Fn(&P) -> &str,
    names: &[String],
    free: impl Iterator<Item = Result<P, PeerError>>,
) -> Result<Vec<P>, PeerError> {
    let mut peers = Vec::new();
    for name in names {
        let peer = known.iter().find(|peer| name_of(peer) == name);
        let all = || known.iter().map(&name_of).collect::<Vec<_>>().join(", ");
        peers.push(peer.cloned().ok_or_else(|| PeerError::Unknown(name.clone(), all()))?);
    }
    for peer in free {
        peers.push(peer?);
    }
    Ok(if peers.is_empty() { known.to_vec() } else { peers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_placeholders_after_splitting() {
        let peer = Peer::free("mine=env A=b '/opt/my client' --to {gateway}/x --child {server}").unwrap();
        assert_eq!(peer.name, "mine");
        let values = [("{gateway}", "http://127.0.0.1:1"), ("{server}", "/a b/echo")];
        assert_eq!(
            peer.command(&values),
            ["env", "A=b", "/opt/my client", "--to", "http://127.0.0.1:1/x", "--child", "/a b/echo"]
        );
    }

    #[test]
    fn names_a_free_peer_after_its_program() {
        assert_eq!(Peer::free("/opt/bin/other-client run --x=1").unwrap().name, "other-client");
        assert!(matches!(Peer::free("a='b"), Err(PeerError::Command(_, "a quote is not closed"))));
        assert!(matches!(Peer::free(""), Err(PeerError::Command(_, "no command"))));
    }

    #[test]
    fn a_missing_program_is_told_with_its_remedy() {
        let nowhere = PathBuf::from("/nowhere/program");
        for peer in [Peer::built("own", nowhere.clone(), ""), Peer::installed("other", nowhere, "")] {
            let said = peer.check().unwrap_err().to_string();
            assert!(said.contains(&peer.name) && said.contains("→ "), "{said}");
        }
        assert!(Peer::free("sh -c true").unwrap().check().is_ok());
    }

    #[test]
    fn the_named_are_chosen_and_else_all() {
        let known = ["a", "b", "c"];
        let chosen = |names: &[&str], free: &[&'static str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&known, |name| name, &names, free.iter().map(|free| Ok(*free)))
        };
        assert_eq!(chosen(&[], &[]).unwrap(), ["a", "b", "c"]);
        assert_eq!(chosen(&["c"], &["mine"]).unwrap(), ["c", "mine"]);
        assert_eq!(chosen(&["d"], &[]).unwrap_err().to_string(), "no peer is called d; there are: a, b, c");
    }
}

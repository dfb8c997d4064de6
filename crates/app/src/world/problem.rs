//! What of a profile needs its user.

use culvert_instance::ProfileView;
use culvert_protocol::text::clean;

use super::set_words;
use crate::agreement::Held;
use crate::shown::{
    Explained, Mark, Problem, Profile, ProfileFile, ProfileId, Status, Switch, Token, TokenPlace, Tunnel,
};
use crate::words::{Words, words};

/// Where in a file an error is.
pub(super) fn at(error: &culvert_profiles::ConfigError) -> Option<(u64, u64)> {
    match error {
        culvert_profiles::ConfigError::Syntax { at, .. } | culvert_profiles::ConfigError::UnknownKey { at, .. } => {
            Some((at.line, at.column))
        }
        _ => None,
    }
}

/// A profile whose file cannot be read.
pub(super) fn broken_profile(
    id: String,
    name: Option<String>,
    path: Option<std::path::PathBuf>,
    problem: Problem,
) -> Profile {
    let of_file = || path.as_ref().and_then(|path| path.file_stem()).map(|stem| clean(&stem.to_string_lossy(), 128));
    let mut profile = Profile {
        name: name.or_else(of_file).unwrap_or_else(|| "a profile without a name".to_owned()),
        id: ProfileId(id),
        wanted: Switch::Off,
        mark: Mark::Attention,
        words: String::new(),
        said: String::new(),
        status: Status::Off,
        problem: Some(problem),
        server: String::new(),
        tunnels: Vec::new(),
        token: Token { place: TokenPlace::None, expires: None },
        calls: crate::shown::Calls { today: 0, errors: 0, by_hour: Vec::new() },
        shared_until: None,
        file: ProfileFile::Own,
    };
    set_words(&mut profile, &Words::plain(Mark::Attention, "its file cannot be read"));
    profile
}

/// What needs the user, most urgent first.
pub(super) fn problem(held: Option<Held>, view: &ProfileView, tunnels: &[Tunnel], token: &Token) -> Option<Problem> {
    if let Some(Held { before, now }) = held {
        return Some(Problem::CommandChanged { before, now: now.command, fingerprint: now.fingerprint });
    }
    if !view.wanted {
        return None;
    }
    let causes = tunnels.iter().filter_map(|tunnel| match &tunnel.status {
        Status::Stopped { cause: Some(cause) } => Some((tunnel, cause, true)),
        Status::Waiting { cause, .. } => Some((tunnel, cause, words(&tunnel.status).mark == Mark::Attention)),
        _ => None,
    });
    let problems = causes.filter(|(_, _, needs_user)| *needs_user).map(|(tunnel, cause, _)| {
        let why = cause.clone();
        let gateway = tunnel.own_token.as_ref().map(|_| tunnel.url.clone());
        let kept = tunnel.own_token.as_ref().map_or(&token.place, |own| &own.place);
        match cause.code.as_str() {
            "keychain.locked" => Problem::KeychainLocked { why },
            "keychain.absent" => Problem::KeychainMissing { why },
            "keychain.no_entry" if *kept == TokenPlace::Keychain => Problem::Token { why, gateway },
            code if code.starts_with("auth.") => Problem::Token { why, gateway },
            _ => Problem::Other { why },
        }
    });
    let rank = |problem: &Problem| match problem {
        Problem::KeychainLocked { .. } | Problem::KeychainMissing { .. } => 0,
        Problem::Token { .. } => 1,
        _ => 2,
    };
    problems.min_by_key(rank).or_else(|| held_tools(tunnels))
}

/// Tools that wait for a decision, where nothing worse is to be said.
fn held_tools(tunnels: &[Tunnel]) -> Option<Problem> {
    let notices = tunnels.iter().find_map(|tunnel| match &tunnel.status {
        Status::Online { notices, .. } => notices.iter().find(|notice| notice.code == "tools.held"),
        _ => None,
    });
    let why = notices?.clone();
    let action = "Look at what has changed, then approve it or keep it blocked.".to_owned();
    Some(Problem::ToolsHeld { why: Explained { action, ..why } })
}

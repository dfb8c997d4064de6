//! Made-up worlds for tests.

use crate::shown::{
    Calls, Gateway, Keychain, Mark, Profile, ProfileFile, ProfileId, Settings, Status, Switch, Token, TokenPlace, Tray,
    World,
};

/// A profile with this name, also for its id.
pub(crate) fn profile(name: &str, wanted: Switch, mark: Mark, words: &str) -> Profile {
    Profile {
        id: ProfileId(name.to_owned()),
        name: name.to_owned(),
        wanted,
        mark,
        words: words.to_owned(),
        said: words.to_owned(),
        status: Status::Off,
        problem: None,
        server: format!("uvx mcp-server-{name}"),
        tunnels: Vec::new(),
        token: Token { place: TokenPlace::None, expires: None },
        calls: Calls { today: 0, errors: 0, by_hour: Vec::new() },
        shared_until: None,
        file: ProfileFile::Own,
    }
}

/// A world with these profiles: name, wanted, shape, words.
pub(crate) fn world(profiles: &[(&str, Switch, Mark, &str)]) -> World {
    World {
        profiles: profiles.iter().map(|(name, wanted, mark, words)| profile(name, *wanted, *mark, words)).collect(),
        gateway: Gateway::Off,
        gateway_port: 4444,
        keychain: Keychain::Ready,
        tray: Tray::Shown,
        settings: Settings { launch_at_login: Switch::Off, notifications: Switch::On },
    }
}

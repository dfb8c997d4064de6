//! A tunnel's configuration for tests, made as `run` makes it.

use culvert_profiles::{Key, Origin, Settings, Sourced, Surroundings, effective};
use culvert_tunnel::TunnelConfig;

/// The defaults, with this command, gateway and name.
pub(crate) fn tunnel(command: &str, gateway: &str, name: &str) -> TunnelConfig {
    let flag = |key: Key, value: &str| key.about().flag.map(|flag| Sourced::new(value.to_owned(), Origin::Flag(flag)));
    let settings = Settings {
        local_stdio: flag(Key::LocalStdio, command),
        gateway: flag(Key::Gateway, gateway),
        server_name: flag(Key::ServerName, name),
        ..Settings::default()
    };
    let surroundings = Surroundings { variable: &|_| None, ..Surroundings::of_this_process() };
    effective(settings, None, &surroundings).unwrap().single().unwrap().0
}

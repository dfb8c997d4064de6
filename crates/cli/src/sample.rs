//! A tunnel's configuration for tests, made as `run` makes it.

use culvert_profiles::{Key, Origin, Settings, Sourced, Surroundings, loaded};
use culvert_tunnel::{Carriage, Online, Server, TunnelConfig};
use tokio::time::Instant;

fn flag<T>(key: Key, value: T) -> Option<Sourced<T>> {
    key.about().flag.map(|flag| Sourced::new(value, Origin::Flag(flag)))
}

fn only(settings: Settings) -> TunnelConfig {
    let surroundings = Surroundings { variable: &|_| None, ..Surroundings::of_this_process() };
    loaded(settings, None, &surroundings).unwrap().profiles.remove(0).tunnels.remove(0).config
}

/// The defaults, with this local server.
pub(crate) fn by_address(url: &str) -> TunnelConfig {
    only(Settings {
        local_streamable_http: flag(Key::LocalStreamableHttp, url.to_owned()),
        gateway: flag(Key::Gateway, vec!["https://gw.example.com".to_owned().into()]),
        ..Settings::default()
    })
}

/// The defaults, with this command, gateway and name.
pub(crate) fn tunnel(command: &str, gateway: &str, name: &str) -> TunnelConfig {
    only(Settings {
        local_stdio: flag(Key::LocalStdio, command.to_owned()),
        gateway: flag(Key::Gateway, vec![gateway.to_owned().into()]),
        server_name: flag(Key::ServerName, name.to_owned()),
        ..Settings::default()
    })
}

/// A tunnel that has just come online.
pub(crate) fn online() -> Online {
    Online {
        since: Instant::now(),
        transport: Carriage::WebSocket,
        session: "s".to_owned(),
        server: Server::Ready,
        tools: Some(1),
        round_trip: None,
        in_use_by: Vec::new(),
        notices: Vec::new(),
    }
}

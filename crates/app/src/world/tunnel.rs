//! One tunnel of a world: how it is, and what belongs to it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use culvert_instance::{EXPIRES_SOON, ProfileView, TunnelView};
use culvert_link::Carriage;
use culvert_profiles::SecretRef;
use culvert_protocol::GatewayAddress;
use culvert_protocol::text::clean;
use culvert_tunnel::{Notice, Server};

use super::token::place;
use super::{Builder, Scene};
use crate::built_in;
use crate::shown::{Explained, Process, ServerState, Status, Token, Transport, Tunnel};
use crate::words::steady;

impl Builder {
    pub(super) fn tunnel(
        &mut self,
        scene: &Scene<'_>,
        profile: &ProfileView,
        view: &TunnelView,
        own_tokens: &BTreeMap<String, Option<SecretRef>>,
    ) -> Tunnel {
        let configured = profile.profile.tunnel_keys().find(|(key, _)| *key == view.key).map(|(_, tunnel)| tunnel);
        let address = configured.map(|tunnel| &tunnel.config.gateway);
        let gateway = address.map_or_else(|| view.key.gateway.clone(), host_and_port);
        let condition = view.token.borrow().clone();
        let own = own_tokens.get(&view.key.gateway).and_then(Option::as_ref);
        let own_token = own.filter(|reference| !built_in::is_its_token(reference)).map(|reference| Token {
            place: place(reference),
            expires: condition.expiry.map(|expiry| expiry.at.into()),
        });
        let built_in = own.is_some_and(built_in::is_its_token);
        let memory = |pid| scene.memory.map_or(0, |memory| memory.of(pid));
        let shown = |process: culvert_tunnel::Process| Process {
            pid: process.pid,
            memory_bytes: memory(process.pid),
            session: process.serves.map(|who| clean(&who, 130)),
        };
        let processes = view.ledger.processes().into_iter().map(shown).collect();
        Tunnel {
            gateway,
            url: view.key.gateway.clone(),
            built_in,
            status: self.status(view, profile, address),
            processes,
            own_token,
        }
    }

    fn status(&mut self, view: &TunnelView, profile: &ProfileView, address: Option<&GatewayAddress>) -> Status {
        use culvert_tunnel::Status as Is;
        let status = view.status.borrow().clone();
        if !matches!(status, Is::Online(_)) {
            self.trips.remove(&view.key);
        }
        match status {
            Is::Off => Status::Off,
            Is::Starting { since } => Status::Starting { since: self.time(since) },
            Is::Connecting => Status::Connecting,
            Is::Registering => Status::Registering,
            Is::Stopping => Status::Stopping,
            Is::Stopped { cause } => Status::Stopped { cause: cause.as_ref().map(Explained::of) },
            Is::Waiting { attempt, retry_at, cause } => {
                Status::Waiting { attempt, retry_at: self.time(retry_at), cause: Explained::of(&cause) }
            }
            Is::Online(online) => {
                let shown = self.trips.get(&view.key).copied();
                let round_trip_ms = online.round_trip.map(|now| steady(shown, now));
                if let Some(ms) = round_trip_ms {
                    self.trips.insert(view.key.clone(), ms);
                }
                let mut notices: Vec<Explained> = online.notices.iter().map(Explained::of).collect();
                let condition = view.token.borrow().clone();
                notices.extend(condition.notice.iter().map(Explained::of));
                if let Some(expiry) = condition.expiry.filter(|expiry| expiry.is_near(SystemTime::now())) {
                    let left = lasting(expiry.expires_in(SystemTime::now()));
                    let message = format!("the token for {} ends in {left}", view.key.gateway);
                    notices.push(Explained::new(EXPIRES_SOON, message, "Make a new token in time."));
                }
                let routes = !online.notices.contains(&Notice::NoRouting);
                let url = address.filter(|_| routes).map(|address| address.mcp_url(profile.profile.name.as_str()));
                Status::Online {
                    since: self.time(online.since),
                    transport: match online.transport {
                        Carriage::WebSocket => Transport::Ws,
                        Carriage::Sse => Transport::Sse,
                    },
                    round_trip_ms,
                    server: self.server(&online.server),
                    tools: online.tools.and_then(|count| u32::try_from(count).ok()),
                    in_use_by: online.in_use_by.iter().map(|name| clean(name, 130)).collect(),
                    notices,
                    url,
                }
            }
        }
    }

    fn server(&self, server: &Server) -> ServerState {
        match server {
            Server::Ready => ServerState::Ready,
            Server::Unprobed => ServerState::Unprobed,
            Server::Restarting { cause } => ServerState::Restarting { cause: Explained::of(cause) },
            Server::Silent { .. } => ServerState::Silent {
                cause: Explained::new(
                    "server.silent",
                    "the local server runs and does not answer",
                    "Look at its log; switching the profile off and on starts it anew.",
                ),
            },
        }
    }
}

/// `gw.example.com`, `127.0.0.1:4444`.
pub(crate) fn host_and_port(address: &GatewayAddress) -> String {
    let text = address.to_string();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

/// Days, hours or minutes, whichever says enough.
fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=7199 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

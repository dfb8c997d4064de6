//! Servers and sessions as the gateway's HTTP interface shows them.

use std::net::SocketAddr;

use culvert_protocol::{GatewayAddress, Labels, ServerName};
use serde::Serialize;

use super::{Registry, Rooms, sees};
use crate::catalog::{Entry, ServerId};
use crate::clock::UnixTime;
use crate::rights::{Bearer, Subject};
use crate::session::Session;

/// Whether a server is reachable now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Presence {
    /// A tunnel brings it.
    Online,
    /// Known from before.
    Offline,
}

/// A server as `GET /servers` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct ServerView {
    id: ServerId,
    pub(super) name: ServerName,
    owner: Subject,
    description: Option<String>,
    pub(super) status: Presence,
    tools: Option<usize>,
    first_seen: String,
    last_seen: String,
    /// Where MCP clients find it.
    url: String,
}

/// A session as `GET /reverse-proxy/sessions` shows it: ContextForge's members, then ours.
#[derive(Debug, Serialize)]
pub(crate) struct SessionView {
    session_id: String,
    server_info: ServerInfoView,
    connected_at: String,
    last_activity: String,
    message_count: u64,
    bytes_transferred: u64,
    user: Subject,
    server_id: ServerId,
    tools: Option<usize>,
    url: String,
    remote: String,
    client: Option<String>,
    transport: String,
    client_version: Option<String>,
    host: Option<String>,
    labels: Labels,
    calls: u64,
}

#[derive(Debug, Serialize)]
struct ServerInfoView {
    name: ServerName,
    description: Option<String>,
    protocol: &'static str,
}

impl Registry {
    /// The servers that `bearer` may know of, by owner and name.
    pub(crate) fn servers(&self, bearer: &Bearer, base: &GatewayAddress) -> Vec<ServerView> {
        let rooms = self.read();
        let mut servers: Vec<_> = rooms
            .catalog
            .iter()
            .filter(|(_, entry)| bearer.reaches(&entry.owner, &entry.name))
            .map(|(id, entry)| rooms.view(id, entry, base))
            .collect();
        servers.sort_by(|a, b| (&a.owner, &a.name).cmp(&(&b.owner, &b.name)));
        servers
    }

    /// The sessions that `bearer` may know of, the oldest first.
    pub(crate) fn sessions(&self, bearer: &Bearer, base: &GatewayAddress) -> Vec<SessionView> {
        let rooms = self.read();
        let mut sessions: Vec<_> = rooms.sessions.values().filter(|session| sees(bearer, session)).collect();
        sessions.sort_by_key(|session| (session.since, &session.id.0));
        sessions.into_iter().map(|session| rooms.session_view(session, base)).collect()
    }
}

impl Rooms {
    fn view(&self, id: &ServerId, entry: &Entry, base: &GatewayAddress) -> ServerView {
        let session = self.online.get(id);
        let last_seen = session.map_or(UnixTime(entry.last_seen), |session| session.traffic.last_seen());
        ServerView {
            id: id.clone(),
            name: entry.name.clone(),
            owner: entry.owner.clone(),
            description: entry.description.clone(),
            status: if session.is_some() { Presence::Online } else { Presence::Offline },
            tools: entry.tools,
            first_seen: UnixTime(entry.first_seen).rfc3339(),
            last_seen: last_seen.rfc3339(),
            url: base.mcp_url(&id.to_string()),
        }
    }

    fn session_view(&self, session: &Session, base: &GatewayAddress) -> SessionView {
        let entry = self.catalog.get(&session.server);
        let visitor = session.visitor();
        let (message_count, bytes_transferred) = session.traffic.totals();
        let description = entry.and_then(|entry| entry.description.clone());
        SessionView {
            session_id: session.id.to_string(),
            server_info: ServerInfoView { name: session.name.clone(), description, protocol: "mcp" },
            connected_at: session.since.rfc3339(),
            last_activity: session.traffic.last_seen().rfc3339(),
            message_count,
            bytes_transferred,
            user: visitor.bearer.subject().clone(),
            server_id: session.server.clone(),
            tools: entry.and_then(|entry| entry.tools),
            url: base.mcp_url(&session.server.to_string()),
            remote: remote(visitor.peer),
            client: visitor.agent,
            transport: visitor.carriage.to_string(),
            client_version: session.client.version.clone(),
            host: session.client.host.clone(),
            labels: session.labels(),
            calls: session.calls(),
        }
    }
}

/// From where a link comes; a proxy tells no port.
fn remote(peer: SocketAddr) -> String {
    if peer.port() == 0 { peer.ip().to_string() } else { peer.to_string() }
}

//! What all requests of one gateway share.

use std::sync::Arc;

use culvert_audit::Log;
use culvert_protocol::GatewayAddress;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::config::GatewayLimits;
use crate::counts::Counts;
use crate::event_link::EventLinks;
use crate::front::Front;
use crate::hosts::Hosts;
use crate::proxies::Proxies;
use crate::publish::Publishing;
use crate::registry::Registry;
use crate::resumable::Resumables;
use crate::tls::Tls;
use crate::trust::Trust;

/// The inside of a gateway.
#[derive(Debug)]
pub(crate) struct House {
    /// What it counts.
    pub counts: Counts,
    /// How publishing stands; none where nothing is published.
    pub publishing: Option<watch::Receiver<Publishing>>,
    /// Its certificate, and that of its clients; none means plaintext.
    pub tls: Option<Tls>,
    /// Whose word on where requests come from is taken.
    pub proxies: Proxies,
    /// What each subject uses.
    pub accounts: Accounts,
    /// Connections that may still come.
    pub places: Arc<Semaphore>,
    /// Whom it believes.
    pub trust: Trust,
    /// What it is called.
    pub hosts: Hosts,
    /// What is known and what is online.
    pub registry: Registry,
    /// Sessions whose connection may be replaced.
    pub resumable: Resumables,
    /// Links over SSE + POST, whose POSTs have to find them.
    pub event_links: EventLinks,
    /// Where MCP is spoken.
    pub front: Front,
    /// Who is told of calls, and of what was refused.
    pub audit: Option<Arc<Log>>,
    /// What bounds it.
    pub limits: GatewayLimits,
    /// The address that it prints.
    pub base: GatewayAddress,
    /// The path prefix of that address, without a slash at its end.
    pub prefix: String,
    /// Cancelled when the gateway stops.
    pub stop: CancellationToken,
    /// The tasks of all links and connections.
    pub tasks: TaskTracker,
}

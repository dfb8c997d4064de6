//! The first exchange on a fresh link: who we are, and which dialect the gateway speaks.

use culvert_link::{Dialled, Frame, LinkEnd};
use culvert_protocol::channels::control::{Grant, Offer};
use culvert_protocol::envelope::{Envelope, Kind, Register, Writer};
use culvert_protocol::{ClientInfo, Labels, limits};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::config::TunnelConfig;
use crate::registration::Refusal;

/// What the gateway made of `register`.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    /// Its name for the session.
    pub(crate) session_id: String,
    /// How to go on.
    pub(crate) dialect: Dialect,
}

/// How a gateway wants to be spoken to.
#[derive(Debug)]
pub(crate) enum Dialect {
    /// ContextForge's: it says `processing`, runs `initialize` and then says whether all went well.
    Base,
    /// The released ContextForge's: it says `success` at once and routes no MCP calls.
    Mute,
    /// Ours, with what it grants.
    Channels(Grant),
}

/// Why there was no acknowledgement.
#[derive(Debug)]
pub(crate) enum Unacknowledged {
    /// The gateway said no, or nothing.
    Refused(Refusal),
    /// The link ended.
    Link(LinkEnd),
}

/// Registers on `link`, with these labels. `session_id` is our own name for the session, until the gateway has one.
pub(crate) async fn register(
    link: &mut Dialled,
    config: &TunnelConfig,
    session_id: &str,
    labels: &Labels,
) -> Result<Acknowledged, Unacknowledged> {
    let offer = Offer { single_child: config.children.single, max_message: Some(config.max_message), ..Offer::ALL };
    register_with(link, config, session_id, offer, labels).await
}

/// The same, with no more than `offer`.
pub(crate) async fn register_with(
    link: &mut Dialled,
    config: &TunnelConfig,
    session_id: &str,
    offer: Offer,
    labels: &Labels,
) -> Result<Acknowledged, Unacknowledged> {
    let client = ClientInfo {
        name: Some("culvert".to_owned()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        host: config.host.clone(),
    };
    let frame = Writer::new(session_id).register(&Register {
        name: &config.name,
        description: config.description.as_deref(),
        offer,
        client: &client,
        labels,
    });
    // A link that is over already is reported by its receiving end.
    let _ = link.sender.send(frame).await;
    match timeout(limits::REGISTER_TIMEOUT, acknowledged(link, session_id)).await {
        Ok(answer) => answer,
        Err(_) => Err(Unacknowledged::Refused(Refusal::Overdue)),
    }
}

async fn acknowledged(link: &mut Dialled, session_id: &str) -> Result<Acknowledged, Unacknowledged> {
    loop {
        let text = match link.receiver.recv().await {
            Ok(Frame::Text(text)) => text,
            Ok(Frame::Binary(_)) => continue,
            Err(end) => return Err(Unacknowledged::Link(end)),
        };
        let Ok(envelope) = Envelope::parse(&text) else {
            warn!("the gateway sent a frame that is no envelope: skipped");
            continue;
        };
        let message = envelope.message.as_deref().unwrap_or_default();
        let dialect = match (&envelope.kind, envelope.status.as_deref().unwrap_or_default()) {
            (Kind::RegisterAck, "processing") => match envelope.extensions {
                Some(extensions) if Offer::read(extensions).channels > 0 => match Grant::read(extensions) {
                    Some(grant) => Dialect::Channels(grant),
                    // It would speak channels now, and wait for answers that the base dialect does not give.
                    None => {
                        let why = "its grant of channels cannot be read".to_owned();
                        return Err(Unacknowledged::Refused(Refusal::Stated(why)));
                    }
                },
                _ => Dialect::Base,
            },
            (Kind::RegisterAck, "success") => Dialect::Mute,
            (Kind::RegisterAck | Kind::RegisterComplete | Kind::Error, _) => {
                return Err(Unacknowledged::Refused(Refusal::of(message)));
            }
            _ => {
                debug!(kind = ?envelope.kind, "before the acknowledgement: skipped");
                continue;
            }
        };
        let named = envelope.session_id.as_deref().filter(|id| id.len() <= limits::MAX_ID);
        return Ok(Acknowledged { session_id: named.unwrap_or(session_id).to_owned(), dialect });
    }
}

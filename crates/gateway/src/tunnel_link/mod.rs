//! The life of one link, from the upgrade to its end, in the base dialect (in the other: [`channels`]): `register`, the handshake with the child, the catalog, then
//! messages both ways until somebody ends it.
//!
//! Liveness is the link's own affair (pings, 28 s). A client that answers them is not evicted for want of heartbeats,
//! as ContextForge does after 90 s: a heartbeat is acknowledged, and proves nothing that a byte does not.

mod channels;
mod end;
mod frames;
mod register;

use std::sync::Arc;
use std::time::Duration;

use culvert_link::{Carriage, Frame, FrameReceiver, FrameSender, accept};
use culvert_protocol::channels::control::Control;
use culvert_protocol::envelope::{Envelope, Kind, Writer};
use culvert_protocol::rpc_error::RpcError;
use tokio::time::timeout;

use crate::backend::Channels;
use crate::clock::UnixTime;
use crate::conversation::conversation;
use crate::counts::{Registering, add};
use crate::house::House;
use crate::random;
use crate::resumable::{Takeover, ToSession};
use crate::session::{Session, SessionId, Visitor, Ways};
use crate::shared::{self, Shared, pulse};
use crate::traffic::Traffic;
use crate::{figures, session::Ending};
use end::{Over, last_words};
use frames::{Carrier, Heartbeats};
use register::Registration;

/// The longest that a client may take from the upgrade to its `register`, whatever is granted to slow ones.
/// ContextForge's own waits a second for its child.
const FIRST_FRAME: Duration = Duration::from_secs(30);

/// How long a registration may take in all, the child's answer to `initialize` and its list of tools included. Clients
/// give up after 90 s (`limits::REGISTER_TIMEOUT`); ours is the better error.
const REGISTRATION: Duration = Duration::from_secs(80);

/// Serves one link to its end. `stream` has just been upgraded; the bearer was checked and may register something.
pub(crate) async fn run(house: Arc<House>, stream: impl culvert_link::activity::Io, visitor: Visitor) {
    let (sender, receiver) = accept(stream, house.limits.max_message).await;
    carry(house, sender, receiver, visitor).await;
}

/// Serves one link to its end, whatever carries it.
pub(crate) async fn carry(house: Arc<House>, sender: FrameSender, mut receiver: FrameReceiver, visitor: Visitor) {
    let id = match random::id() {
        Ok(id) => SessionId(id),
        Err(error) => return tracing::error!(%error, "no link without randomness"),
    };
    let writer = Writer::new(&id.0);
    let carrier = Carrier { sender: sender.clone(), writer: writer.clone(), limit: house.limits.max_message };
    let registering = house.counts.registering(visitor.carriage);
    let link = Link { house: &house, id, visitor: &visitor, carrier, registering };
    let over = match link.first_words(&mut receiver).await {
        Ok(First::Resume(takeovers, received)) => {
            // A session that has just ended is answered by the end of this connection.
            drop(link);
            let _ = takeovers.send(Box::new(Takeover { sender, receiver, received, visitor })).await;
            return;
        }
        Ok(First::Register(registration)) if registration.offer.has_channels() => {
            let over = link.serve_channels(registration, sender, receiver).await;
            over.log(&visitor);
            return house.counts.ends.count(over.label());
        }
        // The base dialect is for clients that others have written, and those know no such link.
        Ok(First::Register(_)) if visitor.carriage == Carriage::Sse => {
            Over::Refused("a link over SSE carries the channels dialect only".to_owned())
        }
        Ok(First::Register(registration)) => link.serve(registration, &mut receiver).await,
        Err(over) => over,
    };
    over.log(&visitor);
    house.counts.ends.count(over.label());
    last_words(over, &writer, &sender, &mut receiver).await;
}

/// What a client begins with.
enum First {
    /// A fresh registration.
    Register(Registration),
    /// A session that it has already: the way to its task, and what has come in of the gateway's stream.
    Resume(ToSession, u64),
}

/// A link that has asked to be registered.
struct Link<'l> {
    house: &'l House,
    id: SessionId,
    visitor: &'l Visitor,
    carrier: Carrier,
    /// Until it is registered, or gone on with.
    registering: Registering<'l>,
}

impl Link<'_> {
    /// Waits for `register` or `resume`. What comes before is dropped: ContextForge's own client sends its child's
    /// answer to a handshake of its own.
    async fn first_words(&self, receiver: &mut FrameReceiver) -> Result<First, Over> {
        let wait = async {
            loop {
                let Frame::Text(text) = receiver.recv().await.map_err(Over::Link)? else { continue };
                match Envelope::parse(&text) {
                    Ok(envelope) if envelope.kind == Kind::Register => {
                        let registration = Registration::read(&envelope, &self.visitor.bearer);
                        return registration.map(First::Register).map_err(Over::Refused);
                    }
                    Ok(envelope) if envelope.kind == Kind::Unregister => return Err(Over::Unregistered),
                    _ => {}
                }
                let Some(Control::Resume { session_id, key, received, attempt }) = Control::parse(&text) else {
                    tracing::debug!(peer = %self.visitor.peer, "dropped a frame that came before register");
                    continue;
                };
                match self.house.resumable.find(&session_id, &key, attempt, self.visitor) {
                    Ok(takeovers) => return Ok(First::Resume(takeovers, received)),
                    Err(why) => {
                        tracing::info!(peer = %self.visitor.peer, %why, "a session is not resumed");
                        self.house.counts.refused_resumes.count(why.word());
                        let refused = Control::ResumeRefused { reason: why.to_string() }.to_json();
                        self.carrier.sender.send(refused).await.map_err(|_| Over::Gone)?;
                    }
                }
            }
        };
        tokio::select! {
            first = timeout(FIRST_FRAME.min(self.house.limits.slow_client), wait) => first.unwrap_or(Err(Over::NeverRegistered)),
            () = self.house.stop.cancelled() => Err(Over::Ordered(Ending::Stopping)),
        }
    }

    async fn serve(self, registration: Registration, receiver: &mut FrameReceiver) -> Over {
        let (front, child) = conversation();
        let traffic = Arc::new(Traffic::new(UnixTime::now()));
        let mut heartbeats = Heartbeats::default();
        let ack = self.carrier.writer.register_ack("processing");
        if self.carrier.sender.send(ack).await.is_err() {
            return Over::Gone;
        }
        let shared = Shared::start_on(front, shared::Terms::of(&self.house.limits));
        let read = self.carrier.read(receiver, &child.to_client, &traffic, &mut heartbeats);
        let write = self.carrier.write(child.from_client, &child.to_client, &traffic);
        let over = tokio::select! {
            // First, because it knows best why: the others only see that a queue is gone.
            biased;
            over = self.live(registration, &shared, &traffic) => over,
            over = read => over,
            over = write => over,
        };
        shared.end(RpcError::tunnel("tunnel.closed", format!("the tunnel to the local server closed: {over}")));
        over
    }

    /// Registers, then waits for an order to end.
    async fn live(&self, registration: Registration, shared: &Arc<Shared>, traffic: &Arc<Traffic>) -> Over {
        let session = match self.register_in_time(registration, shared, traffic, None).await {
            Ok(session) => session,
            Err(over) => return over,
        };
        tokio::select! {
            over = self.ordered(&session) => over,
            why = shared.closed() => Over::Closed(why),
            // Its client may keep the link up all the same; once it is gone, the client can begin anew.
            why = pulse::silence(shared) => Over::Closed(why),
        }
    }

    /// Completes when somebody orders the end.
    async fn ordered(&self, session: &Session) -> Over {
        tokio::select! {
            order = session.leash.ordered() => Over::Ordered(order),
            () = self.house.stop.cancelled() => Over::Ordered(Ending::Stopping),
        }
    }

    async fn register_in_time(
        &self,
        registration: Registration,
        shared: &Arc<Shared>,
        traffic: &Arc<Traffic>,
        channels: Option<Channels>,
    ) -> Result<Registered<'_>, Over> {
        tokio::select! {
            registered = timeout(REGISTRATION, self.register(registration, shared, traffic, channels)) => {
                registered.unwrap_or_else(|_| {
                    Err(Over::Refused(format!("the registration took more than {} s", REGISTRATION.as_secs())))
                })
            }
            () = self.house.stop.cancelled() => Err(Over::Ordered(Ending::Stopping)),
        }
    }

    async fn register<'h>(
        &'h self,
        registration: Registration,
        shared: &Arc<Shared>,
        traffic: &Arc<Traffic>,
        channels: Option<Channels>,
    ) -> Result<Registered<'h>, Over> {
        shared.ready().await.map_err(|why| Over::Refused(why.message().to_owned()))?;
        let tools = figures::tools(shared).await;
        let now = UnixTime::now();
        self.house.trust.confirm(&self.visitor.bearer, now).map_err(|why| Over::Ordered(why.into()))?;
        let entry = registration.entry(self.visitor.bearer.subject(), tools, now);
        let server = registration.server(self.visitor.bearer.subject());
        let room = self.house.registry.room_for_server(self.visitor.bearer.subject(), &server);
        room.map_err(|denial| Over::Refused(denial.to_string()))?;
        let ways = Ways::new(shared.clone(), channels);
        let session = Session::new(
            self.id.clone(),
            server,
            registration.into_introduction(),
            self.visitor.clone(),
            traffic.clone(),
            ways,
            now,
        );
        let session = Arc::new(session);
        let registered = Registered { house: self.house, session };
        let admitted = self.house.registry.admit(registered.session.clone(), entry).await;
        admitted.map_err(|denial| Over::Refused(denial.to_string()))?;
        self.registering.ends();
        add(&self.house.counts.registrations);
        tracing::info!(
            name = %registered.session.name, owner = %self.visitor.bearer.subject(), server = %registered.session.server,
            session = %self.id, peer = %self.visitor.peer, over = %self.visitor.carriage, tools, "server registered"
        );
        let complete = self.carrier.writer.register_complete();
        self.carrier.sender.send(complete).await.map_err(|_| Over::Gone)?;
        Ok(registered)
    }
}

/// A session's place in the registry, given up when this is dropped, however the link ends.
struct Registered<'h> {
    house: &'h House,
    session: Arc<Session>,
}

impl std::ops::Deref for Registered<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.house.registry.leave(&self.session, UnixTime::now());
    }
}

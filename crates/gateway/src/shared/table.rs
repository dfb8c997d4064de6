//! Whose call is whose on a shared child: pure bookkeeping, bounded, with the time handed in.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use culvert_link::queue;
use culvert_protocol::message::Id;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::GatewayLimits;

/// How many calls may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Those of one client.
    pub(crate) of_one: usize,
    /// Those of all clients of a child together.
    pub(crate) of_all: usize,
}

impl Default for Room {
    fn default() -> Self {
        let limits = GatewayLimits::default();
        Self { of_one: limits.session_calls, of_all: limits.shared_calls }
    }
}

/// How long the child may still answer a cancelled call. MCP asks it not to answer at all, so something has to end
/// the entry.
pub(super) const CANCEL_LINGER: Duration = Duration::from_secs(5);

/// A client of the shared child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientId(u64);

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum Owner {
    /// A client, which calls it by this id.
    Client(ClientId, Id),
    /// The gateway itself.
    Gateway(oneshot::Sender<Bytes>),
}

/// A call that the child has not answered yet.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) owner: Owner,
    /// The id as its owner spelled it, JSON.
    pub(super) id: Box<str>,
    /// The progress token as its owner spelled it, JSON.
    pub(super) token: Option<Box<str>>,
    /// Its owner has cancelled it.
    pub(super) cancelled: bool,
}

/// A client as the table knows it.
#[derive(Debug)]
struct Client {
    to: queue::Sender<Bytes>,
    in_flight: HashMap<Id, u64>,
    listens: bool,
    cut: CancellationToken,
}

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The same client has a call with this id in flight.
    Duplicate,
    /// Too many calls are in flight.
    Full,
    /// The client has left.
    Left,
}

/// All calls in flight, and who is there.
#[derive(Debug, Default)]
pub(super) struct Table {
    room: Room,
    last: u64,
    /// The last call that began.
    begun: u64,
    /// The latest call that was answered, whether or not anybody still waited.
    settled: u64,
    calls: HashMap<u64, Call>,
    clients: HashMap<ClientId, Client>,
    lingering: VecDeque<(Instant, u64)>,
}

impl Table {
    /// An empty one that takes so many calls, whose numbers come after `last`.
    pub(super) fn after(last: u32, room: Room) -> Self {
        Self { room, last: last.into(), ..Self::default() }
    }

    /// Whether it takes no more calls of any client.
    pub(super) fn is_full(&self) -> bool {
        self.calls.len() >= self.room.of_all
    }

    /// A new client, reached by `to`, and what tells its task that it was cut off.
    pub(super) fn join(&mut self, to: queue::Sender<Bytes>) -> (ClientId, CancellationToken) {
        self.last += 1;
        let (id, cut) = (ClientId(self.last), CancellationToken::new());
        self.clients.insert(id, Client { to, in_flight: HashMap::new(), listens: false, cut: cut.clone() });
        (id, cut)
    }

    /// From now on the client gets what belongs to nobody in particular.
    pub(super) fn listens(&mut self, client: ClientId) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.listens = true;
        }
    }

    /// A client is gone: its calls, by number, oldest first.
    pub(super) fn leave(&mut self, client: ClientId) -> Vec<(u64, Call)> {
        let Some(client) = self.clients.remove(&client) else { return Vec::new() };
        let mut numbers: Vec<u64> = client.in_flight.into_values().collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| self.calls.remove(&number).map(|call| (number, call))).collect()
    }

    /// A call begins; its number is what the child sees as id and token.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn begin(&mut self, owner: Owner, id: &str, token: Option<&str>) -> Result<u64, Refusal> {
        let number = self.last + 1;
        if let Owner::Client(client, id) = &owner {
            let client = self.clients.get_mut(client).ok_or(Refusal::Left)?;
            if client.in_flight.contains_key(id) {
                return Err(Refusal::Duplicate);
            }
            if client.in_flight.len() >= self.room.of_one || self.calls.len() >= self.room.of_all {
                return Err(Refusal::Full);
            }
            client.in_flight.insert(id.clone(), number);
        }
        (self.last, self.begun) = (number, number);
        self.calls.insert(number, Call { owner, id: id.into(), token: token.map(Into::into), cancelled: false });
        Ok(number)
    }

    /// The child has answered a call: it is over, if it was not before.
    pub(super) fn answered(&mut self, number: u64) -> Option<Call> {
        if number <= self.begun {
            self.settled = self.settled.max(number);
        }
        self.end(number)
    }

    /// The number of the last call that began.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether the child has answered the last call that began: whatever came before, it does not keep the child busy.
    pub(super) fn is_settled(&self) -> bool {
        self.settled == self.begun && self.calls.is_empty()
    }

    /// A call is over.
    pub(super) fn end(&mut self, number: u64) -> Option<Call> {
        let call = self.calls.remove(&number)?;
        if let Owner::Client(client, id) = &call.owner
            && let Some(client) = self.clients.get_mut(client)
        {
            client.in_flight.remove(id);
        }
        Some(call)
    }

    /// The call goes on after all: its answer could not be handed over.
    pub(super) fn restore(&mut self, number: u64, call: Call) {
        if let Owner::Client(client, id) = &call.owner
            && let Some(client) = self.clients.get_mut(client)
        {
            client.in_flight.insert(id.clone(), number);
            self.calls.insert(number, call);
        }
    }

    /// A call in flight.
    pub(super) fn call(&self, number: u64) -> Option<&Call> {
        self.calls.get(&number)
    }

    /// A client cancels its call `id`: the number by which the child knows it. `None` when there is nothing to cancel.
    pub(super) fn cancel(&mut self, client: ClientId, id: &Id, now: Instant) -> Option<u64> {
        let number = *self.clients.get(&client)?.in_flight.get(id)?;
        let call = self.calls.get_mut(&number).filter(|call| !call.cancelled)?;
        call.cancelled = true;
        self.lingering.push_back((now + CANCEL_LINGER, number));
        if self.lingering.len() > 2 * self.calls.len() + 64 {
            self.lingering.retain(|(_, number)| self.calls.contains_key(number));
        }
        Some(number)
    }

    /// When the next cancelled call is due to end without an answer.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.lingering.front().map(|(due, _)| *due)
    }

    /// The cancelled calls that the child did not answer in time; they are over.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Call> {
        let mut over = Vec::new();
        while self.lingering.front().is_some_and(|(due, _)| *due <= now) {
            over.extend(self.lingering.pop_front().and_then(|(_, number)| self.end(number)));
        }
        over
    }

    /// The way to a client.
    pub(super) fn client(&self, client: ClientId) -> Option<&queue::Sender<Bytes>> {
        self.clients.get(&client).map(|client| &client.to)
    }

    /// The ways to all clients that listen.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (ClientId, &queue::Sender<Bytes>)> {
        self.clients.iter().filter(|(_, client)| client.listens).map(|(id, client)| (*id, &client.to))
    }

    /// The way to the client that began to listen last.
    pub(super) fn last_listener(&self) -> Option<(ClientId, &queue::Sender<Bytes>)> {
        self.listeners().max_by_key(|(id, _)| id.0)
    }

    /// Tells the client's task that the client is to go.
    pub(super) fn cut(&self, client: ClientId) {
        if let Some(client) = self.clients.get(&client) {
            client.cut.cancel();
        }
    }

    /// Drops whatever is left: the child is gone.
    pub(super) fn forget_gateway_calls(&mut self) {
        self.calls.retain(|_, call| matches!(call.owner, Owner::Client(..)));
    }

    /// Calls in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// Clients that are there.
    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }
}

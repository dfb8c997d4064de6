//! A lane makes one call after the other, each when the one before is answered: over a
//! session on an HTTP connection of its own, or on the pipes of a server of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::channels::echo_call::EchoCall;
use crate::channels::http::Connection;
use crate::channels::session::Session;
use crate::channels::trouble::Failure;

/// What one read from a pipe takes at most: a Linux pipe holds as much.
const READ: usize = 64 * 1024;

/// What a lane did in one load.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    pub(crate) latencies: Vec<Duration>,
    /// When its last answer was there.
    pub(crate) last: Option<Instant>,
}

impl Driven {
    fn note(&mut self, sent: Instant, answered: Instant) {
        self.latencies.push(answered - sent);
        self.last = Some(answered);
    }
}

pub(crate) enum Lane {
    Http(Box<HttpLane>),
    Pipe(Box<PipeLane>),
}

impl Lane {
    /// Calls until `until`, and at least once; the last call is waited for.
    pub(crate) async fn drive(&mut self, call: &EchoCall, until: Instant) -> Result<Driven, Failure> {
        match self {
            Self::Http(lane) => lane.drive(call, until).await,
            Self::Pipe(lane) => lane.drive(call, until).await,
        }
    }
}

pub(crate) struct HttpLane {
    connection: Connection,
    session: Session,
    /// Of the next call. Lanes on one session differ in the remainder by `step`.
    id: u64,
    step: u64,
    body: Vec<u8>,
}

impl HttpLane {
    /// The lane with this number, of so many.
    pub(crate) fn new(connection: Connection, session: Session, number: usize, of: usize) -> Self {
        Self { connection, session, id: (of + number) as u64, step: of as u64, body: Vec::new() }
    }

    async fn drive(&mut self, call: &EchoCall, until: Instant) -> Result<Driven, Failure> {
        let Self { connection, session, id, step, body } = self;
        let mut driven = Driven::default();
        loop {
            let sent = Instant::now();
            if sent >= until && driven.last.is_some() {
                return Ok(driven);
            }
            let reply = session.call(connection, &call.parts(&id.to_string()), *id, body).await?;
            driven.note(sent, reply.at);
            if call.check(body.get(reply.answer).unwrap_or_default())? != *id {
                return Err(Failure::Stray);
            }
            *id += *step;
        }
    }
}

/// The echo server itself, with nothing between.
pub(crate) struct PipeLane {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// Calls in flight. All of them fit into the pipes at once, so that writing one never
    /// waits for the reading of another.
    depth: usize,
    next: u64,
}

impl PipeLane {
    /// Starts a server for `depth` calls in flight.
    pub(crate) fn start(echo: &Path, depth: usize) -> Result<Self, Failure> {
        let mut command = Command::new(echo);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(Failure::Driver)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Closed);
        };
        Ok(Self { child, input, output, depth, next: 1 })
    }

    /// None once it has ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    async fn drive(&mut self, call: &EchoCall, until: Instant) -> Result<Driven, Failure> {
        let mut driven = Driven::default();
        // Slot `id % depth` holds when the call with this id was sent.
        let mut flight: Vec<Option<(u64, Instant)>> = vec![None; self.depth];
        let mut free = self.depth;
        let (mut pending, mut searched) = (Vec::with_capacity(2 * READ), 0);
        let mut request = Vec::new();
        loop {
            while free > 0 && (driven.last.is_none() || Instant::now() < until) {
                while flight.get(self.slot()).is_some_and(Option::is_some) {
                    self.next += 1;
                }
                let (id, slot) = (self.next, self.slot());
                self.next += 1;
                request.clear();
                call.parts(&id.to_string()).iter().for_each(|part| request.extend_from_slice(part));
                request.push(b'\n');
                if let Some(place) = flight.get_mut(slot) {
                    *place = Some((id, Instant::now()));
                }
                free -= 1;
                self.input.write_all(&request).await.map_err(Failure::Broken)?;
            }
            if free == self.depth {
                return Ok(driven);
            }
            pending.reserve(READ);
            if self.output.read_buf(&mut pending).await.map_err(Failure::Broken)? == 0 {
                return Err(Failure::Closed);
            }
            let answered = Instant::now();
            let mut begin = 0;
            while let Some(length) = pending.get(searched..).and_then(|rest| memchr(b'\n', rest)) {
                let end = searched + length;
                let id = call.check(pending.get(begin..end).unwrap_or_default())?;
                let slot = flight.get_mut((id % self.depth as u64) as usize);
                let sent = slot.and_then(|slot| slot.take_if(|(of, _)| *of == id)).ok_or(Failure::Stray)?.1;
                driven.note(sent, answered);
                free += 1;
                (begin, searched) = (end + 1, end + 1);
            }
            pending.drain(..begin);
            searched = pending.len();
        }
    }

    fn slot(&self) -> usize {
        (self.next % self.depth as u64) as usize
    }
}

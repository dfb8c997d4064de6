//! The MCP clients of a load: each a session on a connection of its own, and an event stream beside it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep_until;

use super::trouble::Trouble;
use crate::answer::body;
use crate::channels::{Connection, EchoCall, Failure, Session, Target};
use crate::figures::Outcome;

/// Bytes of the echoed text.
pub(super) const SIZE: usize = 200;

/// One client. Only one of its calls is in flight at a time.
pub(super) struct Caller {
    connection: Connection,
    session: Session,
    /// Where the server would speak up unasked; nothing reads it, for nothing comes.
    _stream: Option<Connection>,
    id: u64,
}

/// Opens a session there.
pub(super) async fn open(target: Target, with_stream: bool) -> Result<Caller, Trouble> {
    let mut connection = Connection::open(target.address).await?;
    let session = Session::open(&target, &mut connection).await?;
    let stream = match with_stream {
        true => Some(session.listen(target.address).await?),
        false => None,
    };
    Ok(Caller { connection, session, _stream: stream, id: 0 })
}

impl Caller {
    async fn call(&mut self, call: &EchoCall) -> Result<Duration, Failure> {
        self.id += 1;
        let (id, mut body) = (self.id, Vec::new());
        let sent = Instant::now();
        let reply = self.session.call(&mut self.connection, &call.parts(&id.to_string()), id, &mut body).await?;
        match call.check(body.get(reply.answer).unwrap_or_default())? == id {
            true => Ok(reply.at - sent),
            false => Err(Failure::Stray),
        }
    }
}

/// When a client makes its next call.
#[derive(Clone, Copy)]
enum Pace {
    /// So long after the one before was begun.
    Every(Duration),
    /// At once.
    AtOnce,
}

/// All of them.
pub(super) struct Callers {
    all: Vec<Caller>,
    call: Rc<EchoCall>,
}

impl Callers {
    pub(super) fn new(all: Vec<Caller>) -> Self {
        Self { all, call: Rc::new(EchoCall::new(body(SIZE))) }
    }

    /// Each calls once in every `period`, spread evenly over it, for `time`.
    pub(super) async fn call_every(&mut self, period: Duration, time: Duration) -> Result<Outcome, Trouble> {
        self.call(Pace::Every(period), time).await
    }

    /// Each calls again as soon as it is answered, for `time`.
    pub(super) async fn call_at_once(&mut self, time: Duration) -> Result<Outcome, Trouble> {
        self.call(Pace::AtOnce, time).await
    }

    async fn call(&mut self, pace: Pace, time: Duration) -> Result<Outcome, Trouble> {
        let begun = Instant::now();
        let until = begun + time;
        let count = u32::try_from(self.all.len()).unwrap_or(u32::MAX).max(1);
        let (mut back, mut latencies) = (Vec::with_capacity(self.all.len()), Vec::new());
        let local = LocalSet::new();
        let mut calling = JoinSet::new();
        for (number, mut caller) in (0_u32..).zip(self.all.drain(..)) {
            let call = Rc::clone(&self.call);
            calling.spawn_local_on(
                async move {
                    let mut latencies = Vec::new();
                    let mut next = match pace {
                        Pace::Every(period) => begun + period * number / count,
                        Pace::AtOnce => begun,
                    };
                    while next < until {
                        sleep_until(next.into()).await;
                        latencies.push(caller.call(&call).await?);
                        next = match pace {
                            Pace::Every(period) => next + period,
                            Pace::AtOnce => Instant::now(),
                        };
                    }
                    Ok::<_, Failure>((caller, latencies))
                },
                &local,
            );
        }
        local
            .run_until(async {
                while let Some(joined) = calling.join_next().await {
                    let (caller, of_one) = joined.map_err(|error| Failure::Driver(error.into()))??;
                    back.push(caller);
                    latencies.extend(of_one);
                }
                Ok::<_, Failure>(())
            })
            .await?;
        self.all = back;
        latencies.sort_unstable();
        Ok(Outcome { latencies, elapsed: begun.elapsed() })
    }
}

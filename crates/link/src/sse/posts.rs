//! The client's frames on their way: gathered into numbered POSTs, a few of which are under way at once.
//!
//! A small frame leaves at once while fewer than [`AHEAD`] are under way, and shares the next POST with others when
//! not. A POST whose connection broke is sent again; the gateway knows it by its number.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use culvert_protocol::sse::{AHEAD, MAX_BODY, MAX_MESSAGE, Record};
use culvert_protocol::{Cause, limits};
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::IDLE;
use super::head::Head;
use super::http_connection::{HttpConnection, Unanswered};
use crate::carriage::{Frame, LinkEnd, Outgoing};
use crate::dial::Way;
use crate::queue::{self, Queued};

/// How often a POST is sent at most.
const TRIES: u32 = 4;

/// How long to wait before a POST is sent a third time; the second time it is sent at once, because most often the
/// gateway has only closed an idle connection.
const PAUSE: Duration = Duration::from_millis(500);

/// How POSTs get to the gateway.
#[derive(Debug)]
pub(super) struct Road {
    /// Opens connections.
    pub(super) way: Way,
    /// Makes requests.
    pub(super) head: Head,
}

/// Connections that are being opened.
pub(super) type Opening = JoinSet<Result<HttpConnection, Cause>>;

/// What is under way.
#[derive(Debug)]
pub(super) struct Posts {
    road: Arc<Road>,
    next: u64,
    flying: JoinSet<(u64, Result<HttpConnection, LinkEnd>)>,
    unanswered: BTreeSet<u64>,
    idle: Vec<HttpConnection>,
    opening: Opening,
    last: Instant,
}

/// Whether frames are still taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nobody can send any more.
    Orphaned,
    /// A close is under way, and is the last.
    Closing,
}

impl Posts {
    /// `opening` may have a first connection already.
    pub(super) fn new(road: Road, opening: Opening) -> Self {
        Self {
            road: Arc::new(road),
            next: 0,
            flying: JoinSet::new(),
            unanswered: BTreeSet::new(),
            idle: Vec::new(),
            opening,
            last: Instant::now(),
        }
    }

    /// Sends what is queued until a close has left (`None`) or the link is over.
    pub(super) async fn run(mut self, mut outgoing: queue::Receiver<Outgoing>) -> Option<LinkEnd> {
        let mut phase = Phase::Open;
        let mut waiting: Option<Queued<Outgoing>> = None;
        loop {
            self.idle.retain(HttpConnection::is_open);
            if waiting.is_some() && self.may_fly() {
                match gather(&mut waiting, &mut outgoing) {
                    Ok((body, then)) => {
                        phase = then.unwrap_or(phase);
                        self.launch(body);
                    }
                    Err(end) => return Some(end),
                }
                continue;
            }
            if waiting.is_some() {
                self.open_another();
            }
            if phase == Phase::Closing && self.flying.is_empty() {
                return None;
            }
            tokio::select! {
                biased;
                Some(landed) = self.flying.join_next() => match landed {
                    Ok((number, Ok(connection))) => {
                        self.unanswered.remove(&number);
                        self.idle.push(connection);
                    }
                    Ok((_, Err(end))) => return Some(end),
                    Err(panic) => return Some(LinkEnd::Lost(panic.to_string())),
                },
                // One that cannot be opened is no loss while there are others; without others, a POST finds out.
                Some(opened) = self.opening.join_next() => self.idle.extend(opened.ok().and_then(Result::ok)),
                queued = outgoing.recv(), if waiting.is_none() && phase == Phase::Open => match queued {
                    Some(queued) => waiting = Some(queued),
                    None => phase = Phase::Orphaned,
                },
                () = sleep_until(self.last + IDLE), if self.flying.is_empty() && waiting.is_none() => self.launch(Bytes::new()),
            }
        }
    }

    fn may_fly(&self) -> bool {
        let within = self.unanswered.first().is_none_or(|first| self.next < first + AHEAD);
        within && (!self.idle.is_empty() || (self.flying.is_empty() && self.opening.is_empty()))
    }

    fn open_another(&mut self) {
        if self.opening.is_empty() && self.idle.is_empty() && self.flying.len() < AHEAD as usize {
            open(&self.road.way, &mut self.opening);
        }
    }

    fn launch(&mut self, body: Bytes) {
        let number = self.next;
        self.next += 1;
        self.last = Instant::now();
        self.unanswered.insert(number);
        self.flying.spawn(fly(self.road.clone(), self.idle.pop(), number, body));
    }
}

/// Begins to open a connection.
pub(super) fn open(way: &Way, opening: &mut Opening) {
    let way = way.clone();
    opening.spawn(async move {
        let overdue = |_| crate::dial::overdue(&way.gateway);
        timeout(limits::DIAL_TIMEOUT, HttpConnection::open(&way)).await.map_err(overdue)?
    });
}

/// One body of what waits and is queued behind it, and the phase that follows if a close is in it.
fn gather(
    waiting: &mut Option<Queued<Outgoing>>,
    outgoing: &mut queue::Receiver<Outgoing>,
) -> Result<(Bytes, Option<Phase>), LinkEnd> {
    let mut body = BytesMut::new();
    while let Some(queued) = waiting.take() {
        let record = match &queued.item {
            Outgoing::Frame(Frame::Text(text)) => Some(Record::Text(text.clone().into())),
            Outgoing::Frame(Frame::Binary(bytes)) => Some(Record::Binary(bytes.clone())),
            Outgoing::Close(code, reason) => Some(Record::Close(*code, Bytes::from_static(reason.as_bytes()))),
            Outgoing::Ping => None,
        };
        if let Some(record) = record {
            if record.size() > MAX_MESSAGE {
                return Err(LinkEnd::TooLarge(MAX_MESSAGE));
            }
            if body.len() + record.size() > MAX_BODY {
                *waiting = Some(queued);
                break;
            }
            record.put(&mut body);
        }
        if matches!(queued.item, Outgoing::Close(..)) {
            return Ok((body.freeze(), Some(Phase::Closing)));
        }
        *waiting = outgoing.try_recv();
    }
    Ok((body.freeze(), None))
}

/// Sends one POST until the gateway has taken it; gives the connection back that it went over.
async fn fly(
    road: Arc<Road>,
    mut connection: Option<HttpConnection>,
    number: u64,
    body: Bytes,
) -> (u64, Result<HttpConnection, LinkEnd>) {
    let mut trouble = String::new();
    for attempt in 0..TRIES {
        if attempt > 1 {
            sleep(PAUSE * attempt).await;
        }
        let mut over = match connection.take() {
            Some(connection) => connection,
            None => match timeout(limits::DIAL_TIMEOUT, HttpConnection::open(&road.way)).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(cause)) => {
                    trouble = cause.to_string();
                    continue;
                }
                Err(_) => return (number, Err(LinkEnd::Silent(limits::DIAL_TIMEOUT))),
            },
        };
        match over.exchange(road.head.post(number, body.clone())).await {
            Ok(status) if status.is_success() => return (number, Ok(over)),
            Ok(status) => match refused(status) {
                Some(end) => return (number, Err(end)),
                None => trouble = format!("the gateway answered a POST with {status}"),
            },
            Err(Unanswered::Broken(why)) => trouble = why,
            Err(Unanswered::Silent) => return (number, Err(LinkEnd::Silent(super::DEAD))),
        }
    }
    (number, Err(LinkEnd::Lost(trouble)))
}

/// What an answer that is no success means for the link; `None`: the POST may be sent again.
fn refused(status: StatusCode) -> Option<LinkEnd> {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => None,
        status if status.is_server_error() => None,
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Some(LinkEnd::Lost("the gateway no longer knows the connection".to_owned()))
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
            Some(LinkEnd::Protocol(format!("the gateway answered a POST with {status}")))
        }
        status => Some(LinkEnd::Lost(format!("the gateway answered a POST with {status}"))),
    }
}

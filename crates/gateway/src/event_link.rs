//! The HTTP side of links over SSE + POST: the GET whose answer is the event stream, and the POSTs that belong to it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use culvert_link::sse::{Accepted, EventStream, Intake, Rejected, accept};
use culvert_protocol::sse::{KEY_HEADER, MAX_BODY, NUMBER_HEADER, STREAM_TYPE};
use culvert_protocol::{Secret, text};
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use ring::digest::{SHA256, digest};
use tokio::time::timeout;

use crate::denial::Denial;
use crate::house::House;
use crate::reply::{self, Body};
use crate::rights::{Bearer, Subject};
use crate::server::Place;
use crate::session::Visitor;
use crate::{body, random, tunnel_link};

/// How long a client may take to read the rest of its stream once the link is over.
const DRAIN: Duration = Duration::from_secs(5);

/// Asks nginx, and whoever knows its header, to pass each piece of the stream on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The connections that are open, by the names that their POSTs use.
#[derive(Debug, Default)]
pub(crate) struct EventLinks {
    open: Mutex<HashMap<String, Open>>,
}

/// What a POST must know to belong to a connection.
#[derive(Debug)]
struct Open {
    key: [u8; 32],
    subject: Subject,
    intake: Arc<Intake>,
}

/// A connection's entry, given up when dropped.
struct Entered {
    house: Arc<House>,
    connection: String,
}

impl EventLinks {
    fn find(&self, connection: &str, key: &Secret, bearer: &Bearer) -> Option<Arc<Intake>> {
        // Hashes are compared, so how long that takes tells nothing about the key.
        let is_theirs = |open: &&Open| open.key == hash(key) && open.subject == *bearer.subject();
        self.open().get(connection).filter(is_theirs).map(|open| open.intake.clone())
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.house.event_links.open().remove(&self.connection);
    }
}

/// Opens a link; the answer is its event stream. The bearer may register something.
///
/// # Errors
/// [`Denial::Internal`] without randomness.
pub(crate) fn open(house: Arc<House>, place: Arc<Place>, visitor: Visitor) -> Result<Response<Body>, Denial> {
    let no_randomness = |error: getrandom::Error| Denial::Internal(error.to_string());
    let (connection, key) = (random::id().map_err(no_randomness)?, random::id().map_err(no_randomness)?);
    let key = Secret::new(key);
    let Accepted { sender, receiver, stream, intake, hung_up } = accept(&connection, &key);
    let open = Open { key: hash(&key), subject: visitor.bearer.subject().clone(), intake: intake.clone() };
    house.event_links.open().insert(connection.clone(), open);
    let entered = Entered { house: house.clone(), connection };
    house.clone().tasks.spawn(async move {
        // Done at once where the connection is handed to a session that goes on over it.
        tunnel_link::carry(house, sender, receiver, visitor).await;
        intake.ended().await;
        drop(entered);
        // A client that does not read would keep its connection, and what waits on it, for ever.
        if timeout(DRAIN, hung_up.cancelled()).await.is_err() {
            place.cut();
        }
    });
    let mut response = Response::new(StreamBody::new(unfold(stream, piece)).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(STREAM_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

async fn piece(mut stream: EventStream) -> Option<(Result<Frame<Bytes>, Infallible>, EventStream)> {
    let piece = stream.next().await?;
    Some((Ok(Frame::data(piece)), stream))
}

/// Takes a POST of the link `connection` in.
///
/// # Errors
/// [`Denial::UnknownConnection`], whether there is none, the key is not its own, or it is another's;
/// [`Denial::Numberless`]; those of a body; [`Denial::Body`] also when what is in it breaks the rules, which ends the
/// link.
pub(crate) async fn post(
    house: &House,
    request: Request<Incoming>,
    bearer: &Bearer,
    connection: &str,
) -> Result<Response<Body>, Denial> {
    let unknown = || Denial::UnknownConnection(text::clean(connection, 100));
    let (head, body) = request.into_parts();
    let key = single(&head.headers, KEY_HEADER).map(Secret::new).ok_or_else(unknown)?;
    let intake = house.event_links.find(connection, &key, bearer).ok_or_else(unknown)?;
    let number = single(&head.headers, NUMBER_HEADER).and_then(|number| number.parse().ok());
    let number = number.ok_or(Denial::Numberless)?;
    let heard = intake.clone();
    let body = body.map_frame(move |frame| {
        heard.hear();
        frame
    });
    let body = body::read(&head.headers, body, MAX_BODY, house.limits.slow_client).await?;
    match intake.take(number, body).await {
        Ok(()) => Ok(reply::empty(StatusCode::NO_CONTENT)),
        Err(Rejected::Over) => Err(unknown()),
        Err(Rejected::Violation(why)) => Err(Denial::Body(why)),
    }
}

/// The header's value if it is there exactly once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn hash(key: &Secret) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key.expose().as_bytes()).as_ref());
    hash
}

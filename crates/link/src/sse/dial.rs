//! Dialling a gateway over SSE + POST.

use culvert_protocol::address::Endpoint;
use culvert_protocol::sse::{Event, STREAM_TYPE};
use culvert_protocol::{Cause, GatewayAddress, limits, text};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::client::{Listening, carry};
use super::head::Head;
use super::http_connection::HttpConnection;
use super::posts::{self, Opening, Posts, Road};
use crate::carriage::Carriage;
use crate::dial::{Dialled, Dialler, Failed, Request, overdue};
use crate::{refusal, tls};

/// Bytes of a refusal that are read for its reason.
const MAX_REFUSAL: usize = 16 * 1024;

impl Dialler {
    /// Opens a link over SSE + POST. Only gateways of the channels dialect have such links.
    ///
    /// # Errors
    /// The [`Cause`], ready to be shown; [`Cause::NoSse`] where the gateway is no such gateway, or its event stream is
    /// held back.
    pub async fn dial_sse(&self, request: &Request<'_>) -> Result<Dialled, Cause> {
        let gateway = request.gateway;
        let dial = self.try_endpoints(request, |endpoint| self.try_sse(request, endpoint));
        let failed = match timeout(limits::DIAL_TIMEOUT, dial).await {
            Ok(Ok(dialled)) => return Ok(dialled),
            Ok(Err(failed)) => failed,
            Err(_) => return Err(overdue(gateway)),
        };
        Err(match failed {
            Failed::Before(cause) | Failed::Unanswered(cause) => cause,
            Failed::Refused(answer) => match refusal::cause(gateway, request.bearer(), &answer) {
                Cause::NoEndpoint { .. } | Cause::Upgrade { .. } => {
                    no_sse(gateway, format!("it answered {}", answer.status().as_u16()))
                }
                cause => cause,
            },
        })
    }

    async fn try_sse(&self, request: &Request<'_>, endpoint: Endpoint) -> Result<Dialled, Failed> {
        let gateway = request.gateway;
        let way = self.way(gateway).map_err(Failed::Before)?;
        let head = Head::new(request, endpoint).map_err(Failed::Before)?;
        let mut connection = HttpConnection::open(&way).await.map_err(Failed::Before)?;
        // While the gateway answers, the connection for POSTs comes about.
        let mut opening = Opening::new();
        posts::open(&way, &mut opening);
        let lost = |detail: String| Failed::Unanswered(Cause::LinkLost { detail });
        let answer = connection.ask(head.get()).await.map_err(|error| match tls::refused_identity(&error) {
            Some(detail) => Failed::Before(way.insecure(detail)),
            None => lost(error.to_string()),
        })?;
        let (parts, body) = answer.into_parts();
        if parts.status != StatusCode::OK {
            let words = Limited::new(body, MAX_REFUSAL).collect().await.map(|body| body.to_bytes().to_vec()).ok();
            return Err(Failed::Refused(Box::new(http::Response::from_parts(parts, words))));
        }
        let refused = |detail: &str| Failed::Unanswered(no_sse(gateway, detail.to_owned()));
        let content = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if !content.starts_with(STREAM_TYPE.as_bytes()) {
            return Err(refused("its answer is no event stream"));
        }
        let mut listening = Listening::new(body, connection);
        let opened = listening.next().await.map_err(|end| lost(end.to_string()))?;
        let Event::Open { connection, key } = opened else {
            return Err(refused("its event stream is not a link's"));
        };
        let Some(head) = head.posts(&connection, &key) else {
            return Err(refused("what it calls the connection cannot be used"));
        };
        let (sender, receiver) = carry(listening, Posts::new(Road { way, head }, opening));
        Ok(Dialled { sender, receiver, endpoint, carriage: Carriage::Sse })
    }
}

fn no_sse(gateway: &GatewayAddress, detail: String) -> Cause {
    Cause::NoSse { gateway: gateway.to_string(), detail: text::clean(&detail, 200) }
}

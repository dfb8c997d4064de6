//! One plain request to what a gateway has beside its link: its list of sessions, and the end of one.

use bytes::Bytes;
use culvert_protocol::address::Endpoint;
use culvert_protocol::cause::because;
use culvert_protocol::{Cause, GatewayAddress, Secret, limits};
use http::header::{ACCEPT, HOST, HeaderValue};
use http::{Method, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::dial::{Dialler, Request, overdue};
use crate::{refusal, tls};

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// What a gateway answered with, be it good or not.
pub type Answer = Response<Option<Vec<u8>>>;

impl Dialler {
    /// Asks for `path` below `/reverse-proxy` of the gateway; where nothing is there, below `/v1/reverse-proxy`.
    ///
    /// # Errors
    /// The [`Cause`] why no answer came; an answer that refuses is one.
    pub async fn ask(
        &self,
        gateway: &GatewayAddress,
        token: Option<&Secret>,
        method: Method,
        path: &str,
    ) -> Result<Answer, Cause> {
        let request = Request { gateway, endpoint: None, token, session_id: "", max_message: MAX_ANSWER };
        let both = async {
            let first = gateway.endpoint().unwrap_or(Endpoint::Plain);
            let answer = self.ask_at(&request, method.clone(), first, path).await?;
            if gateway.endpoint().is_some() || !refusal::may_have_moved(&answer) {
                return Ok(answer);
            }
            let second = self.ask_at(&request, method, Endpoint::V1, path).await?;
            // The place that says more is the one to believe: a 404 tells least.
            Ok(if second.status() == http::StatusCode::NOT_FOUND { answer } else { second })
        };
        timeout(limits::DIAL_TIMEOUT, both).await.unwrap_or_else(|_| Err(overdue(gateway)))
    }

    async fn ask_at(
        &self,
        request: &Request<'_>,
        method: Method,
        endpoint: Endpoint,
        path: &str,
    ) -> Result<Answer, Cause> {
        let gateway = request.gateway;
        let internal = |detail: String| Cause::Internal { detail };
        let lost = |detail: String| Cause::LinkLost { detail: format!("no HTTP answer{}", because(&detail)) };
        let v1 = if endpoint == Endpoint::V1 { "/v1" } else { "" };
        let url = gateway.http_url(&format!("{v1}/reverse-proxy{path}"));
        let uri: http::Uri = url.parse().map_err(|error| internal(format!("{url} makes no request: {error}")))?;
        let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let host = host.ok_or_else(|| internal(format!("{url} names no host")))?;
        let mut asked = http::Request::new(Full::<Bytes>::default());
        *asked.method_mut() = method;
        *asked.headers_mut() = request.headers()?;
        asked.headers_mut().remove("X-Session-ID");
        asked.headers_mut().insert(HOST, host);
        asked.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        *asked.uri_mut() = target.parse().map_err(|_| internal(format!("{url} makes no request")))?;
        let way = self.way(gateway)?;
        let stream = way.open().await?;
        let (mut requests, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(error.to_string()))?;
        let exchange = async {
            let answer = requests.send_request(asked).await.map_err(|error| match tls::refused_identity(&error) {
                Some(detail) => way.insecure(detail),
                None => lost(error.to_string()),
            })?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| lost(error.to_string()))?;
            Ok(Response::from_parts(head, Some(body.to_bytes().to_vec())))
        };
        tokio::pin!(exchange, connection);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            // Whatever ended the connection, the request tells it.
            _ = &mut connection => exchange.await,
        }
    }
}

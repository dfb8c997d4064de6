//! What each endpoint does, once the request is known to be for us and from somebody we know.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::audit;
use crate::backend::Caller;
use crate::clock::UnixTime;
use crate::denial::{Denial, Limit};
use crate::house::House;
use crate::hs256::MAX_TOKEN;
use crate::path::{self, Route, route};
use crate::reply::{self, Body};
use crate::rights::{Bearer, Narrower};
use crate::server::Place;
use crate::session::{Ending, Visitor};
use crate::shared::CallError;
use crate::watched_stream;
use crate::{body, event_link, ready, tokens, tunnel_link, websocket};
use culvert_link::Carriage;
use culvert_protocol::claims::Right;
use culvert_protocol::{Explain as _, text};
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::time::Instant;

/// The largest body of `POST /tokens`, in bytes.
const MAX_WISH: usize = 64 * 1024;

/// The answer to one request from `peer`. `place` is the connection's among all that are allowed at once.
pub(crate) async fn answer(
    house: Arc<House>,
    request: Request<Incoming>,
    peer: SocketAddr,
    place: Arc<Place>,
) -> Result<Response<Body>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let peer = house.proxies.origin(peer, request.headers());
    let response = Visit { house: house.clone(), peer, place }.serve(request).await.unwrap_or_else(|denial| {
        house.counts.denials.count(denial.code());
        // Neither query nor headers: both may hold a token that somebody put in the wrong place.
        tracing::debug!(%peer, %method, path = text::clean(&path, 200), why = text::clean(&denial.to_string(), 200), "denied");
        denial.into_response()
    });
    Ok(response)
}

/// By which of a server's endpoints an MCP client comes.
enum Door {
    /// Streamable HTTP.
    Mcp,
    /// The older transport's stream, with where to POST.
    Sse(String),
    /// What belongs to such a stream.
    Messages,
}

/// One request's visit.
struct Visit {
    house: Arc<House>,
    peer: SocketAddr,
    place: Arc<Place>,
}

impl Visit {
    async fn serve(self, request: Request<Incoming>) -> Result<Response<Body>, Denial> {
        self.house.hosts.check(&request)?;
        let route = route(request.uri().path(), &self.house.prefix).ok_or(Denial::Path)?;
        if matches!(route, Route::Health | Route::Ready) {
            takes(&request, &[Method::GET, Method::HEAD], "GET, HEAD")?;
            return Ok(match route {
                Route::Health => reply::json(StatusCode::OK, &json!({"status": "healthy"})),
                _ => ready::answer(&self.house),
            });
        }
        let bearer = self.house.trust.identify(request.headers(), UnixTime::now())?;
        let Some(audit) = self.house.audit.clone() else { return self.admitted(request, route, bearer).await };
        let (subject, server) = (bearer.subject().as_str().to_owned(), route.server().map(str::to_owned));
        let answered = self.admitted(request, route, bearer).await;
        answered.inspect_err(|denial| audit::denied(&audit, &subject, server.as_deref(), denial.code()))
    }

    /// A visit of somebody with a good token.
    async fn admitted(
        self,
        request: Request<Incoming>,
        route: Route,
        bearer: Bearer,
    ) -> Result<Response<Body>, Denial> {
        self.house.accounts.admit(bearer.subject(), &self.place.charge)?;
        match route {
            Route::Health | Route::Ready => Err(Denial::Path),
            Route::Link => {
                takes(&request, &[Method::GET], "GET")?;
                bearer.needs(Right::Tunnel)?;
                self.house.registry.room_for(bearer.subject())?;
                self.link(request, bearer)
            }
            Route::EventLink => {
                takes(&request, &[Method::GET], "GET")?;
                bearer.needs(Right::Tunnel)?;
                self.house.registry.room_for(bearer.subject())?;
                let visitor = self.visitor(&request, bearer, Carriage::Sse);
                event_link::open(self.house, self.place, visitor)
            }
            Route::EventLinkPost(connection) => {
                takes(&request, &[Method::POST], "POST")?;
                bearer.needs(Right::Tunnel)?;
                event_link::post(&self.house, request, &bearer, &connection).await
            }
            Route::Sessions => {
                takes(&request, &[Method::GET], "GET")?;
                bearer.needs(Right::Tunnel)?;
                let sessions = self.house.registry.sessions(&bearer, &self.house.base);
                Ok(reply::json(StatusCode::OK, &json!({"total": sessions.len(), "sessions": sessions})))
            }
            Route::Session(id) => {
                takes(&request, &[Method::DELETE], "DELETE")?;
                bearer.needs(Right::Tunnel)?;
                let session = self.house.registry.session(&bearer, &id)?;
                session.leash.end(Ending::Deleted);
                Ok(reply::json(StatusCode::OK, &json!({"status": "disconnected", "session_id": id})))
            }
            Route::SessionRequest(id) => {
                takes(&request, &[Method::POST], "POST")?;
                bearer.needs(Right::Call)?;
                self.session_request(request, &bearer, &id).await
            }
            Route::Servers => {
                takes(&request, &[Method::GET], "GET")?;
                let servers = self.house.registry.servers(&bearer, &self.house.base);
                Ok(reply::json(StatusCode::OK, &json!({"total": servers.len(), "servers": servers})))
            }
            Route::Server(server) => {
                takes(&request, &[Method::DELETE], "DELETE")?;
                bearer.needs(Right::Tunnel)?;
                let id = self.house.registry.forget(&bearer, &server)?;
                self.house.registry.written().await;
                tracing::info!(%id, by = %bearer.subject(), "server forgotten");
                Ok(reply::json(StatusCode::OK, &json!({"status": "forgotten", "id": id})))
            }
            Route::Mcp(server) => {
                bearer.needs(Right::Call)?;
                self.mcp(request, bearer, &server, Door::Mcp).await
            }
            Route::Sse(server) => {
                bearer.needs(Right::Call)?;
                let messages = path::messages(request.uri().path(), &self.house.prefix).ok_or(Denial::Path)?;
                self.mcp(request, bearer, &server, Door::Sse(messages)).await
            }
            Route::Messages(server) => {
                bearer.needs(Right::Call)?;
                self.mcp(request, bearer, &server, Door::Messages).await
            }
            Route::Tokens => {
                takes(&request, &[Method::POST], "POST")?;
                self.narrow(request, &bearer).await
            }
        }
    }

    fn caller(&self, bearer: &Bearer, server: &str) -> Caller {
        let server = self.house.audit.as_ref().map(|_| text::clean(server, 120).into());
        Caller { subject: bearer.subject().as_str().to_owned(), server }
    }

    fn visitor(&self, request: &Request<Incoming>, bearer: Bearer, carriage: Carriage) -> Visitor {
        Visitor { bearer, peer: self.peer, agent: websocket::agent(request.headers()), carriage }
    }

    fn link(self, mut request: Request<Incoming>, bearer: Bearer) -> Result<Response<Body>, Denial> {
        let response = websocket::accept(&request)?;
        let visitor = self.visitor(&request, bearer, Carriage::WebSocket);
        let upgrade = hyper::upgrade::on(&mut request);
        let Self { house, place, .. } = self;
        house.clone().tasks.spawn(async move {
            let _place = place;
            match upgrade.await {
                Ok(stream) => tunnel_link::run(house, TokioIo::new(stream), visitor).await,
                Err(error) => tracing::debug!(%error, "the connection broke during the upgrade"),
            }
        });
        Ok(response)
    }

    async fn session_request(
        &self,
        request: Request<Incoming>,
        bearer: &Bearer,
        id: &str,
    ) -> Result<Response<Body>, Denial> {
        let session = self.house.registry.session(bearer, id)?;
        let limits = &self.house.limits;
        let (head, body) = request.into_parts();
        if session.shared().is_full() {
            return Err(Denial::Limit(Limit::Calls));
        }
        let sending = self.house.accounts.sending(&self.place.charge);
        let body = body::read(&head.headers, sending.count(body), limits.max_message, limits.slow_client).await;
        sending.within()?;
        let body = body?;
        let text = std::str::from_utf8(&body).map_err(|_| Denial::Body("it is no UTF-8".to_owned()))?;
        let began = Instant::now();
        let relayed = session.shared().relay(text, limits.answer).await;
        self.house.front.relayed(&self.caller(bearer, id), text, &relayed, began.elapsed());
        match relayed {
            Ok(Some(answer)) => {
                session.shared().called(1);
                Ok(reply::json_text(StatusCode::OK, answer))
            }
            Ok(None) => Ok(reply::empty(StatusCode::ACCEPTED)),
            Err(CallError::Malformed(why)) => Err(Denial::Body(why.to_string())),
            Err(CallError::Timeout(after)) => Err(Denial::NoAnswer(after)),
            Err(CallError::Ended(why)) => Err(Denial::Ended { code: why.code(), why: why.message().to_owned() }),
            Err(CallError::Refused(why)) => Err(Denial::Ended { code: "link.lost", why }),
        }
    }

    async fn mcp(
        self,
        mut request: Request<Incoming>,
        bearer: Bearer,
        server: &str,
        door: Door,
    ) -> Result<Response<Body>, Denial> {
        let backend = self.house.registry.backend(&bearer, server, UnixTime::now())?;
        request.headers_mut().remove(AUTHORIZATION);
        let sending = self.house.accounts.sending(&self.place.charge);
        let request = request.map(|body| sending.count(body));
        let caller = self.caller(&bearer, server);
        let front = &self.house.front;
        let response = match door {
            Door::Mcp => front.handle(request, &backend, caller).await,
            Door::Sse(messages) => front.handle_sse(request, &messages, &backend, caller).await,
            Door::Messages => front.handle_message(request, &backend, caller).await,
        };
        sending.within()?;
        Ok(watched_stream::watch(response, self.house, bearer))
    }

    async fn narrow(&self, request: Request<Incoming>, bearer: &Bearer) -> Result<Response<Body>, Denial> {
        let none = || Denial::Body("this gateway runs without tokens".to_owned());
        let key = self.house.trust.signing_key().ok_or_else(none)?;
        let (head, body) = request.into_parts();
        let wish = body::read(&head.headers, body, MAX_WISH, self.house.limits.slow_client).await?;
        let wish: Narrower = match wish.is_empty() {
            true => Narrower::default(),
            false => serde_json::from_slice(&wish).map_err(|error| Denial::Body(error.to_string()))?,
        };
        let now = UnixTime::now();
        let fresh = tokens::fresh(now).map_err(|error| Denial::Internal(error.to_string()))?;
        let claims = bearer.narrowed(wish, fresh, now)?;
        let token = key.sign(&claims);
        if token.expose().len() > MAX_TOKEN {
            return Err(Denial::Body(format!("the token would have more than {MAX_TOKEN} bytes; name fewer servers")));
        }
        tracing::info!(subject = %bearer.subject(), id = claims.jti, "narrower token made");
        let ends = claims.exp.map(|exp| UnixTime(exp).rfc3339());
        let made = json!({
            "token": token.expose(), "id": claims.jti, "can": claims.can, "servers": claims.servers,
            "expires_at": ends,
        });
        Ok(reply::json(StatusCode::CREATED, &made))
    }
}

fn takes<B>(request: &Request<B>, methods: &[Method], listed: &'static str) -> Result<(), Denial> {
    if methods.contains(request.method()) { Ok(()) } else { Err(Denial::Method(listed)) }
}

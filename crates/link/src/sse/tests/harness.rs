//! A gateway with nothing but links, and a wire to it that can be cut.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use culvert_protocol::sse::{KEY_HEADER, MAX_BODY, NUMBER_HEADER};
use culvert_protocol::{Cause, GatewayAddress, Secret};
use futures_util::stream;
use http::{Method, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::sse::gateway::{Intake, Rejected, accept};
use crate::{Dialled, Dialler, FrameReceiver, FrameSender, Request};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The gateway's end of a link.
pub(super) type End = (FrameSender, FrameReceiver);

/// What a proxy does to a request.
pub(super) enum Fate {
    Passed,
    /// The gateway never sees it.
    Lost(StatusCode),
    /// The gateway takes it in, and its answer is lost.
    Unanswered(StatusCode),
}

/// Decides each request's fate, by its method and a count over all.
pub(super) type Proxy = Arc<dyn Fn(&Method, usize) -> Fate + Send + Sync>;

#[derive(Clone)]
struct House {
    intakes: Arc<Mutex<HashMap<String, Arc<Intake>>>>,
    links: mpsc::UnboundedSender<End>,
    proxy: Proxy,
    requests: Arc<Mutex<usize>>,
}

/// A gateway, and the address of a wire to it.
pub(super) struct Gateway {
    pub(super) url: GatewayAddress,
    links: mpsc::UnboundedReceiver<End>,
    /// Cuts every connection there is.
    cut: watch::Sender<u64>,
    /// How many bytes each new connection lets pass.
    allowance: watch::Sender<usize>,
}

impl Gateway {
    pub(super) async fn start() -> Self {
        Self::behind(Arc::new(|_, _| Fate::Passed)).await
    }

    /// One behind a proxy.
    pub(super) async fn behind(proxy: Proxy) -> Self {
        let (links, accepted) = mpsc::unbounded_channel();
        let house = House { intakes: Arc::default(), links, proxy, requests: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let house = house.clone();
                let service = service_fn(move |request| {
                    let house = house.clone();
                    async move { Ok::<_, Infallible>(house.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let (cut, _) = watch::channel(0);
        let (allowance, _) = watch::channel(usize::MAX);
        let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = GatewayAddress::parse(&format!("http://{}", wire.local_addr().unwrap())).unwrap();
        let (cutter, allowed) = (cut.clone(), allowance.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = wire.accept().await {
                tokio::spawn(pass(stream, address, cutter.subscribe(), *allowed.borrow()));
            }
        });
        Self { url, links: accepted, cut, allowance }
    }

    pub(super) async fn dial(&self) -> Result<Dialled, Cause> {
        let request = Request {
            gateway: &self.url,
            endpoint: None,
            token: Some(&Secret::new("token")),
            session_id: "s",
            max_message: 1 << 20,
        };
        Dialler::default().dial_sse(&request).await
    }

    /// Both ends of a fresh link.
    pub(super) async fn link(&mut self) -> (End, End) {
        loop {
            let Ok(dialled) = self.dial().await else { continue };
            // Earlier ones may have come to nothing at the client.
            let mut newest = self.links.recv().await.unwrap();
            while let Ok(link) = self.links.try_recv() {
                newest = link;
            }
            return (newest, (dialled.sender, dialled.receiver));
        }
    }

    pub(super) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// From now on each new connection breaks after so many bytes.
    pub(super) fn allow(&self, bytes: usize) {
        self.allowance.send_replace(bytes);
    }
}

impl House {
    async fn answer(&self, request: http::Request<Incoming>) -> Response<Body> {
        let count = {
            let mut requests = self.requests.lock().unwrap();
            *requests += 1;
            *requests
        };
        let fate = (self.proxy)(request.method(), count);
        if let Fate::Lost(status) = fate {
            return plain(status);
        }
        assert_eq!(request.headers()["authorization"], "Bearer token");
        if request.method() == Method::GET {
            assert_eq!(request.uri().path(), "/reverse-proxy/sse");
            let id = format!("c{count}");
            let accepted = accept(&id, &Secret::new(format!("key of {id}")));
            self.intakes.lock().unwrap().insert(id, accepted.intake);
            let _ = self.links.send((accepted.sender, accepted.receiver));
            let pieces = stream::unfold(accepted.stream, |mut stream| async move {
                let piece = stream.next().await?;
                Some((Ok(Frame::data(piece)), stream))
            });
            let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
            response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
            return response;
        }
        let id = request.uri().path().strip_prefix("/reverse-proxy/sse/").unwrap().to_owned();
        let intake = self.intakes.lock().unwrap()[&id].clone();
        let (head, body) = request.into_parts();
        assert_eq!(head.headers[KEY_HEADER], format!("key of {id}"));
        let number = head.headers[NUMBER_HEADER].to_str().unwrap().parse().unwrap();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else { return plain(StatusCode::BAD_REQUEST) };
        let status = match intake.take(number, body.to_bytes()).await {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(Rejected::Over) => StatusCode::GONE,
            Err(Rejected::Violation(_)) => StatusCode::BAD_REQUEST,
        };
        match fate {
            Fate::Unanswered(status) => plain(status),
            _ => plain(status),
        }
    }
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// One connection of the wire.
async fn pass(mut near: TcpStream, to: SocketAddr, mut cut: watch::Receiver<u64>, mut allowed: usize) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    let (mut up, mut down) = (vec![0; 4096], vec![0; 4096]);
    cut.mark_unchanged();
    while allowed > 0 {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        tokio::select! {
            read = near.read(&mut up) => {
                let count = read.unwrap_or(0).min(allowed);
                if count == 0 || far.write_all(&up[..count]).await.is_err() { return }
                allowed -= count;
            }
            read = far.read(&mut down) => {
                let count = read.unwrap_or(0).min(allowed);
                if count == 0 || near.write_all(&down[..count]).await.is_err() { return }
                allowed -= count;
            }
            _ = cut.changed() => return,
        }
    }
}

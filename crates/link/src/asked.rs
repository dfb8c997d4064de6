//! A small listener in plain HTTP, at which machines ask how a process is: whether it lives, whether it works, and its
//! figures. It knows no answers, and no more of HTTP than it takes to give them.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use culvert_protocol::Secret;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections that are served at once; more wait.
const CONNECTIONS: usize = 64;

/// How long one connection may last.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a request's head may take to come in.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// The content type of what Prometheus asks for.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens, and does not answer yet.
#[derive(Debug)]
pub struct Asked {
    listener: TcpListener,
    address: SocketAddr,
}

impl Asked {
    /// Begins to listen; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives these answers for as long as it is polled: up to 64 connections at once, each for a minute at most.
    pub async fn serve<B>(
        self,
        answer: impl Fn(&Request<Incoming>) -> Response<B> + Send + Sync + 'static,
    ) -> Infallible
    where
        B: Body<Data: Buf + Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let (answer, places) = (Arc::new(answer), Arc::new(Semaphore::new(CONNECTIONS)));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let place = places.clone().acquire_owned().await;
            let Ok((stream, _)) = self.listener.accept().await else {
                // No descriptor left, most likely.
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let answer = answer.clone();
            connections.spawn(async move {
                let _place = place;
                let service = service_fn(move |request| {
                    let response = answer(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
                let _ = timeout(PATIENCE, http.serve_connection(TokioIo::new(stream), service)).await;
            });
        }
    }
}

/// Whether whoever asks shows this bearer.
pub fn shows(headers: &HeaderMap, bearer: &Secret) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| bearer.is(given))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn one_that_says_nothing_keeps_nobody_from_being_answered() {
        let asked = Asked::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = asked.address();
        let serving = tokio::spawn(asked.serve(|request| {
            let path = request.uri().path().to_owned();
            Response::new(Full::new(Bytes::from(path)))
        }));
        let silent = TcpStream::connect(address).await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n/here"), "{answer}");
        drop(silent);
        serving.abort();
    }

    #[test]
    fn only_the_bearer_itself_counts() {
        let shown = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
            shows(&headers, &Secret::new("b"))
        };
        assert!(shown("Bearer b"));
        assert!(!shown("Bearer c") && !shown("b") && !shown("Basic b") && !shows(&HeaderMap::new(), &Secret::new("b")));
    }
}

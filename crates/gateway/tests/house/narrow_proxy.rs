//! A proxy in front of a gateway that knows no WebSocket, until it learns.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use culvert_protocol::GatewayAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::gateway::PATIENCE;

/// What it does to an upgrade.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Answers with this and no words of a gateway.
    Answers(&'static str),
    /// Closes the connection.
    Drops,
    /// Passes it on.
    Passes,
}

pub(crate) struct NarrowProxy {
    pub(crate) url: GatewayAddress,
    manner: Arc<Mutex<Manner>>,
    cut: watch::Sender<u64>,
    /// The request lines that came, each connection's first.
    seen: Arc<Mutex<Vec<String>>>,
}

impl NarrowProxy {
    pub(crate) async fn before(gateway: SocketAddr, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = GatewayAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (cut, _) = watch::channel(0);
        let proxy = Self { url, manner: Arc::new(Mutex::new(manner)), cut, seen: Arc::default() };
        let (manner, cut, seen) = (proxy.manner.clone(), proxy.cut.clone(), proxy.seen.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (manner, seen, mut cut) = (manner.clone(), seen.clone(), cut.subscribe());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(near, gateway, &manner, &seen) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        proxy
    }

    pub(crate) fn become_one_that(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Waits until so many connections began with a request to a path that ends so.
    pub(crate) async fn sees(&self, path: &str, connections: usize) {
        let poll = async {
            while self.count(path) < connections {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("{:?}", self.seen.lock().unwrap()));
    }

    /// How many connections began with a request to a path that ends so.
    pub(crate) fn count(&self, path: &str) -> usize {
        let path = format!("{path} HTTP/1.1");
        self.seen.lock().unwrap().iter().filter(|line| line.ends_with(&path)).count()
    }
}

async fn pass(mut near: TcpStream, to: SocketAddr, manner: &Mutex<Manner>, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if near.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    seen.lock().unwrap().push(line);
    if text.contains("upgrade: websocket") {
        let manner = *manner.lock().unwrap();
        match manner {
            Manner::Answers(status) => {
                let body = "<html>not here</html>";
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = near.write_all(answer.as_bytes()).await;
                return;
            }
            Manner::Drops => return,
            Manner::Passes => {}
        }
    }
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    if far.write_all(&head).await.is_ok() {
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}

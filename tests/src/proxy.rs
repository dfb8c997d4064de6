//! An HTTP proxy that asks who comes, and remembers whom it led where.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The proxy; it ends with the test.
#[derive(Debug)]
pub struct AskingProxy {
    /// Where it listens.
    pub address: SocketAddr,
    led: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for AskingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AskingProxy {
    /// One that lets only this user with this password through.
    pub async fn start(user: &str, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let led = Arc::<Mutex<Vec<String>>>::default();
        let remembers = led.clone();
        let wanted = format!("\r\nProxy-Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead(client, wanted.clone(), remembers.clone()));
            }
        });
        Self { address, led, task }
    }

    /// Hosts and ports that it led to, one for each connection.
    pub fn led(&self) -> Vec<String> {
        self.led.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn lead(mut client: TcpStream, wanted: String, led: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    if !head.contains(&wanted) {
        let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
        return;
    }
    let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else { return };
    // Names that only the proxy can know are this machine.
    let (name, port) = target.split_once(':').unwrap_or((target, "443"));
    let host = if name.ends_with(".example") { "127.0.0.1" } else { name };
    let Ok(mut gateway) = TcpStream::connect(format!("{host}:{port}")).await else { return };
    led.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
    let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    let _ = copy_bidirectional(&mut client, &mut gateway).await;
}

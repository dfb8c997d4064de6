//! One connection through the cutter, from its beginning to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Shared;
use super::plan::{Fault, Swallowed};

/// As much of what a client says is kept, to be said again.
const KEPT: usize = 16 * 1024;

/// How long a connection on which everything was said again stays open.
const AGAIN: Duration = Duration::from_millis(500);

/// How long a gateway may take to say something to a piece that is said again, before the next one is.
const TURN: Duration = Duration::from_millis(50);

/// How far a stretch of carrying came.
enum Carried {
    Enough,
    Frozen,
    /// It is to be said again now.
    Again,
    Over,
}

/// A client's connection, and the one to the gateway that belongs to it.
struct Connection {
    client: TcpStream,
    gateway: TcpStream,
    frozen: watch::Receiver<usize>,
    repeat: watch::Receiver<usize>,
    /// What the client has said, piece by piece as it came, while that can be said again.
    said: Option<Vec<Vec<u8>>>,
}

/// Carries a connection until it ends or the plan ends it.
pub(super) async fn carry_to(target: SocketAddr, client: TcpStream, shared: &Arc<Shared>) {
    let (mut frozen, mut repeat) = (shared.frozen.subscribe(), shared.repeat.subscribe());
    frozen.mark_unchanged();
    repeat.mark_unchanged();
    // A gateway that is down refuses; so does this, by hanging up.
    let Ok(gateway) = TcpStream::connect(target).await else { return };
    let _ = client.set_nodelay(true);
    let _ = gateway.set_nodelay(true);
    let mut connection = Connection { client, gateway, frozen, repeat, said: Some(Vec::new()) };
    if let Some(bytes) = shared.next_end() {
        return connection.carry_up_to(bytes).await;
    }
    loop {
        let after = shared.fate().after();
        match connection.carry_on(after, None, shared).await {
            Carried::Over => return,
            Carried::Frozen => return connection.swallow(Swallowed::Both).await,
            Carried::Again => {
                connection.say_again(target, shared);
                continue;
            }
            Carried::Enough => {}
        }
        let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
        let fault = shared.fate().fault();
        match fault {
            Fault::Close => {
                count(&shared.cuts);
                return;
            }
            Fault::Reset => {
                count(&shared.cuts);
                let _ = connection.client.set_zero_linger();
                let _ = connection.gateway.set_zero_linger();
                return;
            }
            Fault::Pause(how_long) => {
                count(&shared.pauses);
                tokio::time::sleep(how_long).await;
            }
            Fault::HalfOpen(swallowed) => {
                count(&shared.half_open);
                return connection.swallow(swallowed).await;
            }
            Fault::OneByOne(bytes, pause) => {
                count(&shared.one_by_one);
                match connection.carry_on(bytes, Some(pause), shared).await {
                    Carried::Over => return,
                    Carried::Frozen => return connection.swallow(Swallowed::Both).await,
                    Carried::Again => connection.say_again(target, shared),
                    Carried::Enough => {}
                }
            }
            Fault::Again => connection.say_again(target, shared),
        }
    }
}

impl Connection {
    /// Carries so many bytes, one by one with a pause after each if one is given; the last read may be cut in two, and
    /// its rest is lost where the fault loses bytes.
    async fn carry_on(&mut self, bytes: usize, one_by_one: Option<Duration>, shared: &Shared) -> Carried {
        let (mut from_client, mut from_gateway) = (vec![0; 4096], vec![0; 4096]);
        let mut left = bytes;
        while left > 0 || (shared.is_calm() && one_by_one.is_none()) {
            let most = match one_by_one {
                Some(_) if !shared.is_calm() => 1,
                _ if shared.is_calm() => 4096,
                _ => left.min(4096),
            };
            let (read, source, onwards, is_said) = tokio::select! {
                read = self.client.read(&mut from_client[..most]) => (read, &from_client, &mut self.gateway, true),
                read = self.gateway.read(&mut from_gateway[..most]) => (read, &from_gateway, &mut self.client, false),
                _ = self.frozen.changed() => return Carried::Frozen,
                _ = self.repeat.changed() => return Carried::Again,
            };
            let Some(count) = read.ok().filter(|count| *count > 0) else { return Carried::Over };
            if is_said {
                let is_room = |said: &Vec<Vec<u8>>| said.iter().map(Vec::len).sum::<usize>() + count <= KEPT;
                self.said = self.said.take().filter(is_room);
                if let Some(said) = &mut self.said {
                    said.push(source[..count].to_vec());
                }
            }
            if onwards.write_all(&source[..count]).await.is_err() {
                return Carried::Over;
            }
            left = left.saturating_sub(count);
            if let Some(pause) = one_by_one.filter(|pause| !pause.is_zero()) {
                tokio::time::sleep(pause).await;
            }
        }
        Carried::Enough
    }

    /// Carries so many bytes, both directions together, and no more.
    async fn carry_up_to(&mut self, bytes: usize) {
        let (mut buffer, mut left) = ([0; 4096], bytes);
        while left > 0 {
            let most = left.min(buffer.len() / 2);
            let (from_client, from_gateway) = buffer.split_at_mut(2048);
            let (read, source, onwards) = tokio::select! {
                read = self.client.read(&mut from_client[..most]) => (read, from_client, &mut self.gateway),
                read = self.gateway.read(&mut from_gateway[..most]) => (read, from_gateway, &mut self.client),
            };
            let Some(count) = read.ok().filter(|count| *count > 0) else { return };
            if onwards.write_all(&source[..count]).await.is_err() {
                return;
            }
            left -= count;
        }
    }

    /// Has what the client has said so far said once more, on a connection of its own.
    fn say_again(&self, target: SocketAddr, shared: &Arc<Shared>) {
        let Some(said) = self.said.clone().filter(|said| !said.is_empty()) else { return };
        shared.again.fetch_add(1, Ordering::Relaxed);
        let shared = shared.clone();
        tokio::spawn(async move {
            say_again(target, said).await;
            shared.repeated.send_modify(|times| *times += 1);
        });
    }

    /// Keeps the connection standing. Each direction is swallowed or goes on; the end of one that is swallowed is not
    /// told to the other side.
    async fn swallow(self, swallowed: Swallowed) {
        let (client_read, client_write) = self.client.into_split();
        let (gateway_read, gateway_write) = self.gateway.into_split();
        tokio::join!(
            go_on(client_read, gateway_write, swallowed.takes_the_clients()),
            go_on(gateway_read, client_write, swallowed.takes_the_gateways()),
        );
    }
}

async fn go_on(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, is_swallowed: bool) {
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !is_swallowed && to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    if is_swallowed {
        // Whatever `to` leads to learns nothing until it ends the connection itself, or the test ends.
        std::future::pending::<()>().await;
    }
    let _ = to.shutdown().await;
}

/// Says it to the gateway and lets its answers go. Each piece waits for what the gateway says to the one before: told
/// all at once, a client's answers would come before the questions, and be nothing to the gateway.
async fn say_again(target: SocketAddr, said: Vec<Vec<u8>>) {
    let Ok(mut gateway) = TcpStream::connect(target).await else { return };
    let mut buffer = vec![0; 4096];
    for piece in said {
        if gateway.write_all(&piece).await.is_err() {
            return;
        }
        if let Ok(Ok(0) | Err(_)) = timeout(TURN, gateway.read(&mut buffer)).await {
            return;
        }
    }
    let listened = async { while let Ok(1..) = gateway.read(&mut buffer).await {} };
    let _ = timeout(AGAIN, listened).await;
}

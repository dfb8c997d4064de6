//! A TCP proxy whose connections go wrong, after a number of bytes that its seed decides: they close, reset, hold their
//! bytes back for a while, or swallow them and stay.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much a connection carries at least before something happens to it: enough for a handshake.
const LEAST: usize = 3_000;

/// Which bytes a half-open connection swallows. An end that it still hears from, it also sees close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swallowed {
    /// What the client says.
    ToGateway,
    /// What the gateway says.
    ToClient,
    /// Everything.
    Both,
}

impl Swallowed {
    fn takes_the_clients(self) -> bool {
        self != Self::ToClient
    }

    fn takes_the_gateways(self) -> bool {
        self != Self::ToGateway
    }
}

/// What is to go wrong.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides when what happens to whom.
    pub seed: u64,
    /// The most bytes that a connection carries before something happens to it, both directions together.
    pub longest: usize,
    /// How long bytes may be held back, in milliseconds. Empty: never.
    pub pauses: Range<u64>,
    /// The connections to leave half-open, each once, early on and at times that the seed decides.
    pub half_open: Vec<Swallowed>,
}

impl Plan {
    /// Connections that close and reset, and nothing else.
    pub fn breaks(seed: u64, longest: usize) -> Self {
        Self { seed, longest, pauses: 0..0, half_open: vec![] }
    }
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Close,
    Reset,
    Pause(Duration),
    HalfOpen(Swallowed),
}

/// The plan as far as it is carried out.
#[derive(Debug)]
struct Fate {
    plan: Plan,
    random: fastrand::Rng,
    /// How much else goes wrong before the next connection is left half-open.
    before: usize,
}

impl Fate {
    fn new(plan: Plan) -> Self {
        let mut random = fastrand::Rng::with_seed(plan.seed);
        let before = random.usize(0..5);
        Self { plan, random, before }
    }

    /// After how many bytes something happens.
    fn after(&mut self) -> usize {
        self.random.usize(LEAST..self.plan.longest)
    }

    /// What happens.
    fn fault(&mut self) -> Fault {
        if !self.plan.half_open.is_empty() && self.before == 0 {
            self.before = self.random.usize(0..5);
            return Fault::HalfOpen(self.plan.half_open.remove(0));
        }
        self.before = self.before.saturating_sub(1);
        let pauses = self.plan.pauses.clone();
        match self.random.u8(0..3) {
            0 if !pauses.is_empty() => Fault::Pause(Duration::from_millis(self.random.u64(pauses))),
            1 => Fault::Close,
            _ => Fault::Reset,
        }
    }
}

/// The proxy; it ends with the test.
#[derive(Debug)]
pub struct Cutter {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    fate: Mutex<Fate>,
    cuts: AtomicUsize,
    pauses: AtomicUsize,
    half_open: AtomicUsize,
    calm: AtomicBool,
    blocked: watch::Sender<bool>,
}

impl Shared {
    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }
}

impl Cutter {
    /// Starts one in front of this address, which passes everything on until [`begin`](Self::begin).
    pub async fn before(target: SocketAddr, plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared {
            fate: Mutex::new(Fate::new(plan)),
            cuts: AtomicUsize::new(0),
            pauses: AtomicUsize::new(0),
            half_open: AtomicUsize::new(0),
            calm: AtomicBool::new(true),
            blocked: watch::Sender::new(false),
        });
        let cutting = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = cutting.clone();
                tokio::spawn(async move {
                    let mut blocked = shared.blocked.subscribe();
                    tokio::select! {
                        biased;
                        _ = blocked.wait_for(|blocked| *blocked) => {}
                        () = carry_to(target, client, &shared) => {}
                    }
                });
            }
        });
        Self { address, shared, accepting }
    }

    /// The base URL to give to a client.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were broken.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// How often bytes were held back.
    pub fn pauses(&self) -> usize {
        self.shared.pauses.load(Ordering::Relaxed)
    }

    /// How many connections were left half-open.
    pub fn half_open(&self) -> usize {
        self.shared.half_open.load(Ordering::Relaxed)
    }

    /// Ends all connections, and each new one at once, until [`unblock`](Self::unblock).
    pub fn block(&self) {
        self.shared.blocked.send_replace(true);
    }

    /// Lets connections through again.
    pub fn unblock(&self) {
        self.shared.blocked.send_replace(false);
    }

    /// Lets things go wrong from now on, on connections that are there already too.
    pub fn begin(&self) {
        self.shared.calm.store(false, Ordering::Relaxed);
    }

    /// Lets nothing more go wrong.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry_to(target: SocketAddr, mut client: TcpStream, shared: &Shared) {
    // A gateway that is down refuses; so does this, by hanging up.
    let Ok(mut gateway) = TcpStream::connect(target).await else { return };
    let _ = client.set_nodelay(true);
    let _ = gateway.set_nodelay(true);
    loop {
        let after = shared.fate().after();
        if carry_on(&mut client, &mut gateway, after, shared).await.is_none() {
            return;
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
                let _ = client.set_zero_linger();
                let _ = gateway.set_zero_linger();
                return;
            }
            Fault::Pause(how_long) => {
                count(&shared.pauses);
                tokio::time::sleep(how_long).await;
            }
            Fault::HalfOpen(swallowed) => {
                count(&shared.half_open);
                return swallow(client, gateway, swallowed).await;
            }
        }
    }
}

/// Carries so many bytes; the last read may be cut in two, and its rest is lost where the fault loses bytes. `None`: the
/// connection is over.
async fn carry_on(client: &mut TcpStream, gateway: &mut TcpStream, after: usize, shared: &Shared) -> Option<()> {
    let (mut from_client, mut from_gateway) = (vec![0; 4096], vec![0; 4096]);
    let mut left = after;
    while left > 0 || shared.is_calm() {
        let most = if shared.is_calm() { 4096 } else { left.min(4096) };
        let (read, source, onwards) = tokio::select! {
            read = client.read(&mut from_client[..most]) => (read, &from_client, &mut *gateway),
            read = gateway.read(&mut from_gateway[..most]) => (read, &from_gateway, &mut *client),
        };
        let count = read.ok().filter(|count| *count > 0)?;
        onwards.write_all(&source[..count]).await.ok()?;
        left = left.saturating_sub(count);
    }
    Some(())
}

/// Keeps the connection standing. Each direction is swallowed or goes on; the end of one that is swallowed is not told
/// to the other side.
async fn swallow(client: TcpStream, gateway: TcpStream, swallowed: Swallowed) {
    let (client_read, client_write) = client.into_split();
    let (gateway_read, gateway_write) = gateway.into_split();
    tokio::join!(
        go_on(client_read, gateway_write, swallowed.takes_the_clients()),
        go_on(gateway_read, client_write, swallowed.takes_the_gateways()),
    );
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

//! A TCP proxy that breaks its connections: after a number of bytes that its seed decides, by a close or by a reset.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The proxy; it ends with the test.
#[derive(Debug)]
pub struct Cutter {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    cuts: AtomicUsize,
    calm: AtomicBool,
}

impl Cutter {
    /// Starts one in front of this address. Connections carry from 3 kB to `longest` bytes, both directions together.
    pub async fn before(target: SocketAddr, seed: u64, longest: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let shared = Arc::new(Shared { cuts: AtomicUsize::new(0), calm: AtomicBool::new(false) });
        let cutting = shared.clone();
        let accepting = tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            while let Ok((client, _)) = listener.accept().await {
                let (budget, abrupt) = (random.usize(3_000..longest), random.bool());
                tokio::spawn(carry(client, target, budget, abrupt, cutting.clone()));
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

    /// Breaks nothing more.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, mut budget: usize, abrupt: bool, shared: Arc<Shared>) {
    let Ok(mut gateway) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut from_gateway) = (vec![0; 4096], vec![0; 4096]);
    loop {
        let (read, source, onwards) = tokio::select! {
            read = client.read(&mut from_client) => (read, &from_client, &mut gateway),
            read = gateway.read(&mut from_gateway) => (read, &from_gateway, &mut client),
        };
        let Ok(count @ 1..) = read else { return };
        let passed = if shared.calm.load(Ordering::Relaxed) { count } else { count.min(budget) };
        if onwards.write_all(&source[..passed]).await.is_err() {
            return;
        }
        budget = budget.saturating_sub(passed);
        if budget == 0 && !shared.calm.load(Ordering::Relaxed) {
            shared.cuts.fetch_add(1, Ordering::Relaxed);
            if abrupt {
                let _ = client.set_zero_linger();
                let _ = gateway.set_zero_linger();
            }
            return;
        }
    }
}

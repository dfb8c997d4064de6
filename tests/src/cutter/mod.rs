//! A TCP proxy whose connections go wrong, after a number of bytes that its seed decides: they close, reset, hold their
//! bytes back for a while, let them through one by one, swallow them and stay, or say them twice.

mod carry;
mod plan;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::carry::carry_to;
use self::plan::Fate;
pub use self::plan::{Plan, Swallowed, Trick};
use crate::watched::PATIENCE;

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
    one_by_one: AtomicUsize,
    again: AtomicUsize,
    calm: AtomicBool,
    blocked: watch::Sender<bool>,
    /// After how many bytes the next connections end, one each.
    ends: Mutex<VecDeque<usize>>,
    /// How often everything was left half-open.
    frozen: watch::Sender<usize>,
    /// How often all was to be said again at once.
    repeat: watch::Sender<usize>,
    /// How often something was said again to its end.
    repeated: watch::Sender<usize>,
}

impl Shared {
    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_end(&self) -> Option<usize> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
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
            one_by_one: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
            calm: AtomicBool::new(true),
            blocked: watch::Sender::new(false),
            ends: Mutex::default(),
            frozen: watch::Sender::new(0),
            repeat: watch::Sender::new(0),
            repeated: watch::Sender::new(0),
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

    /// How often bytes went through one by one for a while.
    pub fn one_by_one(&self) -> usize {
        self.shared.one_by_one.load(Ordering::Relaxed)
    }

    /// How often a client's words were said to the gateway once more.
    pub fn again(&self) -> usize {
        self.shared.again.load(Ordering::Relaxed)
    }

    /// How often anything was done to a connection.
    pub fn mishaps(&self) -> usize {
        self.cuts() + self.pauses() + self.half_open() + self.one_by_one() + self.again()
    }

    /// Ends the next connection that has no such end yet after so many bytes, both directions together.
    pub fn end_next_after(&self, bytes: usize) {
        self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner).push_back(bytes);
    }

    /// Leaves all connections that there are half-open: they stand, and nothing passes. New ones work.
    pub fn freeze(&self) {
        self.shared.frozen.send_modify(|times| *times += 1);
    }

    /// Says to the gateway once more what the clients of all connections that there are have said, each on a connection
    /// of its own whose answers nobody reads; those that have said much are left out. Waits until each is over.
    ///
    /// # Panics
    /// When there is none that could be said again.
    pub async fn say_again(&self) {
        let mut repeated = self.shared.repeated.subscribe();
        let (before, over) = (self.again(), *repeated.borrow_and_update());
        self.shared.repeat.send_modify(|times| *times += 1);
        let all = async {
            while self.again() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // All connections hear of it at the same moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let begun = self.again() - before;
            let _ = repeated.wait_for(|times| *times >= over + begun).await;
        };
        tokio::time::timeout(PATIENCE, all).await.expect("something is said again");
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

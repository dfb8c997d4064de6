//! All interleavings of the one place where threads share memory without a lock, gone through by loom.

#[path = "../../crates/tunnel/src/pulse/beacon.rs"]
mod beacon;

use loom::sync::{Arc, Notify};
use loom::thread;

use self::beacon::Beacon;

/// Where `beacon` takes its atomics from.
mod atomic {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
}

/// Loom itself fails where the waiting thread is never woken.
#[test]
fn whoever_waits_for_an_answer_is_woken_however_threads_interleave() {
    loom::model(|| {
        let pulse = Arc::new((Beacon::new(), Notify::new()));
        let server = pulse.clone();
        let answers = thread::spawn(move || {
            for time in [3, 5] {
                if server.0.beat(time) {
                    server.1.notify();
                }
            }
        });
        let (beacon, beaten) = &*pulse;
        beacon.await_next();
        while beacon.last().is_none_or(|last| last < 5) {
            beaten.wait();
        }
        beacon.leave();
        answers.join().expect("it answers");
        assert!(!beacon.beat(9), "nobody waits any more");
    });
}

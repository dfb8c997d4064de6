//! What happens to children and to the gateway while calls run.

use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use super::house::{House, Tunnel};

/// How long a child is stopped.
const STOPPED: Duration = Duration::from_millis(700);

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishaps {
    /// Children are killed and stopped.
    Children,
    /// The same, and the gateway is killed once.
    ChildrenAndGateway,
}

/// Lets things happen until it is dropped; each is counted.
pub(super) async fn happen(house: &House, what: Mishaps, mut random: Rng, count: &std::cell::Cell<usize>) {
    let mut gateway_after = (what == Mishaps::ChildrenAndGateway).then(|| random.u32(1..6));
    loop {
        sleep(Duration::from_millis(random.u64(100..700))).await;
        count.set(count.get() + 1);
        if let Some(left) = &mut gateway_after {
            *left -= 1;
            if *left == 0 {
                house.restart_gateway().await;
                gateway_after = None;
                continue;
            }
        }
        let tunnel = &house.tunnels[random.usize(..house.tunnels.len())];
        let Some(child) = any_child(tunnel, &mut random) else { continue };
        if random.bool() {
            // It may have ended by itself meanwhile, here and below.
            let _ = kill(child, Signal::SIGKILL);
        } else {
            let _ = kill(child, Signal::SIGSTOP);
            sleep(STOPPED).await;
            let _ = kill(child, Signal::SIGCONT);
        }
    }
}

fn any_child(tunnel: &Tunnel, random: &mut Rng) -> Option<Pid> {
    let children = tunnel.culvert.servers();
    (!children.is_empty()).then(|| Pid::from_raw(children[random.usize(..children.len())].pid))
}

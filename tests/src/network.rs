//! A network namespace with nothing but its loopback: what happens in it happens to nobody else.

use crate::culvert::{Culvert, CulvertCommand};

/// A namespace; it goes when its last process does.
#[derive(Debug)]
pub struct Network {
    holder: Culvert,
}

impl Network {
    /// A new one. `None`, and a word about it, where namespaces cannot be had: one must be root, or allowed to have users of
    /// one's own.
    pub async fn new() -> Option<Self> {
        let script = "ip link set lo up && echo '{\"event\":\"up\"}' && exec sleep 1000";
        let holder = CulvertCommand::program("unshare")
            .args(["--net", "--map-root-user", "sh", "-c", script])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .start();
        for _ in 0..500 {
            if holder.out_len() > 0 {
                return Some(Self { holder });
            }
            if holder.has_ended() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        eprintln!("SKIPPED: no network namespace can be had here: {}", holder.words());
        None
    }

    /// Has a command run in it.
    #[must_use]
    pub fn enter(&self, command: CulvertCommand) -> CulvertCommand {
        let pid = self.holder.pid().to_string();
        command.through(&["nsenter", "--target", &pid, "--user", "--preserve-credentials", "--net"])
    }

    /// Runs a line of shell in it.
    ///
    /// # Panics
    /// When it fails.
    pub async fn run(&self, line: &str) {
        let shell = CulvertCommand::program("sh").args(["-c", line]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let done = self.enter(shell).finish().await;
        assert_eq!(done.code, Some(0), "{line}: {done:#?}");
    }
}

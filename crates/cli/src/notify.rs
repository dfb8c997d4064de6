//! What a service runner hears of us: systemd's protocol, a word a datagram to the socket that `$NOTIFY_SOCKET` names.
//! Without one nobody is told anything. No word waits, and none that is lost holds anything up.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use culvert_tunnel::Status;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// The way to whoever started us as a service.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: Option<Socket>,
    watchdog: Option<Duration>,
    /// Whether what we are there for has begun.
    has_begun: Cell<bool>,
}

impl Notify {
    /// As this process's environment says.
    pub(crate) fn of_this_process() -> Self {
        Self::new(|name| std::env::var(name).ok(), std::process::id())
    }

    fn new(variable: impl Fn(&str) -> Option<String>, own_pid: u32) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| Socket::to(&name));
        // The watchdog may have been meant for whoever started us.
        let is_ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == own_pid.to_string());
        let limit = variable("WATCHDOG_USEC").and_then(|text| text.parse().ok()).filter(|limit| is_ours && *limit > 0);
        Self { socket, watchdog: limit.map(Duration::from_micros), has_begun: Cell::new(false) }
    }

    /// What we are there for has begun.
    pub(crate) fn ready(&self) {
        self.has_begun.set(true);
        self.tell("READY=1");
    }

    /// The configuration is being read again. The time lets the runner tell this reload from an earlier one, as
    /// sd_notify(3) asks for.
    pub(crate) fn reloading(&self) {
        if let (true, Some(now)) = (self.has_begun.get(), monotonic()) {
            self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
        }
    }

    /// It was read again.
    pub(crate) fn reloaded(&self) {
        // Before that, it would say that we have begun.
        if self.has_begun.get() {
            self.tell("READY=1");
        }
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Shows that the runtime turns, twice in the time that the watchdog allows, for as long as this is polled.
    pub(crate) async fn keep_watch(&self) -> Infallible {
        let Some(limit) = self.watchdog else { return std::future::pending().await };
        let mut beat = interval((limit / 2).max(Duration::from_millis(1)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, word: &str) {
        if let Some(socket) = &self.socket {
            socket.send(word);
        }
    }
}

/// The time on the clock that the service runner looks at as well.
#[cfg(unix)]
fn monotonic() -> Option<Duration> {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).ok().map(Duration::from)
}

#[cfg(not(unix))]
fn monotonic() -> Option<Duration> {
    None
}

/// Completes when tunnels are up as far as they come by themselves: the only one is online; of several each was tried
/// once, for one that is down must not keep the others from counting.
pub(crate) async fn up(tunnels: Vec<watch::Receiver<Status>>) {
    let is_alone = tunnels.len() == 1;
    for mut status in tunnels {
        let is_up = |status: &Status| match status {
            Status::Online(_) => true,
            Status::Waiting { .. } | Status::Stopped { .. } => !is_alone,
            _ => false,
        };
        // A tunnel that is gone is not waited for.
        let _ = status.wait_for(is_up).await;
    }
}

#[cfg(unix)]
#[derive(Debug)]
struct Socket {
    own: std::os::unix::net::UnixDatagram,
    runner: std::os::unix::net::SocketAddr,
}

#[cfg(unix)]
impl Socket {
    /// `/path`, or `@name` for Linux's abstract ones.
    fn to(name: &str) -> Option<Self> {
        use std::os::unix::net::{SocketAddr, UnixDatagram};
        let runner = match name.strip_prefix('@') {
            #[cfg(target_os = "linux")]
            Some(hidden) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(hidden).ok()?,
            #[cfg(not(target_os = "linux"))]
            Some(_) => return None,
            None => SocketAddr::from_pathname(name).ok()?,
        };
        let own = UnixDatagram::unbound().ok()?;
        own.set_nonblocking(true).ok()?;
        Some(Self { own, runner })
    }

    fn send(&self, word: &str) {
        if let Err(error) = self.own.send_to_addr(word.as_bytes(), &self.runner) {
            tracing::debug!(%error, word, "the service runner does not hear");
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
struct Socket;

#[cfg(not(unix))]
impl Socket {
    fn to(_name: &str) -> Option<Self> {
        None
    }

    fn send(&self, _word: &str) {}
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use culvert_protocol::Cause;
    use tokio::time::Instant;

    use super::*;

    fn told(runner: &UnixDatagram) -> Vec<String> {
        runner.set_nonblocking(true).unwrap();
        let mut words = vec![0; 100];
        std::iter::from_fn(|| runner.recv(&mut words).ok().map(|n| String::from_utf8(words[..n].to_vec()).unwrap()))
            .collect()
    }

    fn with(variables: &[(&str, &str)]) -> Notify {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Notify::new(find, 42)
    }

    #[test]
    fn the_runner_hears_each_word_by_path_or_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let hidden = format!("culvert-notify-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&hidden).unwrap();
        for (runner, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&abstract_address).unwrap(), format!("@{hidden}")),
        ] {
            let notify = with(&[("NOTIFY_SOCKET", &name)]);
            notify.ready();
            notify.stopping();
            assert_eq!(told(&runner), ["READY=1", "STOPPING=1"]);
        }
    }

    #[test]
    fn a_reload_is_told_with_its_time_and_only_of_what_has_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let runner = UnixDatagram::bind(&path).unwrap();
        let notify = with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
        notify.reloading();
        notify.reloaded();
        assert!(told(&runner).is_empty(), "it has not begun");
        notify.ready();
        for _ in 0..2 {
            notify.reloading();
            notify.reloaded();
        }
        let told = told(&runner);
        let time = |word: &str| {
            let time = word.strip_prefix("RELOADING=1\nMONOTONIC_USEC=")?;
            time.parse::<u64>().ok()
        };
        let [ready, first, again, second, last] = &told[..] else { panic!("{told:?}") };
        assert_eq!([ready, again, last], ["READY=1"; 3]);
        assert!(time(first).is_some_and(|first| first > 0) && time(first) <= time(second), "{told:?}");
    }

    #[test]
    fn nobody_there_is_no_trouble() {
        for name in ["", "/nowhere/at/all", "no socket"] {
            with(&[("NOTIFY_SOCKET", name)]).ready();
        }
        with(&[]).ready();
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_of_a_runtime_that_turns_twice_in_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let runner = UnixDatagram::bind(&path).unwrap();
        let variables =
            [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "42")];
        let notify = with(&variables);
        let watched = tokio::time::timeout(Duration::from_millis(2500), notify.keep_watch());
        assert!(watched.await.is_err(), "it goes on for ever");
        assert_eq!(told(&runner), ["WATCHDOG=1"; 3], "at once, after 1 s and after 2 s");
        // Nothing is said behind the runtime's back.
        std::thread::sleep(Duration::from_millis(50));
        assert!(told(&runner).is_empty());
    }

    #[test]
    fn a_watchdog_for_somebody_else_or_of_no_time_is_none() {
        for (limit, pid) in [("2000000", "43"), ("0", "42"), ("soon", "42")] {
            assert_eq!(with(&[("WATCHDOG_USEC", limit), ("WATCHDOG_PID", pid)]).watchdog, None);
        }
        assert_eq!(with(&[("WATCHDOG_USEC", "5")]).watchdog, Some(Duration::from_micros(5)));
    }

    fn waiting() -> Status {
        Status::Waiting { attempt: 1, retry_at: Instant::now(), cause: Cause::FrameTooLarge }
    }

    #[tokio::test(start_paused = true)]
    async fn one_tunnel_is_up_when_it_is_online() {
        let (status, seen) = watch::channel(Status::Connecting);
        let mut up = std::pin::pin!(up(vec![seen]));
        for not_yet in [Status::Registering, waiting()] {
            status.send_replace(not_yet);
            assert!(tokio::time::timeout(Duration::from_secs(1), up.as_mut()).await.is_err());
        }
        status.send_replace(Status::Online(crate::sample::online()));
        up.await;
    }

    #[tokio::test(start_paused = true)]
    async fn several_are_up_when_each_was_tried() {
        let (one, other) = (watch::channel(Status::Connecting), watch::channel(waiting()));
        let mut up = std::pin::pin!(up(vec![one.1, other.1]));
        assert!(tokio::time::timeout(Duration::from_secs(1), up.as_mut()).await.is_err());
        one.0.send_replace(Status::Stopped { cause: None });
        up.await;
        super::up(vec![]).await;
    }
}

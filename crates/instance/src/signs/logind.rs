//! The system's own word that it woke up: `PrepareForSleep(false)` of systemd-logind, heard on the system bus.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::getuid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::Sign;
use super::signal::{self, Message};

/// Where the system bus is unless `DBUS_SYSTEM_BUS_ADDRESS` says otherwise.
const BUS: &str = "/run/dbus/system_bus_socket";

/// How soon a bus that is not there, or went away, is looked for again.
const AGAIN: Duration = Duration::from_secs(60);

/// How long the bus may take to greet us.
const GREETING: Duration = Duration::from_secs(20);

/// What is to be heard. Only logind itself may own that name there.
const RULE: &str = "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
                    interface='org.freedesktop.login1.Manager',member='PrepareForSleep'";

/// Tells whenever the system wakes up, until nobody listens. Without a bus there is nothing to hear.
pub(super) async fn listen(teller: mpsc::Sender<Sign>) {
    let hearing = async {
        while let Some(bus) = bus() {
            let over = hear(&bus, &teller).await.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
            debug!(bus = %bus.display(), error = %over, "the system bus is not heard");
            sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = teller.closed() => {}
        () = hearing => {}
    }
}

/// The socket of the bus. `None`: it is of a kind that is not spoken here.
fn bus() -> Option<PathBuf> {
    let Ok(addresses) = std::env::var("DBUS_SYSTEM_BUS_ADDRESS") else { return Some(BUS.into()) };
    let path =
        |address: &str| address.strip_prefix("unix:path=").map(|rest| rest.split(',').next().unwrap_or(rest).into());
    addresses.split(';').find_map(path)
}

async fn hear(bus: &PathBuf, teller: &mpsc::Sender<Sign>) -> io::Result<()> {
    let mut stream = timeout(GREETING, greeted(bus)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    loop {
        let message = next(&mut stream).await?;
        if message.is_signal("org.freedesktop.login1.Manager", "PrepareForSleep") && message.flag() == Some(false) {
            let _ = teller.try_send(Sign::Woke);
        }
    }
}

/// A connection on which the bus knows who we are and what we want to hear.
async fn greeted(bus: &PathBuf) -> io::Result<BufReader<UnixStream>> {
    let mut stream = BufReader::new(UnixStream::connect(bus).await?);
    // "EXTERNAL" is: the kernel tells the bus who is at the other end of the socket.
    let who: String = getuid().to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
    stream.write_all(format!("\0AUTH EXTERNAL {who}\r\n").as_bytes()).await?;
    let mut line = String::new();
    (&mut stream).take(1024).read_line(&mut line).await?;
    if !line.starts_with("OK ") {
        return Err(io::Error::other("the bus does not let us in"));
    }
    stream.write_all(b"BEGIN\r\n").await?;
    stream.write_all(&signal::call(1, "Hello", None)).await?;
    stream.write_all(&signal::call(2, "AddMatch", Some(RULE))).await?;
    Ok(stream)
}

async fn next(stream: &mut BufReader<UnixStream>) -> io::Result<Message> {
    let mut bytes = vec![0; signal::HEAD];
    stream.read_exact(&mut bytes).await?;
    let rest = signal::rest(&bytes).ok_or_else(|| io::Error::other("the bus says something that makes no sense"))?;
    bytes.resize(signal::HEAD + rest, 0);
    stream.read_exact(&mut bytes[signal::HEAD..]).await?;
    Message::parse(&bytes).ok_or_else(|| io::Error::other("the bus says something that makes no sense"))
}

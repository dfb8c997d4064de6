//! Who of a family is there: each process holds a connection to whoever watches, which ends with the process and not before.

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Done = Result<(), Box<dyn Error>>;

/// The word by which this program is a local server's own child.
pub(crate) const GRANDCHILD: &str = "grandchild";

/// The variable that says where is watched.
pub(crate) const WATCHED_AT: &str = "CULVERT_WATCHED_AT";

/// How often is looked whether somebody came.
const LOOK: Duration = Duration::from_millis(2);

/// Says to whoever watches, if anybody does, that this process is there.
///
/// # Errors
/// The system's.
pub(crate) fn show_up(role: &str) -> Result<Option<TcpStream>, Box<dyn Error>> {
    let Ok(address) = env::var(WATCHED_AT) else { return Ok(None) };
    let mut watched = TcpStream::connect(address)?;
    watched.write_all(format!("{role} {}\n", process::id()).as_bytes())?;
    Ok(Some(watched))
}

/// Shows up, and stays for as long as it is let.
///
/// # Errors
/// As [`show_up`].
pub(crate) fn stay(role: &str) -> Done {
    let _watched = show_up(role)?;
    loop {
        thread::park();
    }
}

/// Begins a process of this program that is a [`GRANDCHILD`], and lets go of it.
///
/// # Errors
/// The system's.
pub(crate) fn have_a_child() -> io::Result<()> {
    let null = process::Stdio::null;
    Command::new(env::current_exe()?).arg(GRANDCHILD).stdin(null()).stdout(null()).stderr(null()).spawn()?;
    Ok(())
}

/// Watches over families.
pub(crate) struct Watch(TcpListener);

/// A process that showed up.
pub(crate) struct Member {
    /// Its role and its process id.
    pub(crate) name: String,
    connection: TcpStream,
}

impl Watch {
    /// Begins to watch at an address of its own.
    pub(crate) fn begin() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Where.
    pub(crate) fn address(&self) -> io::Result<String> {
        self.0.local_addr().map(|address| address.to_string())
    }

    /// The next that shows up, if one does within this time.
    pub(crate) fn next(&self, within: Duration) -> io::Result<Option<Member>> {
        let begun = Instant::now();
        loop {
            match self.0.accept() {
                Ok((connection, _)) => return Member::of(connection).map(Some),
                Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < within => thread::sleep(LOOK),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// A local server and its child.
    pub(crate) fn family(&self, within: Duration) -> Result<Vec<Member>, Box<dyn Error>> {
        let begun = Instant::now();
        let mut family = Vec::new();
        while family.len() < 2 {
            let left = within.saturating_sub(begun.elapsed());
            family.push(self.next(left)?.ok_or_else(|| format!("only {} processes showed up", family.len()))?);
        }
        Ok(family)
    }
}

impl Member {
    fn of(connection: TcpStream) -> io::Result<Self> {
        connection.set_nonblocking(false)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut member = Self { name: String::new(), connection };
        let mut byte = [0];
        // One that was killed before it said its name is gone, and that is all that matters.
        while let Ok(1) = member.connection.read(&mut byte) {
            if byte == *b"\n" {
                break;
            }
            member.name.push(char::from(byte[0]));
        }
        Ok(member)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// That it lives on after this time.
    pub(crate) fn see_off(mut self, within: Duration) -> Done {
        self.connection.set_read_timeout(Some(within))?;
        match self.connection.read(&mut [0]) {
            Ok(0) => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) => Ok(()),
            _ => Err(format!("{} is still there", self.name).into()),
        }
    }
}

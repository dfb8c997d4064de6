//! stdout, where data goes: written so that a reader that does not read keeps nobody waiting for ever.

use std::io::{self, Write as _};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::terminal::{Mood, Terminal};

/// How long a reader of stdout may let us wait with one event.
const SLOWEST_READER: Duration = Duration::from_secs(10);

/// stdout, written where a slow reader keeps nobody else waiting. Clones share it.
#[derive(Clone)]
pub(crate) struct Stdout {
    state: Arc<Mutex<Reader>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Reads,
    Gone,
}

impl Stdout {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(Mutex::new(Reader::Reads)) }
    }

    /// Writes the last line of all, with no runtime to wait in. A reader that does not read keeps the program from its
    /// end only for a while, and only once.
    pub(crate) fn last(&self, line: String) {
        // Taken only where an event is still being written: then its reader does not read.
        if !self.state.try_lock().is_ok_and(|state| *state == Reader::Reads) {
            return;
        }
        let (done, is_done) = mpsc::channel();
        let write = move || {
            // stderr has the words as well; a reader that went away misses nothing more.
            let _ = print(&[line]);
            let _ = done.send(());
        };
        if std::thread::Builder::new().spawn(write).is_ok() {
            let _ = is_done.recv_timeout(SLOWEST_READER);
        }
    }

    /// Writes whole lines, and says on `terminal` when nobody takes them any more.
    pub(crate) async fn tell(&self, lines: Vec<String>, terminal: &Terminal) {
        if let Err(error) = self.write(lines).await {
            let text = format!("events are no longer written, stdout does not take them: {error}");
            terminal.say(Mood::Warning, &text);
        }
    }

    /// Writes whole lines. A reader that went away, or does not read, gets no more of them; the first time is an error.
    async fn write(&self, lines: Vec<String>) -> io::Result<()> {
        // Held while writing, so that events come in the order in which they were handed over.
        let mut state = self.state.lock().await;
        if *state == Reader::Gone || lines.is_empty() {
            return Ok(());
        }
        let write = tokio::task::spawn_blocking(move || print(&lines));
        let result = match tokio::time::timeout(SLOWEST_READER, write).await {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => Err(io::Error::other(panicked)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if result.is_err() {
            *state = Reader::Gone;
        }
        result
    }
}

/// Writes whole lines to stdout.
pub(crate) fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

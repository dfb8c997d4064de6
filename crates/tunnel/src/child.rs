//! One process of a local server: started as the head of a family, spoken to by lines, and always brought to an end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use culvert_link::queue;
use culvert_protocol::cause::because;
use culvert_protocol::{Cause, secret, text};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{Instrument as _, debug, info};

use crate::command;
use crate::config::StdioCommand;
use crate::family::{self, Family, Started};
use crate::ledger::Ledger;
use crate::lines::{Line, Lines};
use crate::output::{Exit, Output};
use crate::own_environment;

/// Bytes that may wait for the child to read them.
const STDIN_QUEUE: usize = 1024 * 1024;

/// Bytes that are gathered into one write.
const WRITE_BATCH: usize = 64 * 1024;

/// The longest line of stderr that is kept whole, in bytes.
const STDERR_LINE: usize = 8 * 1024;

/// The name under which such lines are in the log, so that they are told from our own.
const LOG_TARGET: &str = "server";

/// How long a child has after its stdin was closed, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// How long what a dead child still had in its pipes is waited for: a grandchild may hold them open.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// What a service runner tells Culvert, and no child of it: one that took it for its own would speak for the service.
const OF_THE_SERVICE: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A running child. Dropped without [`end`](Child::end), its whole family is killed at once.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Option<u32>,
    /// Messages for it, without line breaks.
    pub(crate) stdin: queue::Sender<Bytes>,
    stdout: Lines<ChildStdout>,
    stdout_open: bool,
    exited: watch::Receiver<Option<ExitStatus>>,
    last_words: LastWords,
    listener: Option<JoinHandle<()>>,
    family: Family,
}

/// The last line of stderr, shared with the task that reads it.
#[derive(Debug, Clone, Default)]
struct LastWords(Arc<Mutex<String>>);

impl Child {
    /// Starts `command`. Its lines on stdout may have up to `max_line` bytes; those on stderr go to the log, labelled
    /// with `name`, and to the ledger.
    ///
    /// # Errors
    /// A [`Cause`] when there is no such program or the system does not run it.
    pub(crate) fn spawn(
        command: &StdioCommand,
        name: &str,
        max_line: usize,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, Cause> {
        let program = command::resolve(command, command::path_of(command).as_deref())?;
        let refused = |error: io::Error| Cause::CommandRefused {
            program: command.program.clone(),
            detail: text::clean(&error.to_string(), 200),
        };
        let mut process = Command::new(&program);
        process.args(&command.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Unless its configuration sets them.
        for name in secret::VARIABLES.iter().chain(&OF_THE_SERVICE).chain(own_environment::own()) {
            process.env_remove(name);
        }
        process.envs(&command.env).kill_on_drop(true);
        if let Some(folder) = &command.cwd {
            process.current_dir(folder);
        }
        let Started { pid, stdin, stdout, stderr, body, family } = family::start(process).map_err(refused)?;
        debug!(name, program = %program.display(), pid, "local server started");

        let (sender, messages) = queue::bounded(STDIN_QUEUE);
        tokio::spawn(feed(stdin, messages));
        let last_words = LastWords::default();
        let ear = Ear { name: name.to_owned(), pid, last_words: last_words.clone(), ledger: ledger.clone() };
        let listener = Some(tokio::spawn(ear.listen(stderr).in_current_span()));
        let (exit, exited) = watch::channel(None);
        let running = pid.map(|pid| ledger.process_began(pid));
        tokio::spawn(body.wait(move |status| {
            drop(running);
            exit.send_replace(Some(status));
        }));
        let stdout = Lines::new(stdout, max_line);
        Ok(Self { pid, stdin: sender, stdout, stdout_open: true, exited, last_words, listener, family })
    }

    /// What comes next. After [`Output::Exited`] nothing does. Cancel safe.
    pub(crate) async fn next(&mut self) -> Output {
        while self.stdout_open {
            let gone = self.exited.borrow().is_some();
            let read = tokio::select! {
                biased;
                read = self.stdout.next() => read,
                () = wait_for_exit(&mut self.exited), if !gone => continue,
                () = tokio::time::sleep(LAST_OUTPUT), if gone => break,
            };
            match read {
                Ok(Some(line)) => return Output::Line(line),
                Ok(None) => self.stdout_open = false,
                Err(error) => {
                    debug!(%error, "reading the local server's output failed");
                    self.stdout_open = false;
                }
            }
        }
        // One that closed its output and lives on can answer nothing any more.
        let gone = timeout(GRACE, wait_for_exit(&mut self.exited)).await.is_ok();
        if let Some(listener) = self.listener.take() {
            let _ = timeout(LAST_OUTPUT, listener).await;
        }
        let status = (*self.exited.borrow()).filter(|_| gone).map_or_else(|| "closed its output".to_owned(), describe);
        Output::Exited(Exit::of_process(status, self.last_words.quoted()))
    }

    /// Its id, as long as it ran when it was started.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Its last line on stderr, beginning with a separator, or nothing.
    pub(crate) fn last_words(&self) -> String {
        self.last_words.quoted()
    }

    /// Ends it: stdin is closed, then SIGTERM, then SIGKILL, two seconds apart, each for the whole family. On Windows
    /// there is no SIGTERM.
    pub(crate) async fn end(self) {
        let Self { stdin, mut stdout, mut exited, family, .. } = self;
        drop(stdin);
        // What it still says is let go, so that a full pipe does not keep it from ending.
        let drain = async { while let Ok(Some(_)) = stdout.next().await {} };
        let gone = async {
            let mut asks = family::ASKS.iter();
            while timeout(GRACE, wait_for_exit(&mut exited)).await.is_err() {
                let Some(ask) = asks.next() else { break };
                family.end(*ask);
            }
        };
        tokio::select! {
            () = gone => {}
            () = async { drain.await; std::future::pending::<()>().await } => {}
        }
        drop(family);
    }
}

impl LastWords {
    fn quoted(&self) -> String {
        because(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).replacen(": ", "; its last words: ", 1)
    }

    fn set(&self, words: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

async fn wait_for_exit(exited: &mut watch::Receiver<Option<ExitStatus>>) {
    // The sender is dropped only after it has sent, or with the runtime.
    let _ = exited.wait_for(Option::is_some).await;
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was killed by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("exited with code {code}"),
        None => "ended".to_owned(),
    }
}

/// Writes what is queued to stdin, many small messages at once. Ends, and so closes stdin, when nobody can send any
/// more.
async fn feed(mut stdin: impl AsyncWrite + Unpin, mut messages: queue::Receiver<Bytes>) {
    let mut batch = BytesMut::new();
    while let Some(first) = messages.recv().await {
        let mut shares = Vec::new();
        let mut next = Some(first);
        while let Some(queued) = next {
            // A long line is not worth a copy: it goes out as it is, and its line break after it.
            let long = queued.item.len() > WRITE_BATCH;
            if long {
                if stdin.write_all(&batch).await.is_err() || stdin.write_all(&queued.item).await.is_err() {
                    return;
                }
                batch.clear();
            } else {
                batch.extend_from_slice(&queued.item);
            }
            batch.extend_from_slice(b"\n");
            shares.push(queued);
            next = if !long && batch.len() < WRITE_BATCH { messages.try_recv() } else { None };
        }
        if stdin.write_all(&batch).await.is_err() {
            return;
        }
        batch.clear();
        if batch.capacity() > 2 * WRITE_BATCH {
            batch = BytesMut::new();
        }
    }
}

/// Who hears what a child writes on stderr.
struct Ear {
    name: String,
    pid: Option<u32>,
    last_words: LastWords,
    ledger: Arc<Ledger>,
}

impl Ear {
    /// Reads stderr into the log and the ledger, and remembers its last line that says something.
    async fn listen(self, stderr: ChildStderr) {
        let mut lines = Lines::new(stderr, STDERR_LINE);
        while let Some(line) = next_line(&mut lines).await {
            let line = text::clean(&line, STDERR_LINE);
            if !line.is_empty() {
                info!(target: LOG_TARGET, server = self.name, "{line}");
                self.ledger.server_log().push(self.pid, &line);
                self.last_words.set(line);
            }
        }
    }
}

async fn next_line<R: AsyncRead + Unpin>(lines: &mut Lines<R>) -> Option<String> {
    match lines.next().await.ok()?? {
        Line::Whole(line) => Some(String::from_utf8_lossy(&line).into_owned()),
        Line::Oversize { length, .. } => Some(format!("(a line of {length} bytes)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn short_and_long_lines_are_fed_in_order_each_with_its_break() {
        let (sender, messages) = queue::bounded(STDIN_QUEUE);
        let lengths = [1, 0, WRITE_BATCH + 1, 2, WRITE_BATCH, 3 * WRITE_BATCH, 4 * WRITE_BATCH, 5];
        let lines = lengths.iter().zip('a'..).map(|(length, letter)| letter.to_string().repeat(*length));
        let lines: Vec<String> = lines.collect();
        for line in &lines {
            assert!(sender.try_send(Bytes::from(line.clone())).is_ok());
        }
        drop(sender);
        let (stdin, mut read) = tokio::io::duplex(1000);
        let feeding = tokio::spawn(feed(stdin, messages));
        let mut fed = String::new();
        read.read_to_string(&mut fed).await.unwrap();
        feeding.await.unwrap();
        assert!(fed == lines.iter().map(|line| format!("{line}\n")).collect::<String>(), "{} bytes", fed.len());
    }
}

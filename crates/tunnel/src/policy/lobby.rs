//! Where messages wait until their child has listed its tools, while others pass by.

use std::collections::VecDeque;
use std::time::Duration;

use culvert_protocol::message::{Id, Message, Shape};
use culvert_protocol::tool_policy::Desk;
use tokio::time::{Instant, sleep_until};

use super::gate::{Entry, Gate};
use crate::local::Input;

/// How long a message may wait until the local server has listed its tools.
const LISTING: Duration = Duration::from_secs(15);

/// How often a list is asked for anew while one message waits: a server may say at any time that it has changed.
const TRIES: u32 = 4;

/// How soon a question is put again that the child had no room for.
const AGAIN: Duration = Duration::from_millis(100);

/// How often it is looked whether there still is a policy.
const LOOK: Duration = Duration::from_secs(1);

/// Messages that wait at most, and their bytes; more are refused.
const MOST: usize = 256;
const MOST_BYTES: usize = 16 << 20;

/// Messages that wait before one child.
#[derive(Debug)]
pub(crate) struct Lobby<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    /// Whether what waits is to be judged anew.
    is_due: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    message: T,
    line: String,
    until: Instant,
    tries: u32,
}

impl<T> Default for Lobby<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, is_due: false }
    }
}

impl<T> Lobby<T> {
    /// Has a message wait. `Err` when too many wait: it comes back with its answers.
    pub(crate) fn enter(&mut self, message: T, line: &[u8]) -> Result<(), (T, Entry)> {
        let line = String::from_utf8_lossy(line).into_owned();
        if self.waiting.len() >= MOST || self.bytes + line.len() > MOST_BYTES {
            return Err((message, Entry::Refuse(Desk::refuse_unlisted(&line).into_iter().collect())));
        }
        self.bytes += line.len();
        self.waiting.push_back(Waiting { message, line, until: Instant::now() + LISTING, tries: 1 });
        Ok(())
    }

    /// The next message that waits no more, and what becomes of it: never [`Entry::Wait`]. While none waits, never.
    /// Cancel safe.
    pub(crate) async fn next(&mut self, gate: &Gate, child: &Input) -> (T, Entry) {
        loop {
            if let Some(judged) = self.judge(gate, child) {
                return judged;
            }
            let Some(first) = self.waiting.iter().map(|waiting| waiting.until).min() else {
                return std::future::pending().await;
            };
            let soon = if gate.has_settled() { AGAIN } else { LOOK };
            let until = first.min(Instant::now() + soon);
            tokio::select! {
                () = gate.moved() => {}
                () = sleep_until(until) => {}
            }
            self.is_due = true;
        }
    }

    fn judge(&mut self, gate: &Gate, child: &Input) -> Option<(T, Entry)> {
        if !std::mem::take(&mut self.is_due) {
            return None;
        }
        let now = Instant::now();
        let has_settled = gate.has_settled();
        for at in 0..self.waiting.len() {
            let waiting = &mut self.waiting[at];
            let is_over = waiting.until <= now;
            let entry = match (is_over, has_settled) {
                (true, _) => {
                    gate.give_up();
                    Entry::Wait
                }
                (false, false) if gate.is_set() => continue,
                (false, _) => gate.to_server(waiting.line.as_bytes(), child),
            };
            if matches!(entry, Entry::Wait) && !is_over {
                // Where the question has found no room it was no try.
                if !gate.has_settled() {
                    waiting.tries += 1;
                    waiting.until = now + LISTING;
                }
                if waiting.tries <= TRIES {
                    continue;
                }
            }
            let Waiting { message, line, .. } = self.waiting.remove(at)?;
            self.bytes -= line.len();
            self.is_due = true;
            let entry = match entry {
                Entry::Wait => Entry::Refuse(Desk::refuse_unlisted(&line).into_iter().collect()),
                entry => entry,
            };
            return Some((message, entry));
        }
        None
    }

    /// Takes out what a line of the gateway cancels, with the id that it came with.
    pub(crate) fn cancel(&mut self, line: &[u8]) -> Option<(T, String)> {
        if self.waiting.is_empty() {
            return None;
        }
        let message = Message::parse(std::str::from_utf8(line).ok()?).ok()?;
        if message.method() != "notifications/cancelled" {
            return None;
        }
        let id = Id::of(message.param(&["requestId"]).ok()??).ok()?;
        let raw_id = |line: &str| {
            let message = Message::parse(line).ok()?;
            (*message.shape() == Shape::Request(id.clone())).then(|| message.raw_id().map(str::to_owned)).flatten()
        };
        let (at, raw_id) = self.waiting.iter().enumerate().find_map(|(at, one)| Some((at, raw_id(&one.line)?)))?;
        let Waiting { message, line, .. } = self.waiting.remove(at)?;
        self.bytes -= line.len();
        Some((message, raw_id))
    }

    /// Takes out all that wait, each with its line.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = (T, String)> + use<'_, T> {
        self.bytes = 0;
        self.waiting.drain(..).map(|Waiting { message, line, .. }| (message, line))
    }
}

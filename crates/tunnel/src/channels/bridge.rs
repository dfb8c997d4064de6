//! One channel and one child: lines pass both ways, untouched.

use bytes::Bytes;
use culvert_link::channels::{Channel, LineReceiver, LineSender};
use culvert_protocol::channels::ResetReason;
use culvert_protocol::message::{Malformed, Message};
use culvert_protocol::rpc_error::RpcError;
use culvert_protocol::skim::{Skimmed, Skimmer};
use culvert_protocol::text;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::lines::Line;
use crate::local::{Input, Local};
use crate::output::{Exit, Output};

/// A channel that waits for its child.
pub(super) struct Bridge {
    pub(super) channel: Channel,
    /// The longest message that the gateway takes.
    pub(super) max_line: usize,
    pub(super) stop: CancellationToken,
}

/// Why a bridge came down. Its child is gone by then.
#[derive(Debug)]
pub(super) enum Finish {
    /// The gateway ended the channel, or the whole session.
    Left,
    /// As asked.
    Stopped,
    /// The child ended.
    Exited(Exit),
}

impl Bridge {
    /// Carries until one side ends, then ends the other.
    pub(super) async fn run(self, mut child: Local) -> Finish {
        let Self { channel: Channel { sender, mut receiver, .. }, max_line, stop } = self;
        let input = child.input();
        let finish = tokio::select! {
            biased;
            () = stop.cancelled() => Finish::Stopped,
            exit = from_child(&mut child, &sender, max_line) => Finish::Exited(exit),
            () = from_gateway(&mut receiver, &input) => Finish::Left,
        };
        drop(input);
        finish.tell(sender);
        child.end().await;
        finish
    }
}

impl Finish {
    /// Lets the gateway know why the channel ends.
    pub(super) fn tell(&self, sender: LineSender) {
        match self {
            // Not just an end: what is still queued would wait for credit that nobody gives any more.
            Self::Left => sender.reset(ResetReason::Cancelled, ""),
            Self::Stopped => sender.reset(ResetReason::Stopping, "the tunnel was stopped by its owner"),
            Self::Exited(exit) => {
                let words = format!("the local server {exit}");
                sender.reset(ResetReason::ServerExited, &words);
            }
        }
    }
}

async fn from_gateway(receiver: &mut LineReceiver, input: &Input) {
    while let Some(line) = receiver.recv().await {
        if input.send(line).await.is_err() {
            // The child is going; its end is told by its output.
            return std::future::pending().await;
        }
    }
}

/// Reads the child until it ends. What is no message is not passed on; what the gateway could not take becomes an error
/// for whoever waits for it.
pub(super) async fn from_child(child: &mut Local, sender: &LineSender, max_line: usize) -> Exit {
    let input = child.input();
    loop {
        match child.next().await {
            Output::Exited(exit) => return exit,
            Output::Line(Line::Whole(line)) if line.len() <= max_line => {
                if is_message(&line) {
                    let _ = sender.send(line).await;
                }
            }
            Output::Line(Line::Whole(line)) => {
                let mut skimmer = Skimmer::default();
                skimmer.push(&line);
                too_large(sender, &input, line.len(), max_line, skimmer.finish()).await;
            }
            Output::Line(Line::Oversize { length, head }) => too_large(sender, &input, length, max_line, head).await,
        }
    }
}

/// Whether a line is JSON-RPC, or near enough for its receiver to judge.
fn is_message(line: &[u8]) -> bool {
    let readable =
        std::str::from_utf8(line).map_err(|_| Malformed::NotJson).and_then(|text| match Message::parse(text) {
            Err(Malformed::NotJson) => Err(Malformed::NotJson),
            Err(Malformed::NotAnObject) => Err(Malformed::NotAnObject),
            _ => Ok(()),
        });
    if readable.is_err() {
        let line = text::clean(&String::from_utf8_lossy(line), 200);
        warn!(line, "the local server wrote something that is no JSON-RPC message: skipped");
    }
    readable.is_ok()
}

async fn too_large(sender: &LineSender, input: &Input, length: usize, limit: usize, head: Skimmed) {
    let error = RpcError::tunnel("message.too_large", format!("the message has {length} bytes, the limit is {limit}"));
    match head.id {
        Some(id) if !head.method => _ = sender.send(Bytes::from(error.answer(&id))).await,
        Some(id) => _ = input.try_send(Bytes::from(error.answer(&id))),
        None => warn!(length, limit, "the local server sent a message over the limit: dropped"),
    }
}

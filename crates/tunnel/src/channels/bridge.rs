//! One channel and one child: lines pass both ways, untouched.

use std::convert::Infallible;

use bytes::Bytes;
use culvert_link::channels::{Channel, LineReceiver, LineSender};
use culvert_protocol::channels::ResetReason;
use culvert_protocol::message::{Malformed, Message, Shape};
use culvert_protocol::rpc_error::RpcError;
use culvert_protocol::skim::{Skimmed, Skimmer};
use culvert_protocol::splice::single_line;
use culvert_protocol::text;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::passage::{self, Passage, Said};
use crate::lines::Line;
use crate::local::{Input, Local};
use crate::local_answer;
use crate::output::{Exit, Output};
use crate::policy::{Entry, Gate, Lobby, Passing};

/// A channel that waits for its child.
pub(super) struct Bridge {
    pub(super) channel: Channel,
    /// The longest message that the gateway takes.
    pub(super) max_line: usize,
    pub(super) passage: Passage,
    /// What may pass.
    pub(super) gate: Gate,
    /// When to end.
    pub(super) stop: Stop,
}

/// How a bridge is told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    /// Once the calls in flight are answered; no new ones are taken.
    pub(super) gently: CancellationToken,
    /// Now.
    pub(super) now: CancellationToken,
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
        let Self { channel: Channel { sender, mut receiver, .. }, max_line, passage, gate, stop } = self;
        let input = child.input();
        let finish = tokio::select! {
            biased;
            () = stop.now.cancelled() => Finish::Stopped,
            exit = from_child(&mut child, &sender, max_line, &passage, &gate) => Finish::Exited(exit),
            () = from_gateway(&mut receiver, &sender, &input, (&passage, &gate), &stop, |_| Hearer::Child) => Finish::Left,
            () = stop.once_quiet(&passage, &sender) => Finish::Stopped,
            never = tell_changes(&gate, &passage, &sender) => match never {},
        };
        drop(input);
        finish.tell(sender);
        child.end().await;
        finish
    }
}

impl Stop {
    /// Waits until it is to end and no call is under way any more.
    pub(super) async fn once_quiet(&self, passage: &Passage, sender: &LineSender) {
        self.gently.cancelled().await;
        passage.quiet().await;
        // A reset discards what still waits.
        sender.flushed().await;
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

/// Whom a line of the gateway is for.
pub(super) enum Hearer {
    /// The child.
    Child,
    /// The child need not hear it. With an answer, if it gets one.
    Us(Option<String>),
}

/// Reads the gateway until it ends the channel. `hearer` says of each line whom it is for.
pub(super) async fn from_gateway(
    receiver: &mut LineReceiver,
    sender: &LineSender,
    input: &Input,
    (passage, gate): (&Passage, &Gate),
    stop: &Stop,
    hearer: impl Fn(&[u8]) -> Hearer,
) {
    let mut lobby = Lobby::default();
    loop {
        let (line, entry) = tokio::select! {
            biased;
            judged = lobby.next(gate, input) => judged,
            line = receiver.recv() => {
                let Some(line) = line else { return };
                // A carriage return ends a line for some servers: what stands behind it would be a message of its own,
                // which nobody has judged or told the audit log.
                let line = single_line(line);
                if stop.gently.is_cancelled() && refuse(&line, sender).await {
                    continue;
                }
                if let Hearer::Us(said) = hearer(&line) {
                    answer(said.into_iter().collect(), sender).await;
                    continue;
                }
                // Whoever cancels waits for no answer.
                if lobby.cancel(&line).is_some() {
                    continue;
                }
                let entry = gate.to_server(&line, input);
                (line, entry)
            }
        };
        let (line, entry) = match entry {
            Entry::Wait => match lobby.enter(line.clone(), &line) {
                Ok(()) => continue,
                Err(too_many) => too_many,
            },
            entry => (line, entry),
        };
        let line = match entry {
            Entry::Pass => line,
            Entry::Instead(line) => line,
            Entry::Answer(answers) => {
                answer(answers, sender).await;
                continue;
            }
            Entry::Refuse(answers) => {
                passage.refused(&line, &answers);
                answer(answers, sender).await;
                continue;
            }
            Entry::Wait => continue,
        };
        passage.to_server(&line);
        let sent = tokio::select! {
            biased;
            sent = input.send(line) => sent,
            // A child that reads nothing must not outlive its channel.
            () = sender.over() => return,
        };
        if sent.is_err() {
            // The child is going; its end is told by its output.
            return std::future::pending().await;
        }
    }
}

/// Tells the client whenever other things may pass than before.
pub(super) async fn tell_changes(gate: &Gate, passage: &Passage, sender: &LineSender) -> Infallible {
    let mut passing = gate.policy().passing();
    let mut told: Passing = *passing.borrow_and_update();
    loop {
        if passing.changed().await.is_err() {
            return std::future::pending().await;
        }
        let now = *passing.borrow_and_update();
        for feature in now.since(&std::mem::replace(&mut told, now)) {
            answer(passage.list_changed(feature), sender).await;
        }
    }
}

/// Gives these answers.
pub(super) async fn answer(answers: Vec<String>, sender: &LineSender) {
    for answer in answers {
        let _ = sender.send(Bytes::from(answer)).await;
    }
}

/// Answers the calls in a line that comes when no more are taken. Whether there were any: then the line goes no
/// further.
pub(super) async fn refuse(line: &[u8], sender: &LineSender) -> bool {
    let mut calls = Vec::new();
    let mut look = |text: &str| {
        if let Ok(message) = Message::parse(text)
            && let (Shape::Request(_), Some(raw_id)) = (message.shape(), message.raw_id())
        {
            calls.push(local_answer::stopping().answer(raw_id));
        }
    };
    look(&String::from_utf8_lossy(line));
    passage::each_of(line, |element| look(element.get()));
    for answer in &calls {
        let _ = sender.send(Bytes::from(answer.clone())).await;
    }
    !calls.is_empty()
}

/// Reads the child until it ends. What is no message is not passed on; what the gateway could not take becomes an error
/// for whoever waits for it.
pub(super) async fn from_child(
    child: &mut Local,
    sender: &LineSender,
    max_line: usize,
    passage: &Passage,
    gate: &Gate,
) -> Exit {
    let input = child.input();
    loop {
        match child.next().await {
            Output::Exited(exit) => return exit,
            Output::Line(Line::Whole(line)) => {
                let Some(said) = look_at(&line, passage) else { continue };
                let length = line.len();
                match said {
                    Said::Answer(..) | Said::Answers(_) | Said::ProbeAnswer => {
                        child.has_answered(passage.ledger(), Instant::now())
                    }
                    Said::Other => {}
                }
                if said == Said::ProbeAnswer {
                    continue;
                }
                match gate.to_client(&line, &input) {
                    None => pass_on(line, sender, &input, max_line).await,
                    Some(instead) => {
                        for line in instead {
                            pass_on(line, sender, &input, max_line).await;
                        }
                    }
                }
                passage.answered(said, length);
            }
            Output::Line(Line::Oversize { length, head }) => {
                let said = passage.oversize(length, &head);
                if said != Said::Other {
                    child.has_answered(passage.ledger(), Instant::now());
                }
                too_large(sender, &input, length, max_line, head).await;
                passage.answered(said, length);
            }
        }
    }
}

async fn pass_on(line: Bytes, sender: &LineSender, input: &Input, max_line: usize) {
    let length = line.len();
    if length <= max_line {
        let _ = sender.send(line).await;
    } else {
        let mut skimmer = Skimmer::default();
        skimmer.push(&line);
        too_large(sender, input, length, max_line, skimmer.finish()).await;
    }
}

/// What a line of the child is. `None`: nothing like JSON-RPC; whatever else may be wrong is for its receiver to judge.
fn look_at(line: &[u8], passage: &Passage) -> Option<Said> {
    let message = std::str::from_utf8(line).map_err(|_| Malformed::NotJson).and_then(Message::parse);
    if let Err(Malformed::NotJson | Malformed::NotAnObject) = message {
        let line = text::clean(&String::from_utf8_lossy(line), 200);
        warn!(line, "the local server wrote something that is no JSON-RPC message: skipped");
        return None;
    }
    Some(passage.said(line, &message))
}

async fn too_large(sender: &LineSender, input: &Input, length: usize, limit: usize, head: Skimmed) {
    let error = RpcError::tunnel("message.too_large", format!("the message has {length} bytes, the limit is {limit}"));
    match head.id {
        Some(id) if !head.method => _ = sender.send(Bytes::from(error.answer(&id))).await,
        Some(id) => _ = input.try_send(Bytes::from(error.answer(&id))),
        None => warn!(length, limit, "the local server sent a message over the limit: dropped"),
    }
}

//! The gateway's own channel: discovery and probes, on the child that the engine has greeted already.

use bytes::Bytes;
use culvert_link::channels::{Channel, LineReceiver, LineSender};
use culvert_protocol::message::{Message, Shape};
use tracing::warn;

use super::bridge::{Bridge, Finish, from_child};
use crate::base::Served;
use crate::config::TunnelConfig;
use crate::engine::start;
use crate::handshake::{self, Greeting};
use crate::local::{Input, Launcher};

/// Serves the channel until one side ends. Without a child at hand, one is started and greeted first.
pub(super) async fn serve(bridge: Bridge, served: Option<Served>, config: &TunnelConfig, launcher: &Launcher) {
    let Bridge { channel: Channel { sender, mut receiver, .. }, max_line, stop } = bridge;
    let served = match served {
        Some(served) => Ok(served),
        None => tokio::select! {
            biased;
            () = stop.cancelled() => return Finish::Stopped.tell(sender),
            started = start(config, launcher, true) => started,
        },
    };
    let Served { mut child, greeting, .. } = match served {
        Ok(served) => served,
        Err(cause) => {
            warn!(name = %config.name, "{cause}");
            return sender.reset(culvert_protocol::channels::ResetReason::ServerFailed, &cause.to_string());
        }
    };
    let input = child.input();
    let finish = tokio::select! {
        biased;
        () = stop.cancelled() => Finish::Stopped,
        exit = from_child(&mut child, &sender, max_line) => Finish::Exited(exit),
        () = from_gateway(&mut receiver, &sender, &input, &greeting) => Finish::Left,
    };
    drop(input);
    if let Finish::Exited(exit) = &finish {
        warn!(name = %config.name, "the local server {exit}");
    }
    finish.tell(sender);
    child.end().await;
}

/// As on any channel, but for the first words, which the child has heard already.
async fn from_gateway(receiver: &mut LineReceiver, sender: &LineSender, input: &Input, greeting: &Greeting) {
    while let Some(line) = receiver.recv().await {
        if let Some(answer) = already_said(&line, greeting) {
            if let Some(answer) = answer {
                let _ = sender.send(Bytes::from(answer)).await;
            }
            continue;
        }
        if input.send(line).await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Whether the child need not hear this line, and what is answered instead.
fn already_said(line: &[u8], greeting: &Greeting) -> Option<Option<String>> {
    let message = Message::parse(std::str::from_utf8(line).ok()?).ok()?;
    match (message.shape(), &*message.method()) {
        (Shape::Request(_), "initialize") => Some(message.raw_id().map(|id| handshake::repeat(greeting, id))),
        (Shape::Notification, "notifications/initialized") => Some(None),
        _ => None,
    }
}

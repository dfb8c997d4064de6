//! The gateway's own channel: discovery and probes, on the child that the engine has greeted already.

use culvert_link::channels::Channel;
use culvert_protocol::channels::ResetReason;
use culvert_protocol::message::{Message, Shape};
use tracing::warn;

use super::bridge::{Bridge, Finish, from_child, from_gateway, tell_changes};
use crate::base::Served;
use crate::config::TunnelConfig;
use crate::handshake::{self, Era, Greeting};
use crate::local::Launcher;
use crate::probe;
use crate::report::Report;
use crate::standby::start;

/// Serves the channel until one side ends. Without a child at hand, one is started and greeted first. The child is asked
/// for signs of life meanwhile.
pub(super) async fn serve(
    bridge: Bridge,
    served: Option<Served>,
    config: &TunnelConfig,
    launcher: &Launcher,
    report: &Report,
) {
    let Bridge { channel: Channel { sender, mut receiver, .. }, max_line, passage, gate, stop } = bridge;
    let served = match served {
        Some(served) => Ok(served),
        None => tokio::select! {
            biased;
            () = stop.now.cancelled() => return Finish::Stopped.tell(sender),
            () = stop.gently.cancelled() => return Finish::Stopped.tell(sender),
            started = start(config, launcher, true) => started,
        },
    };
    let Served { mut child, greeting, .. } = match served {
        Ok(served) => served,
        Err(cause) => {
            warn!(name = %config.name, "{cause}");
            sender.reset(ResetReason::ServerFailed, &cause.to_string());
            return report.restarts(cause);
        }
    };
    let input = child.input();
    if greeting.era == Era::Legacy {
        passage.greeted();
    }
    // As on any channel, but for the first words, which the child has heard already, and for ids that are ours.
    let known = |line: &[u8]| in_its_place(line, &greeting);
    let finish = tokio::select! {
        biased;
        () = stop.now.cancelled() => Finish::Stopped,
        exit = from_child(&mut child, &sender, max_line, &passage, &gate) => Finish::Exited(exit),
        () = from_gateway(&mut receiver, &sender, &input, (&passage, &gate), &stop, known) => Finish::Left,
        () = stop.once_quiet(&passage, &sender) => Finish::Stopped,
        never = tell_changes(&gate, &passage, &sender) => match never {},
        never = probe::keep_asking(&input, greeting.era, report, config.probe_interval) => match never {},
    };
    drop(input);
    if let Finish::Exited(exit) = &finish {
        warn!(name = %config.name, "the local server {exit}");
        passage.ledger().figures().exited();
        report.restarts(exit.clone().later());
    }
    finish.tell(sender);
    child.end().await;
}

/// Whether the child need not hear this line, and what is answered instead.
fn in_its_place(line: &[u8], greeting: &Greeting) -> Option<Option<String>> {
    let message = Message::parse(std::str::from_utf8(line).ok()?).ok()?;
    match (message.shape(), &*message.method()) {
        (Shape::Request(id), _) if probe::is_reserved(id) => {
            Some(message.raw_id().map(|id| probe::refusal().answer(id)))
        }
        (Shape::Request(_), "initialize") => Some(message.raw_id().map(|id| handshake::repeat(greeting, id))),
        (Shape::Notification, "notifications/initialized") => Some(None),
        _ => None,
    }
}

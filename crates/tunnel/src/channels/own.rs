//! The gateway's own channel: discovery and probes, on the child that the engine has greeted already.

use culvert_link::channels::Channel;
use culvert_protocol::channels::ResetReason;
use culvert_protocol::message::{Message, Shape};
use tracing::warn;

use super::bridge::{Bridge, Finish, Hearer, from_child, from_gateway, tell_changes};
use crate::base::Served;
use crate::config::TunnelConfig;
use crate::handshake::{self, Era, Greeting};
use crate::local::Launcher;
use crate::probe;
use crate::report::Report;
use crate::standby::{Record, start};

/// Serves the channel until one side ends. Without a child at hand, one is started and greeted first. The child is
/// asked for signs of life meanwhile.
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
            started = start(config, launcher, Record::Proven) => started,
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
    let hearer = |line: &[u8]| hearer_of(line, &greeting);
    let finish = tokio::select! {
        biased;
        () = stop.now.cancelled() => Finish::Stopped,
        exit = from_child(&mut child, &sender, max_line, &passage, &gate) => Finish::Exited(exit),
        () = from_gateway(&mut receiver, &sender, &input, (&passage, &gate), &stop, hearer) => Finish::Left,
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

/// Who hears this line.
fn hearer_of(line: &[u8], greeting: &Greeting) -> Hearer {
    let Some(message) = std::str::from_utf8(line).ok().and_then(|text| Message::parse(text).ok()) else {
        return Hearer::Child;
    };
    match (message.shape(), &*message.method()) {
        (Shape::Request(id), _) if probe::is_reserved(id) => {
            Hearer::Us(message.raw_id().map(|id| probe::refusal().answer(id)))
        }
        (Shape::Request(_), "initialize") => Hearer::Us(message.raw_id().map(|id| handshake::repeat(greeting, id))),
        (Shape::Notification, "notifications/initialized") => Hearer::Us(None),
        _ => Hearer::Child,
    }
}

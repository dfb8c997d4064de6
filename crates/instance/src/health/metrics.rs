//! The figures of all tunnels as OpenMetrics text, which Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use culvert_tunnel::Status;
use culvert_tunnel::figures::{FiguresSnapshot, HistogramSnapshot};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::overview::{Overview, TunnelView};
use crate::state::Mood;

/// One look at everything.
#[derive(Debug)]
pub(super) struct Metrics {
    overview: Arc<Overview>,
    begun: SystemTime,
}

/// A tunnel and what it has counted.
struct Counted<'a> {
    name: &'a str,
    gateway: &'a str,
    view: &'a TunnelView,
    figures: FiguresSnapshot,
}

impl Metrics {
    pub(super) fn new(overview: Arc<Overview>, begun: SystemTime) -> Self {
        Self { overview, begun }
    }

    /// The text; `None` should it not let itself be written.
    pub(super) fn into_text(self) -> Option<String> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut body = String::new();
        text::encode(&mut body, &registry).ok()?;
        Some(body)
    }
}

impl Counted<'_> {
    fn labels(&self) -> [(&'static str, &str); 2] {
        [("server", self.name), ("gateway", self.gateway)]
    }

    fn labels_and<'l>(&'l self, name: &'static str, value: &'l str) -> [(&'static str, &'l str); 3] {
        [("server", self.name), ("gateway", self.gateway), (name, value)]
    }
}

/// Writes families one after the other.
struct Writer<'e, 't> {
    encoder: DescriptorEncoder<'e>,
    tunnels: &'t [Counted<'t>],
}

impl Writer<'_, '_> {
    fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        mut each: impl FnMut(&Counted<'_>, &mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        self.tunnels.iter().try_for_each(|tunnel| each(tunnel, &mut family))
    }

    /// A number for each tunnel that only grows.
    fn counter(&mut self, name: &str, help: &str, read: impl Fn(&FiguresSnapshot) -> u64) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |tunnel, family| {
            family.encode_family(&tunnel.labels())?.encode_counter::<NoLabelSet, _, f64>(&read(&tunnel.figures), None)
        })
    }

    /// A number for each tunnel that says how much there is now; tunnels without one are left out.
    fn gauge(&mut self, name: &str, help: &str, read: impl Fn(&Counted<'_>) -> Option<f64>) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |tunnel, family| match read(tunnel) {
            Some(value) => family.encode_family(&tunnel.labels())?.encode_gauge(&value),
            None => Ok(()),
        })
    }

    /// Numbers for each tunnel, told apart by one more label.
    fn counters<'n>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        read: impl Fn(&FiguresSnapshot) -> Vec<(&'n str, u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |tunnel, family| {
            read(&tunnel.figures).into_iter().try_for_each(|(value, count)| {
                let labels = tunnel.labels_and(label, value);
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)
            })
        })
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        read: impl Fn(&FiguresSnapshot) -> &HistogramSnapshot,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, |tunnel, family| {
            let histogram = read(&tunnel.figures);
            let mut buckets: Vec<_> =
                histogram.buckets.iter().map(|(bound, count)| (bound.as_secs_f64(), *count)).collect();
            buckets.push((f64::MAX, histogram.longer));
            let (sum, count) = (histogram.sum.as_secs_f64(), histogram.count());
            family.encode_family(&tunnel.labels())?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        })
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let tunnels: Vec<_> = self
            .overview
            .tunnels()
            .map(|view| Counted {
                name: &view.name,
                gateway: &view.key.gateway,
                view,
                figures: view.ledger.figures().snapshot(),
            })
            .collect();
        let mut all = Writer { encoder, tunnels: &tunnels };
        self.process(&mut all)?;
        links(&mut all)?;
        messages(&mut all)?;
        calls(&mut all)?;
        servers(&mut all)
    }
}

impl Metrics {
    fn process(&self, all: &mut Writer<'_, '_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        all.encoder
            .encode_descriptor("culvert_build", "What runs.", None, MetricType::Info)?
            .encode_info(&version.as_slice())?;
        let begun = self.begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        all.encoder
            .encode_descriptor(
                "culvert_start_time_seconds",
                "When it was started, in Unix time.",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&begun)?;
        all.encoder
            .encode_descriptor(
                "culvert_config_ok",
                "Whether the configuration could be read as it is now.",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&i64::from(self.overview.trouble.is_none() && self.overview.broken.is_empty()))
    }
}

fn links(all: &mut Writer<'_, '_>) -> fmt::Result {
    const MOODS: [Mood; 6] = [Mood::Off, Mood::Online, Mood::Connecting, Mood::Attention, Mood::Waiting, Mood::Stopped];
    all.family(
        "culvert_tunnel_state",
        "1 for the state that the tunnel is in.",
        MetricType::Gauge,
        |tunnel, family| {
            let now = tunnel.view.mood();
            MOODS.iter().try_for_each(|mood| {
                let labels = tunnel.labels_and("state", mood.word());
                family.encode_family(&labels)?.encode_gauge(&i64::from(*mood == now))
            })
        },
    )?;
    all.counter("culvert_registrations", "How often the gateway took the server in.", |figures| figures.registrations)?;
    all.counter("culvert_resumes", "How often a session went on over a new connection.", |figures| figures.resumes)?;
    all.counters("culvert_reconnects", "Tries to connect that followed another one, by why.", "cause", |figures| {
        figures.reconnects.iter().map(|(code, count)| (*code, *count)).collect()
    })?;
    all.gauge("culvert_sessions", "Who has a session on it, where the gateway tells.", |tunnel| {
        match &*tunnel.view.status.borrow() {
            Status::Online(online) => Some(online.in_use_by.len() as f64),
            _ => None,
        }
    })?;
    all.histogram("culvert_round_trip_seconds", "From a heartbeat to its acknowledgement.", |figures| {
        &figures.round_trips
    })?;
    all.gauge("culvert_token_expires_seconds", "How long the token is still good for.", |tunnel| {
        let expiry = tunnel.view.token.borrow().expiry;
        expiry.map(|expiry| expiry.expires_in(SystemTime::now()).as_secs_f64())
    })
}

fn messages(all: &mut Writer<'_, '_>) -> fmt::Result {
    all.counters("culvert_messages", "MCP messages that passed.", "direction", |figures| {
        vec![("to_server", figures.to_server.messages), ("from_server", figures.from_server.messages)]
    })?;
    all.counters("culvert_message_bytes", "Bytes of MCP messages that passed.", "direction", |figures| {
        vec![("to_server", figures.to_server.bytes), ("from_server", figures.from_server.bytes)]
    })?;
    all.gauge("culvert_queued_to_server_bytes", "Bytes that wait for the local server.", |tunnel| {
        Some(tunnel.figures.queued_to_server as f64)
    })?;
    all.gauge("culvert_queued_from_server_bytes", "Bytes that wait for the link.", |tunnel| {
        Some(tunnel.figures.queued_from_server as f64)
    })
}

fn calls(all: &mut Writer<'_, '_>) -> fmt::Result {
    all.counters("culvert_calls", "Calls that are over.", "method", |figures| by_method(figures, |of| of.calls))?;
    all.counters("culvert_call_errors", "Calls that were answered with an error.", "method", |figures| {
        by_method(figures, |of| of.errors)
    })?;
    all.counters("culvert_calls_cancelled", "Calls that their callers cancelled.", "method", |figures| {
        by_method(figures, |of| of.cancelled)
    })?;
    all.counters(
        "culvert_calls_unanswered",
        "Calls that ended with the server, the caller or the link.",
        "method",
        |figures| by_method(figures, |of| of.unanswered),
    )?;
    all.gauge("culvert_calls_in_flight", "Calls that are not over.", |tunnel| Some(tunnel.figures.in_flight as f64))?;
    all.counter("culvert_late_answers", "Answers that came when nobody waited any more.", |figures| {
        figures.late_answers
    })?;
    all.histogram("culvert_call_seconds", "From a call to its answer, at the local server's end.", |figures| {
        &figures.calls
    })
}

fn servers(all: &mut Writer<'_, '_>) -> fmt::Result {
    all.counter("culvert_server_exits", "Local servers that ended by themselves.", |figures| figures.exits)?;
    all.counter("culvert_server_restarts", "Local servers that were started again because of that.", |figures| {
        figures.restarts
    })
}

/// Only methods that were called: twenty times nothing for each tunnel helps nobody.
fn by_method(
    figures: &FiguresSnapshot,
    read: impl Fn(&culvert_tunnel::figures::MethodSnapshot) -> u64,
) -> Vec<(&'static str, u64)> {
    let called = figures.methods.iter().filter(|(_, of)| of.calls > 0);
    called.map(|(method, of)| (method.name(), read(of))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_documented_and_no_other() {
        let text = Metrics::new(Arc::default(), SystemTime::UNIX_EPOCH).into_text().unwrap();
        let document = include_str!("../../../../docs/operations.md");
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let names: Vec<_> = types
            .filter(|(name, _)| !matches!(*name, "culvert_build" | "culvert_start_time_seconds"))
            .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
            .collect();
        assert!(names.len() > 15, "{text}");
        for name in &names {
            assert!(document.contains(&format!("`{name}`")) || document.contains(&format!("`{name}{{")), "{name}");
        }
        let documented = document.split("`culvert_").skip(1).filter_map(|rest| rest.split(['`', '{']).next());
        for name in documented {
            assert!(names.contains(&format!("culvert_{name}")), "culvert_{name} is no figure");
        }
    }
}

//! The gateway's figures as OpenMetrics text, which Prometheus reads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use culvert_link::Carriage;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::counts::place;
use crate::front::{CallCounts, FrontCounts, MethodCounts};
use crate::house::House;
use crate::publish::{Publishing, Standing};
use crate::registry::RegistryFigures;
use crate::tls::Tls;

/// The text; `None` should it not let itself be written.
pub(super) fn of(house: &Arc<House>, begun: SystemTime) -> Option<String> {
    let look = Look {
        registry: house.registry.figures(),
        front: house.front.counts(),
        calls: house.front.calls(),
        house: house.clone(),
        begun,
    };
    let mut registry = Registry::with_prefix("culvert_gateway");
    registry.register_collector(Box::new(look));
    let mut body = String::new();
    text::encode(&mut body, &registry).ok()?;
    Some(body)
}

/// One look at everything.
#[derive(Debug)]
struct Look {
    registry: RegistryFigures,
    front: FrontCounts,
    calls: CallCounts,
    house: Arc<House>,
    begun: SystemTime,
}

/// Writes families one after the other.
struct Writer<'e>(DescriptorEncoder<'e>);

impl Writer<'_> {
    fn family<'m>(
        &'m mut self,
        name: &'m str,
        help: &'m str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'m>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    fn by_code(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        counts: &BTreeMap<&'static str, u64>,
    ) -> fmt::Result {
        self.counters(name, help, counts.iter().map(|(code, count)| ([(label, *code)], *count)))
    }
}

impl Collector for Look {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut all = Writer(encoder);
        self.process(&mut all)?;
        self.tunnels(&mut all)?;
        self.links(&mut all)?;
        self.sessions(&mut all)?;
        self.calls(&mut all)?;
        self.refusals(&mut all)?;
        self.publishing(&mut all)
    }
}

impl Look {
    fn process(&self, all: &mut Writer<'_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        all.family("build", "What runs.", MetricType::Info)?.encode_info(&version.as_slice())?;
        let begun = self.begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        all.gauge("start_time_seconds", "When it was started, in Unix time.", begun)?;
        let limit = self.house.limits.connections;
        let open = limit.saturating_sub(self.house.places.available_permits());
        all.gauge("connections", "Connections that are open, links included.", open as f64)?;
        all.gauge("connections_limit", "Connections that may be open.", limit as f64)?;
        if let Some(end) = self.house.tls.as_ref().and_then(Tls::good_until) {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64();
            all.gauge("certificate_expires_seconds", "How long the certificate is still good for.", left)?;
        }
        let is_written = f64::from(u8::from(self.house.registry.is_written()));
        all.gauge("catalog_ok", "Whether the catalog is on disk as it was when it changed last.", is_written)
    }

    fn tunnels(&self, all: &mut Writer<'_>) -> fmt::Result {
        let of = |over: Carriage| {
            let states = [
                ("online", self.registry.connected[place(over)]),
                ("waiting", self.registry.waiting[place(over)]),
                ("registering", self.house.counts.now_registering(over)),
            ];
            states.map(|(state, count)| ([("state", state.to_owned()), ("transport", over.to_string())], count as f64))
        };
        let tunnels = [Carriage::WebSocket, Carriage::Sse].into_iter().flat_map(of);
        all.gauges("tunnels", "Tunnels, by state and by what carries them.", tunnels)?;
        let servers = [("online", self.registry.online), ("offline", self.registry.offline)];
        let servers = servers.map(|(state, count)| ([("state", state)], count as f64));
        all.gauges("servers", "Servers in the catalog.", servers)?;
        let counts = &self.house.counts;
        let (registrations, resumes) = (&counts.registrations, &counts.resumes);
        all.counter("registrations", "Servers that tunnels have brought.", registrations.load(Ordering::Relaxed))?;
        all.counter(
            "resumes",
            "Sessions of tunnels that went on over a new connection.",
            resumes.load(Ordering::Relaxed),
        )?;
        all.by_code("resumes_refused", "Tries at that which were refused.", "reason", &counts.refused_resumes.all())?;
        all.by_code("links_ended", "Links that are over, by why.", "cause", &counts.ends.all())
    }

    fn links(&self, all: &mut Writer<'_>) -> fmt::Result {
        let passed = self.registry.passed;
        let both = |to_server, from_server| {
            [([("direction", "to_server")], to_server), ([("direction", "from_server")], from_server)]
        };
        let messages = both(passed.to_server.messages, passed.from_server.messages);
        all.counters("link_messages", "Messages of links that passed; one may hold many of MCP's.", messages)?;
        let bytes = both(passed.to_server.bytes, passed.from_server.bytes);
        all.counters("link_bytes", "Bytes of links' messages that passed.", bytes)?;
        let unacknowledged = self.registry.unacknowledged as f64;
        all.gauge("unacknowledged_bytes", "Bytes kept until tunnels have acknowledged them.", unacknowledged)?;
        let (servers, clients) = (self.front.queued_to_servers, self.front.queued_to_clients);
        all.gauge("queued_to_servers_bytes", "Bytes that wait for tunnels to take them.", servers as f64)?;
        all.gauge("queued_to_clients_bytes", "Bytes that wait for MCP clients to read them.", clients as f64)
    }

    fn sessions(&self, all: &mut Writer<'_>) -> fmt::Result {
        let limit = self.house.front.limits().max_sessions as f64;
        all.gauge("sessions", "MCP sessions that are open.", self.front.sessions as f64)?;
        all.gauge("sessions_limit", "MCP sessions that may be open.", limit)?;
        let principals = self.front.principals as f64;
        all.gauge("stateless_clients", "Subjects with a process for requests that stand alone.", principals)?;
        all.counter("late_answers", "Messages of servers that nobody waited for.", self.front.late)?;
        all.counter("dropped_messages", "Messages dropped because no client fetched them.", self.front.dropped)
    }

    fn calls(&self, all: &mut Writer<'_>) -> fmt::Result {
        let by_method = |read: fn(&MethodCounts) -> u64| {
            // Only methods that were called: twenty times nothing helps nobody.
            let called = self.calls.methods.iter().filter(|(_, of)| of.calls > 0);
            called.map(move |(method, of)| ([("method", method.name())], read(of))).collect::<Vec<_>>()
        };
        all.counters("calls", "Calls that are over.", by_method(|of| of.calls))?;
        all.counters("call_errors", "Calls that the server answered with an error.", by_method(|of| of.errors))?;
        all.counters("calls_cancelled", "Calls that their callers gave up.", by_method(|of| of.cancelled))?;
        let unanswered = by_method(|of| of.unanswered);
        all.counters("calls_unanswered", "Calls that timed out, or ended with the server or the tunnel.", unanswered)?;
        all.gauge("calls_in_flight", "Calls that are not over.", self.front.in_flight as f64)?;
        let times = &self.calls.times;
        let mut buckets: Vec<_> = times.buckets.iter().map(|(bound, count)| (bound.as_secs_f64(), *count)).collect();
        buckets.push((f64::MAX, times.longer));
        all.family("call_seconds", "From a call's arrival to its answer.", MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(times.sum.as_secs_f64(), times.count(), &buckets, None)
    }

    fn refusals(&self, all: &mut Writer<'_>) -> fmt::Result {
        let mut refusals = self.calls.refusals.clone();
        for (code, count) in self.house.counts.denials.all() {
            *refusals.entry(code).or_default() += count;
        }
        all.by_code("refusals", "Requests that were turned away, by code.", "code", &refusals)
    }

    fn publishing(&self, all: &mut Writer<'_>) -> fmt::Result {
        let Some(publishing) = self.house.publishing.as_ref().map(|watch| *watch.borrow()) else { return Ok(()) };
        let is_well = f64::from(u8::from(publishing.standing == Standing::Well));
        all.gauge("publishing_ok", "Whether ContextForge answers, and takes the token.", is_well)?;
        let Publishing { enabled, disabled, troubled, .. } = publishing;
        let states = [("enabled", enabled), ("disabled", disabled), ("troubled", troubled)];
        let states = states.map(|(state, count)| ([("state", state)], count as f64));
        all.gauges("published", "Servers published in ContextForge.", states)
    }
}

#[cfg(test)]
mod tests {
    /// What is here and what is told about it must not drift apart.
    #[test]
    fn every_figure_is_documented_and_no_other() {
        let source = include_str!("text.rs").split("#[cfg(test)]").next().unwrap_or_default();
        let source: String = source.split_whitespace().collect();
        let document = include_str!("../../../../docs/gateway.md");
        let named = |calls: &[&str], suffix: &str| -> Vec<String> {
            let each = |call: &&str| {
                source
                    .split(&format!("all.{call}(\""))
                    .skip(1)
                    .map(|rest| format!("culvert_gateway_{}{suffix}", rest.split('"').next().unwrap_or_default()))
                    .collect::<Vec<_>>()
            };
            calls.iter().flat_map(each).collect()
        };
        let mut figures = named(&["counter", "counters", "by_code"], "_total");
        figures.extend(named(&["gauge", "gauges"], ""));
        figures.push("culvert_gateway_call_seconds".to_owned());
        assert!(figures.len() > 20, "{figures:?}");
        let documented: Vec<_> =
            document.split("`culvert_gateway_").skip(1).filter_map(|rest| rest.split(['`', '{']).next()).collect();
        for figure in &figures {
            let figure = figure.strip_prefix("culvert_gateway_").unwrap_or_default();
            assert!(documented.contains(&figure) || figure == "start_time_seconds", "{figure} is not documented");
        }
        for name in documented {
            assert!(figures.contains(&format!("culvert_gateway_{name}")), "{name} is no figure");
        }
    }
}

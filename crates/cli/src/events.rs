//! What `--json` prints on stdout: an event a line, each with its kind and time.

use std::net::SocketAddr;

use culvert_protocol::Explain;
use culvert_tunnel::{Carriage, Notice, Status, TunnelConfig};
use serde::Serialize;
use tokio::time::Instant;

use crate::exit::Exit;
use crate::moment;

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    time: String,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Status {
        name: &'a str,
        gateway: &'a str,
        status: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<Words>,
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_in_ms: Option<u64>,
    },
    Online {
        name: &'a str,
        tools: Option<usize>,
        gateway: &'a str,
        url: Option<&'a str>,
        session: &'a str,
        transport: String,
    },
    Transport {
        name: &'a str,
        gateway: &'a str,
        transport: String,
    },
    InUse {
        name: &'a str,
        gateway: &'a str,
        callers: &'a [String],
    },
    Notice {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        gateway: Option<&'a str>,
        #[serde(flatten)]
        words: Words,
    },
    Listening {
        listen: SocketAddr,
        url: &'a str,
        /// Where the figures are.
        #[serde(skip_serializing_if = "Option::is_none")]
        metrics: Option<SocketAddr>,
    },
    Failed {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        gateway: Option<&'a str>,
        #[serde(flatten)]
        words: Words,
        exit: u8,
    },
}

#[derive(Serialize)]
struct Words {
    code: &'static str,
    message: String,
    action: String,
}

impl From<&dyn Explain> for Words {
    fn from(thing: &dyn Explain) -> Self {
        Self { code: thing.code(), message: thing.to_string(), action: thing.action().into_owned() }
    }
}

fn line(event: &'static str, body: Body<'_>) -> String {
    // Texts, numbers and nothing else: there is no value that JSON could not hold.
    serde_json::to_string(&Line { event, time: moment::now(), body }).unwrap_or_default()
}

/// The first event of a gateway: where it listens, and its address for others.
pub(crate) fn listening(listen: SocketAddr, url: &str, metrics: Option<SocketAddr>) -> String {
    line("listening", Body::Listening { listen, url, metrics })
}

/// Something about the configuration, which is no one gateway's business.
pub(crate) fn notice(name: &str, notice: &dyn Explain) -> String {
    line("notice", Body::Notice { name, gateway: None, words: notice.into() })
}

/// The last event of a `run` that ends by itself; `tunnel` is the name and the gateway that it is about, if it is about
/// one.
pub(crate) fn failed(tunnel: Option<(&str, &str)>, error: &dyn Explain, exit: Exit) -> String {
    let (name, gateway) = tunnel.unzip();
    line("failed", Body::Failed { name, gateway, words: error.into(), exit: exit.code() })
}

/// Tells one tunnel's story in events.
pub(crate) struct Events {
    name: String,
    gateway: String,
    url: String,
    online: Option<Instant>,
    transport: Option<Carriage>,
    notices: Vec<Notice>,
    callers: Vec<String>,
}

impl Events {
    /// For the tunnel of `config`.
    pub(crate) fn new(config: &TunnelConfig) -> Self {
        Self {
            name: config.name.to_string(),
            gateway: config.gateway.to_string(),
            url: config.gateway.mcp_url(config.name.as_str()),
            online: None,
            transport: None,
            notices: Vec::new(),
            callers: Vec::new(),
        }
    }

    /// The lines that a status gives; none for what was told before.
    pub(crate) fn status(&mut self, status: &Status, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        let Status::Online(online) = status else {
            self.online = None;
            let (attempt, retry_in_ms) = match status {
                Status::Waiting { attempt, retry_at, .. } => {
                    let wait = retry_at.saturating_duration_since(now).as_millis();
                    (Some(*attempt), Some(u64::try_from(wait).unwrap_or(u64::MAX)))
                }
                _ => (None, None),
            };
            let cause = status.cause().map(|cause| Words::from(cause as &dyn Explain));
            lines.push(self.status_line(status, cause, attempt, retry_in_ms));
            return lines;
        };
        if self.online.replace(online.since) != Some(online.since) {
            self.notices.clear();
            lines.push(self.status_line(status, None, None, None));
            let url = (!online.notices.contains(&Notice::NoRouting)).then_some(self.url.as_str());
            let (name, gateway, session) = (&self.name, &self.gateway, &online.session);
            let (tools, transport) = (online.tools, online.transport.to_string());
            lines.push(line("online", Body::Online { name, tools, gateway, url, session, transport }));
        } else if self.transport != Some(online.transport) {
            let (name, gateway, transport) = (&self.name, &self.gateway, online.transport.to_string());
            lines.push(line("transport", Body::Transport { name, gateway, transport }));
        }
        self.transport = Some(online.transport);
        for notice in online.notices.iter().filter(|notice| !self.notices.contains(notice)) {
            let (name, gateway) = (&self.name, Some(self.gateway.as_str()));
            lines.push(line("notice", Body::Notice { name, gateway, words: (notice as &dyn Explain).into() }));
        }
        self.notices.clone_from(&online.notices);
        // Over a broken link sessions go on: what changed shows once it is back.
        if self.callers != online.in_use_by {
            self.callers.clone_from(&online.in_use_by);
            let (name, gateway, callers) = (&self.name, &self.gateway, &self.callers);
            lines.push(line("in_use", Body::InUse { name, gateway, callers }));
        }
        lines
    }

    fn status_line(
        &self,
        status: &Status,
        cause: Option<Words>,
        attempt: Option<u32>,
        retry_in_ms: Option<u64>,
    ) -> String {
        let (name, gateway) = (&self.name, &self.gateway);
        line("status", Body::Status { name, gateway, status: status.word(), cause, attempt, retry_in_ms })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use culvert_protocol::Cause;
    use culvert_tunnel::Online;
    use serde_json::{Value, json};

    use super::*;
    use crate::sample;

    fn events() -> Events {
        Events::new(&sample::tunnel("server", "wss://gw.example.com/x/reverse-proxy/ws", "my git"))
    }

    /// The lines as JSON, each without its time once that was checked.
    fn parsed(lines: &[String]) -> Vec<Value> {
        let parse = |line: &String| {
            let mut value: Value = serde_json::from_str(line).unwrap();
            let time = value.as_object_mut().unwrap().remove("time").unwrap();
            assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
            value
        };
        lines.iter().map(parse).collect()
    }

    #[test]
    fn each_status_is_an_event() {
        let (mut events, now) = (events(), Instant::now());
        let starting = events.status(&Status::Starting { since: now }, now);
        assert_eq!(
            parsed(&starting),
            [json!({"event": "status", "name": "my git", "gateway": "https://gw.example.com/x", "status": "starting"})]
        );
        let waiting = Status::Waiting {
            attempt: 2,
            retry_at: now + Duration::from_millis(1500),
            cause: Cause::Refused { gateway: "https://gw".to_owned() },
        };
        assert_eq!(
            parsed(&events.status(&waiting, now)),
            [json!({
                "event": "status", "name": "my git", "gateway": "https://gw.example.com/x", "status": "waiting",
                "attempt": 2, "retry_in_ms": 1500,
                "cause": {
                    "code": "gateway.refused",
                    "message": "Connection refused: nothing listens at https://gw",
                    "action": "Check the gateway's URL and the network."
                }
            })]
        );
    }

    #[test]
    fn getting_online_is_told_once_each_time() {
        let (mut events, now) = (events(), Instant::now());
        let mut online = Online {
            since: now,
            transport: Carriage::WebSocket,
            session: "s1".to_owned(),
            server: culvert_tunnel::Server::Ready,
            tools: Some(2),
            round_trip: None,
            in_use_by: vec![],
            notices: vec![],
        };
        let first = parsed(&events.status(&Status::Online(online.clone()), now));
        assert_eq!((&first[0]["event"], &first[0]["status"]), (&json!("status"), &json!("online")));
        assert_eq!(
            first[1..],
            [json!({
                "event": "online", "name": "my git", "tools": 2, "gateway": "https://gw.example.com/x",
                "url": "https://gw.example.com/x/servers/my%20git/mcp", "session": "s1", "transport": "ws"
            })]
        );
        online.round_trip = Some(Duration::from_millis(3));
        assert!(events.status(&Status::Online(online.clone()), now).is_empty());
        online.transport = Carriage::Sse;
        assert_eq!(
            parsed(&events.status(&Status::Online(online.clone()), now)),
            [
                json!({"event": "transport", "name": "my git", "gateway": "https://gw.example.com/x", "transport": "sse"})
            ]
        );
        events.status(&Status::Connecting, now);
        online.notices.push(Notice::NoRouting);
        online.tools = None;
        let again = parsed(&events.status(&Status::Online(online), now));
        assert_eq!(again[1]["url"], Value::Null);
        assert_eq!(again[1]["tools"], Value::Null);
        assert_eq!((&again[2]["event"], &again[2]["code"]), (&json!("notice"), &json!("gateway.no_routing")));
        assert_eq!(again[2]["gateway"], "https://gw.example.com/x");
    }

    #[test]
    fn who_uses_it_is_told_at_each_change() {
        let (mut events, now) = (events(), Instant::now());
        let mut online = Online {
            since: now,
            transport: Carriage::WebSocket,
            session: "s1".to_owned(),
            server: culvert_tunnel::Server::Ready,
            tools: None,
            round_trip: None,
            in_use_by: vec![],
            notices: vec![],
        };
        let mut told = |callers: &[&str], status: fn(Online) -> Status| {
            online.in_use_by = callers.iter().map(|caller| (*caller).to_owned()).collect();
            let lines = parsed(&events.status(&status(online.clone()), now));
            lines
                .into_iter()
                .filter(|line| line["event"] == "in_use")
                .map(|line| line["callers"].clone())
                .collect::<Vec<_>>()
        };
        let none: Vec<Value> = vec![];
        assert_eq!(told(&[], Status::Online), none);
        assert_eq!(told(&["claude 1.2"], Status::Online), [json!(["claude 1.2"])]);
        assert_eq!(told(&["claude 1.2"], Status::Online), none);
        assert_eq!(told(&["claude 1.2", "claude 1.2"], Status::Online), [json!(["claude 1.2", "claude 1.2"])]);
        assert_eq!(told(&[], |_| Status::Connecting), none, "sessions outlive a broken link");
        assert_eq!(told(&["claude 1.2", "claude 1.2"], Status::Online), none);
        assert_eq!(told(&[], Status::Online), [json!([])]);
    }

    #[test]
    fn a_gateway_tells_where_it_listens() {
        let value = parsed(&[listening("127.0.0.1:80".parse().unwrap(), "http://gw", None)]);
        assert_eq!(value, [json!({"event": "listening", "listen": "127.0.0.1:80", "url": "http://gw"})]);
    }

    #[test]
    fn the_last_event_tells_the_exit_code() {
        let error = Cause::ServerSilent { after: Duration::from_secs(120), stderr: String::new() };
        let value = parsed(&[failed(None, &error, Exit::from(&error))]);
        assert_eq!((&value[0]["event"], &value[0]["exit"]), (&json!("failed"), &json!(5)));
        assert!(value[0].get("name").is_none() && value[0].get("gateway").is_none());
        let value = parsed(&[failed(Some(("git", "https://gw")), &error, Exit::from(&error))]);
        assert_eq!((&value[0]["name"], &value[0]["gateway"]), (&json!("git"), &json!("https://gw")));
    }
}

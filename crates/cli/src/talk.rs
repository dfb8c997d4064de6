//! What `run` says on stderr while it goes: each change once, in a sentence; on a screen also what it waits for.

use std::collections::BTreeSet;
use std::time::Duration;

use culvert_protocol::Explain as _;
use culvert_tunnel::{Carriage, LocalServer, Notice, Online, Status, TunnelConfig};
use tokio::time::Instant;

use crate::exit::explained;
use crate::moment;
use crate::terminal::{Kind, Mood, Terminal};

/// How long a start or a wait is no news.
const PATIENCE: Duration = Duration::from_secs(2);

/// When a slow start is mentioned where no progress can be shown.
const REMINDERS: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(60)];

/// Programs that fetch a server before they start it.
const FETCHERS: [&str; 9] = ["uvx", "uv", "pipx", "npx", "npm", "pnpm", "bunx", "docker", "podman"];

/// How long nobody must have left before it is said who is still there: many clients come back for each call.
const STILL_THERE: Duration = Duration::from_secs(5);

/// Whether there are other tunnels, so that each line must say whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// No.
    Alone,
    /// Yes: one for each gateway, of the same server.
    Gateways,
    /// Yes: one for each server.
    Servers,
    /// Yes: several servers, some at several gateways.
    Both,
}

/// Tells one tunnel's story.
pub(crate) struct Talk {
    terminal: Terminal,
    name: String,
    gateway: String,
    url: String,
    company: Company,
    server: Server,
    phase: Phase,
    /// The cause that was last told: one that comes again is the same news.
    told: Option<&'static str>,
    notices: BTreeSet<&'static str>,
    first_online: bool,
    online: Option<Instant>,
    transport: Option<Carriage>,
    lost: Option<Instant>,
    /// Who was last said to use it.
    users: BTreeSet<String>,
    /// Who uses it now, where that is not said yet, and when it will be.
    left: Option<(BTreeSet<String>, Instant)>,
    /// Whether it was said that it stopped, or why: the end of all is no news then.
    stopped: bool,
}

/// The local server as the user knows it.
enum Server {
    /// This program is started.
    Program(String),
    /// Something at this address runs already.
    Address(String),
}

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Nothing,
    Starting { since: Instant, reminded: usize },
    Connecting,
    Waiting { retry_at: Instant, attempt: u32 },
}

impl Talk {
    /// For the tunnel of `config`. Notices with the codes `told` are known already.
    pub(crate) fn new(
        terminal: Terminal,
        config: &TunnelConfig,
        company: Company,
        told: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let server = match &config.server {
            LocalServer::Stdio(command) => {
                let program = command.program.rsplit(['/', '\\']).next().unwrap_or(&command.program);
                Server::Program(culvert_protocol::text::clean(program, 40))
            }
            LocalServer::StreamableHttp { url, .. } | LocalServer::Sse { url, .. } => Server::Address(url.to_string()),
        };
        let (name, gateway) = (config.name.to_string(), config.gateway.to_string());
        Self {
            terminal: terminal.about(&name, &gateway),
            name,
            gateway,
            url: config.gateway.mcp_url(config.name.as_str()),
            company,
            server,
            phase: Phase::Nothing,
            told: None,
            notices: told.into_iter().collect(),
            first_online: true,
            online: None,
            transport: None,
            lost: None,
            users: BTreeSet::new(),
            left: None,
            stopped: false,
        }
    }

    /// Tells a new status, and returns when to tick next.
    pub(crate) fn status(&mut self, status: &Status, now: Instant) -> Option<Instant> {
        // What was waited for is over.
        self.terminal.progress("");
        if !matches!(status, Status::Online(_)) && self.online.take().is_some() {
            self.lost = Some(now);
        }
        self.stopped &= matches!(status, Status::Stopped { .. } | Status::Stopping);
        match status {
            Status::Starting { since } => {
                self.phase = Phase::Starting { since: *since, reminded: 0 };
                if self.first_online && self.told.is_none() && self.terminal.kind() == Kind::Lines {
                    self.say(Mood::Info, &self.starting(Verb::Begins, Duration::ZERO));
                }
            }
            Status::Connecting | Status::Registering => self.phase = Phase::Connecting,
            Status::Online(online) => self.online(online, now),
            Status::Waiting { attempt, retry_at, cause } => {
                self.phase = Phase::Waiting { retry_at: *retry_at, attempt: *attempt };
                if self.told != Some(cause.code()) {
                    self.told = Some(cause.code());
                    let wait = retry_at.saturating_duration_since(now);
                    let next = match wait < Duration::from_secs(1) {
                        true => "trying again now".to_owned(),
                        false => format!("trying again in {}", moment::seconds(wait)),
                    };
                    let text = format!("{cause} [{}]; {next}\n  → {}", cause.code(), cause.action());
                    self.say(Mood::Warning, &text);
                }
            }
            Status::Off | Status::Stopping => self.phase = Phase::Nothing,
            Status::Stopped { cause } => {
                self.phase = Phase::Nothing;
                let was_told = std::mem::replace(&mut self.stopped, true);
                match cause {
                    None if was_told => {}
                    None => self.say(Mood::Info, "stopped"),
                    // It is the last word of the program itself.
                    Some(_) if self.company == Company::Alone => {}
                    Some(cause) => self.say(Mood::Warning, &format!("stopped: {}", explained(cause, "  "))),
                }
            }
        }
        self.tick(now)
    }

    fn online(&mut self, online: &Online, now: Instant) {
        self.phase = Phase::Nothing;
        self.told = None;
        let is_new = self.online != Some(online.since);
        self.online = Some(online.since);
        let routes = !online.notices.contains(&Notice::NoRouting);
        if is_new && self.first_online {
            self.first_online = false;
            let tools = tools(online.tools);
            let url = if routes { format!("\n  MCP clients: {}", self.url) } else { String::new() };
            let place = match self.company {
                Company::Alone | Company::Servers => format!(" at {}", self.gateway),
                Company::Gateways | Company::Both => String::new(),
            };
            self.say(Mood::Info, &format!("online as {:?}{place}{}, {tools}{url}", self.name, over(online.transport)));
        } else if is_new {
            let gap = self.lost.map(|lost| format!(" after {}", moment::seconds(now.saturating_duration_since(lost))));
            self.say(Mood::Info, &format!("online again{}{}", over(online.transport), gap.unwrap_or_default()));
        } else if self.transport != Some(online.transport) {
            let text = match online.transport {
                Carriage::WebSocket => "the link is on WebSocket again",
                Carriage::Sse => "the link goes over SSE now",
            };
            self.say(Mood::Info, text);
        }
        self.transport = Some(online.transport);
        for notice in &online.notices {
            if self.notices.insert(notice.code()) {
                self.say(Mood::Warning, &explained(notice, "  "));
            }
        }
        self.in_use(&online.in_use_by, now);
    }

    /// Who comes is told at once, who leaves only when nobody came back soon.
    fn in_use(&mut self, callers: &[String], now: Instant) {
        let users: BTreeSet<_> = callers.iter().cloned().collect();
        if users == self.users {
            self.left = None;
        } else if !users.is_subset(&self.users) {
            self.tell_users(users);
        } else if self.left.as_ref().is_none_or(|(left, _)| *left != users) {
            self.left = Some((users, now + STILL_THERE));
        }
    }

    fn tell_users(&mut self, users: BTreeSet<String>) {
        let text = match users.is_empty() {
            true => "no longer in use".to_owned(),
            false => format!("in use by {}", users.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        self.say(Mood::Info, &text);
        self.users = users;
        self.left = None;
    }

    fn say(&self, mood: Mood, text: &str) {
        match self.company {
            Company::Alone => self.terminal.say(mood, text),
            Company::Gateways => self.terminal.say(mood, &format!("{}: {text}", self.gateway)),
            Company::Servers => self.terminal.say(mood, &format!("{}: {text}", self.name)),
            Company::Both => self.terminal.say(mood, &format!("{} at {}: {text}", self.name, self.gateway)),
        }
    }

    /// Says what is due at `now`, brings the line of progress up to it, and returns when to do so again.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Instant> {
        if let Some((users, _)) = self.left.take_if(|(_, due)| *due <= now) {
            self.tell_users(users);
        }
        let due = self.left.as_ref().map(|(_, due)| *due);
        self.progress(now).into_iter().chain(due).min()
    }

    fn progress(&mut self, now: Instant) -> Option<Instant> {
        let is_screen = matches!(self.terminal.kind(), Kind::Screen(_));
        match self.phase {
            Phase::Nothing => {
                self.terminal.progress("");
                None
            }
            Phase::Starting { since, reminded } if !is_screen => {
                let due = REMINDERS.get(reminded).map(|after| since + *after)?;
                if now < due {
                    return Some(due);
                }
                self.phase = Phase::Starting { since, reminded: reminded + 1 };
                let text = self.starting(Verb::GoesOn, now - since);
                self.say(Mood::Info, &text);
                REMINDERS.get(reminded + 1).map(|after| since + *after)
            }
            Phase::Starting { since, .. } => {
                let elapsed = now.saturating_duration_since(since);
                let text = self.starting(Verb::Begins, elapsed);
                self.terminal.progress(&text);
                // On the second, so that no number is skipped.
                Some(since + Duration::from_secs(elapsed.as_secs() + 1))
            }
            Phase::Connecting => {
                self.terminal.progress(&format!("connecting to {}", self.gateway));
                None
            }
            Phase::Waiting { retry_at, attempt } if is_screen => {
                let left = retry_at.saturating_duration_since(now);
                if left.is_zero() {
                    return None;
                }
                self.terminal.progress(&format!("next try in {} ({attempt} failed)", moment::seconds(left)));
                Some(retry_at - Duration::from_secs(left.as_secs().saturating_sub(u64::from(left.subsec_nanos() == 0))))
            }
            Phase::Waiting { .. } => None,
        }
    }

    fn starting(&self, verb: Verb, elapsed: Duration) -> String {
        let (word, server) = match &self.server {
            Server::Program(program) => ("starting", program),
            Server::Address(url) => ("asking", url),
        };
        let word = if verb == Verb::GoesOn { format!("still {word}") } else { word.to_owned() };
        if elapsed < PATIENCE {
            return format!("{word} the local server ({server})");
        }
        let fetches = FETCHERS.contains(&server.trim_end_matches(".exe"));
        let doubt = if fetches { " may be downloading…" } else { "" };
        format!("{word} the local server ({server}{doubt}) {} s", elapsed.as_secs())
    }
}

/// How far a start is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Begins,
    GoesOn,
}

/// How the link is carried, where that is not as usual.
fn over(transport: Carriage) -> &'static str {
    match transport {
        Carriage::WebSocket => "",
        Carriage::Sse => " over SSE",
    }
}

fn tools(count: Option<usize>) -> String {
    match count {
        None => "no tools".to_owned(),
        Some(1) => "1 tool".to_owned(),
        Some(count) => format!("{count} tools"),
    }
}

#[cfg(test)]
mod tests;

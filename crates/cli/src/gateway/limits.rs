//! The flags for what bounds a gateway, all together and for each subject. Each has its row in docs/security.md.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use culvert_gateway::config::{GatewayLimits, SubjectLimits};
use culvert_profiles::{Key, bytes, seconds};

use crate::args::about;

/// What bounds it. The help names the defaults in its own words, so that each flag is a line or two.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    #[arg(long, value_name = "BYTES", value_parser = bytes, allow_negative_numbers = true,
        help = about(Key::MaxMessageSize, "The largest frame of a tunnel, and HTTP body"))]
    max_message_size: Option<usize>,

    /// The largest head of a request, in bytes; at least 8192 [default: 65536]
    #[arg(long, value_name = "BYTES", value_parser = head())]
    max_head_size: Option<usize>,

    /// How many headers a request may have [default: 100]
    #[arg(long, value_name = "N", value_parser = headers())]
    max_headers: Option<usize>,

    /// How many connections may be open, tunnels included; more wait [default: 8192]
    #[arg(long, value_name = "N", value_parser = count())]
    max_connections: Option<usize>,

    /// How many MCP sessions may be open [default: 4096]
    #[arg(long, value_name = "N", value_parser = count())]
    max_sessions: Option<usize>,

    /// How many calls of one MCP session may be in flight [default: 1024]
    #[arg(long, value_name = "N", value_parser = count())]
    session_calls: Option<usize>,

    /// How much may wait on a stream for an MCP client that does not read, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES", value_parser = bytes, allow_negative_numbers = true)]
    session_backlog: Option<usize>,

    /// How long an MCP session may be unused, with no call and no open stream, in seconds [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    session_idle: Option<Duration>,

    /// After how long without use a session makes room at a tunnel that takes no more, in seconds [default: 120]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    session_abandoned: Option<Duration>,

    /// How many calls may be in flight at a process that MCP clients share [default: 8192]
    #[arg(long, value_name = "N", value_parser = count())]
    shared_calls: Option<usize>,

    /// How long a call of an MCP client may go without answer or progress, in seconds [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    request_timeout: Option<Duration>,

    /// How long the answer to a message may take that is passed on beside all sessions, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    relay_timeout: Option<Duration>,

    /// How long a client may take to send a request, or to read on, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    slow_client: Option<Duration>,

    /// How long a tunnel whose connection broke may take to come back; its calls wait as long [default: 120]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    grace: Option<Duration>,

    /// How long open connections have to end once the gateway stops, in seconds [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    drain: Option<Duration>,

    /// How many requests one subject may send in a second; 0: any number [default: 50000]
    #[arg(long, value_name = "N", help_heading = "Limits of each subject")]
    subject_requests: Option<u32>,

    /// How many connections one subject may have open [default: 4096]
    #[arg(long, value_name = "N", value_parser = count(), help_heading = "Limits of each subject")]
    subject_connections: Option<usize>,

    /// How much one subject may be sending at once, in bytes; one message alone may be larger [default: 268435456]
    #[arg(long, value_name = "BYTES", value_parser = bytes, allow_negative_numbers = true,
        help_heading = "Limits of each subject")]
    subject_bodies: Option<usize>,

    /// How many tunnels one subject may have [default: 1024]
    #[arg(long, value_name = "N", value_parser = count(), help_heading = "Limits of each subject")]
    subject_tunnels: Option<usize>,

    /// How many MCP sessions one subject may have open [default: 1024]
    #[arg(long, value_name = "N", value_parser = count(), help_heading = "Limits of each subject")]
    subject_sessions: Option<usize>,

    /// How many servers of one subject are remembered, online or not [default: 1000]
    #[arg(long, value_name = "N", value_parser = count(), help_heading = "Limits of each subject")]
    subject_servers: Option<usize>,
}

/// More than a machine has room for is a slip.
fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000)
}

fn head() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(8 * 1024..=16 * 1024 * 1024)
}

/// A plain request of a client has ten or so; what parses them keeps room for all in advance.
fn headers() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(20..=10_000)
}

impl LimitArgs {
    /// The limits, the rest as by default.
    pub(super) fn limits(&self) -> GatewayLimits {
        let usual = GatewayLimits::default();
        GatewayLimits {
            max_message: self.max_message_size.unwrap_or(usual.max_message),
            head: self.max_head_size.unwrap_or(usual.head),
            headers: self.max_headers.unwrap_or(usual.headers),
            connections: self.max_connections.unwrap_or(usual.connections),
            sessions: self.max_sessions.unwrap_or(usual.sessions),
            session_calls: self.session_calls.unwrap_or(usual.session_calls),
            session_backlog: self.session_backlog.unwrap_or(usual.session_backlog),
            session_idle: self.session_idle.unwrap_or(usual.session_idle),
            abandoned: self.session_abandoned.unwrap_or(usual.abandoned),
            shared_calls: self.shared_calls.unwrap_or(usual.shared_calls),
            request_timeout: self.request_timeout.unwrap_or(usual.request_timeout),
            answer: self.relay_timeout.unwrap_or(usual.answer),
            slow_client: self.slow_client.unwrap_or(usual.slow_client),
            grace: self.grace.unwrap_or(usual.grace),
            drain: self.drain.unwrap_or(usual.drain),
            per_subject: self.per_subject(usual.per_subject),
        }
    }

    fn per_subject(&self, usual: SubjectLimits) -> SubjectLimits {
        SubjectLimits {
            requests: self.subject_requests.unwrap_or(usual.requests),
            connections: self.subject_connections.unwrap_or(usual.connections),
            bodies: self.subject_bodies.unwrap_or(usual.bodies),
            tunnels: self.subject_tunnels.unwrap_or(usual.tunnels),
            sessions: self.subject_sessions.unwrap_or(usual.sessions),
            servers: self.subject_servers.unwrap_or(usual.servers),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn limits(line: &[String]) -> GatewayLimits {
        let words = ["culvert"].into_iter().chain(line.iter().map(String::as_str));
        Line::try_parse_from(words).unwrap().limits.limits()
    }

    /// Each flag, and the default that its help tells.
    fn flags() -> Vec<(String, String)> {
        let told = |argument: &clap::Arg| {
            let help = argument.get_help()?.to_string();
            let (_, default) = help.split_once("[default: ")?;
            Some((argument.get_long()?.to_owned(), default.split(']').next()?.to_owned()))
        };
        Line::command().get_arguments().filter(|argument| argument.get_id() != "help").filter_map(told).collect()
    }

    #[test]
    fn the_help_tells_the_defaults_and_each_flag_sets_a_limit_of_its_own() {
        let usual = GatewayLimits::default();
        assert_eq!(limits(&[]), usual);
        let flags = flags();
        assert_eq!(flags.len(), 21, "each flag tells its default: {flags:?}");
        let spelled: Vec<_> = flags.iter().map(|(flag, default)| format!("--{flag}={default}")).collect();
        assert_eq!(limits(&spelled), usual, "as the help says");
        let mut seen = vec![usual];
        for (flag, default) in &flags {
            let other = limits(&[format!("--{flag}={}", default.parse::<u64>().unwrap() + 1)]);
            assert!(!seen.contains(&other), "--{flag} sets nothing, or what another one sets");
            seen.push(other);
        }
    }

    #[test]
    fn each_flag_has_one_row_in_the_table_of_limits_with_its_default() {
        const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/security.md"));
        let table: Vec<Vec<&str>> = PAGE
            .lines()
            .skip_while(|line| *line != "## How much they may use")
            .skip(1)
            .take_while(|line| !line.starts_with("## "))
            .filter(|line| line.starts_with("| ") && line.contains('`'))
            .map(|line| line.split(" | ").collect())
            .collect();
        for (flag, default) in flags() {
            let named = format!("`--{flag}`");
            let rows: Vec<_> = table.iter().filter(|row| row[2].starts_with(&named)).collect();
            let [row] = rows[..] else { panic!("--{flag} is in {} rows", rows.len()) };
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let number: f64 = default.parse().unwrap();
            let spelled = [(1.0, ""), (1024.0, " KiB"), (1024.0 * 1024.0, " MiB"), (1.0, " s"), (60.0, " min")];
            let fits = spelled.iter().any(|(unit, word)| {
                let amount = (number / unit).to_string();
                row[1].split(';').next().is_some_and(|said| said.ends_with(word) && digits(said) == amount)
            });
            assert!(fits, "--{flag}: the page says {:?}, the help {default}", row[1]);
        }
    }

    #[test]
    fn what_bounds_nothing_is_refused() {
        for flag in ["--max-connections=0", "--max-head-size=100", "--max-headers=0", "--session-calls=0", "--grace=0"]
        {
            assert!(Line::try_parse_from(["culvert", flag]).is_err(), "{flag}");
        }
    }
}

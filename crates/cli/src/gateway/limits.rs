//! The flags for what bounds a gateway, all together and for each subject.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use culvert_gateway::config::{GatewayLimits, SubjectLimits};

/// What bounds it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// How many connections may be open, tunnels included; more wait
    #[arg(long, value_name = "N", default_value_t = GatewayLimits::default().connections, value_parser = count())]
    max_connections: usize,

    /// How many MCP sessions may be open
    #[arg(long, value_name = "N", default_value_t = GatewayLimits::default().sessions, value_parser = count())]
    max_sessions: usize,

    /// The largest head of a request, in bytes; at least 8192
    #[arg(long, value_name = "BYTES", default_value_t = GatewayLimits::default().head, value_parser = head())]
    max_head_size: usize,

    /// How long a call of an MCP client may go without answer or progress, in seconds [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true)]
    request_timeout: Option<Duration>,

    /// How long an MCP session may be unused, with no call and no open stream, in seconds [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true)]
    session_idle: Option<Duration>,

    /// How long a client may take to send a request, or to read on, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true)]
    slow_client: Option<Duration>,

    /// How many requests one subject may send in a second; 0: any number
    #[arg(long, value_name = "N", default_value_t = SubjectLimits::default().requests)]
    subject_requests: u32,

    /// How many connections one subject may have open
    #[arg(long, value_name = "N", default_value_t = SubjectLimits::default().connections, value_parser = count())]
    subject_connections: usize,

    /// How many tunnels one subject may have
    #[arg(long, value_name = "N", default_value_t = SubjectLimits::default().tunnels, value_parser = count())]
    subject_tunnels: usize,

    /// How many MCP sessions one subject may have open
    #[arg(long, value_name = "N", default_value_t = SubjectLimits::default().sessions, value_parser = count())]
    subject_sessions: usize,
}

/// More than a machine has room for is a slip.
fn count() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000)
}

fn head() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(8 * 1024..=16 * 1024 * 1024)
}

impl LimitArgs {
    /// The limits, the rest as by default.
    pub(super) fn limits(&self) -> GatewayLimits {
        let limits = GatewayLimits::default();
        GatewayLimits {
            connections: self.max_connections,
            sessions: self.max_sessions,
            head: self.max_head_size,
            request_timeout: self.request_timeout.unwrap_or(limits.request_timeout),
            session_idle: self.session_idle.unwrap_or(limits.session_idle),
            slow_client: self.slow_client.unwrap_or(limits.slow_client),
            per_subject: SubjectLimits {
                requests: self.subject_requests,
                connections: self.subject_connections,
                tunnels: self.subject_tunnels,
                sessions: self.subject_sessions,
            },
            ..limits
        }
    }
}

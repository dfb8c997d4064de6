//! What a check found, as data: its stable id, its result, why it matters, what was seen, and what to do.

use culvert_protocol::Explain;
use serde::Serialize;

use crate::report::Problem;

/// A check. Its id stays what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The configuration, and the local server's secrets.
    Configuration,
    /// The command of the local server.
    Command,
    /// The local server itself.
    Server,
    /// The look-up of the gateway's name.
    Dns,
    /// A connection to the gateway.
    Tcp,
    /// The proxy on the way to the gateway.
    Proxy,
    /// Our own certificate, for a gateway that asks for one.
    #[serde(rename = "client-certificate")]
    ClientCertificate,
    /// The protection of that connection.
    Tls,
    /// A plain request to the gateway.
    Health,
    /// The bearer for the gateway.
    Token,
    /// A link to the gateway.
    Upgrade,
    /// A registration under another name, and a heartbeat.
    Registration,
}

impl Check {
    /// Those of the local end, in their order.
    pub const LOCAL: [Self; 3] = [Self::Configuration, Self::Command, Self::Server];

    /// Those of each gateway, in their order.
    pub const OF_GATEWAY: [Self; 9] = [
        Self::ClientCertificate,
        Self::Dns,
        Self::Tcp,
        Self::Proxy,
        Self::Tls,
        Self::Health,
        Self::Token,
        Self::Upgrade,
        Self::Registration,
    ];

    /// Its id.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Command => "command",
            Self::Server => "server",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::ClientCertificate => "client-certificate",
            Self::Tls => "tls",
            Self::Health => "health",
            Self::Token => "token",
            Self::Upgrade => "upgrade",
            Self::Registration => "registration",
        }
    }

    /// Why it matters, in a sentence.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Configuration => "Nothing starts from settings that cannot be used.",
            Self::Command => "The local server is a program, and it must be on this machine.",
            Self::Server => "A gateway only ever sees a server that answers.",
            Self::Dns => "The gateway is known by a name, which must lead to an address.",
            Self::Tcp => "Culvert goes out to the gateway; a firewall may stop it.",
            Self::Proxy => "Where a proxy stands between, it must let Culvert through to the gateway.",
            Self::ClientCertificate => "A gateway that asks for a certificate lets nobody in without a good one.",
            Self::Tls => "The token and all calls travel on this connection.",
            Self::Health => "It tells a gateway that is well from something else at its address, and what time it has.",
            Self::Token => "Without a good token the gateway turns the tunnel away.",
            Self::Upgrade => "The link must get through everything on the way, and the gateway must take the token.",
            Self::Registration => "Only a registered server can be called.",
        }
    }
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is well.
    Ok,
    /// It works, and had better be otherwise.
    Warning,
    /// It does not work.
    Failed,
    /// It was not tried: what it needs has failed, or it does not apply.
    Skipped,
}

/// A check that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of the server.
    pub server: String,
    /// The gateway, where the check is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Which check.
    pub check: Check,
    /// What came of it.
    pub result: Outcome,
    /// Why it matters.
    pub why: &'static str,
    /// What was seen.
    pub evidence: String,
    /// The stable code of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// What a check has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok(String),
    Warning(Problem),
    Failed(Problem),
    Skipped(String),
}

impl Verdict {
    pub(super) fn failed(why: &(impl Explain + ?Sized)) -> Self {
        Self::Failed(Problem::of(why))
    }

    pub(super) fn warning(code: &str, message: String, action: &str) -> Self {
        Self::Warning(Problem { code: code.to_owned(), message, action: action.to_owned() })
    }

    /// As a finding of `check`, which took so long.
    pub(super) fn of(self, server: &str, gateway: Option<&str>, check: Check, ms: u64) -> Finding {
        let (result, evidence, problem) = match self {
            Self::Ok(evidence) => (Outcome::Ok, evidence, None),
            Self::Warning(problem) => (Outcome::Warning, problem.message.clone(), Some(problem)),
            Self::Failed(problem) => (Outcome::Failed, problem.message.clone(), Some(problem)),
            Self::Skipped(evidence) => (Outcome::Skipped, evidence, None),
        };
        let (code, next_step) = problem.map(|problem| (problem.code, problem.action)).unzip();
        let (server, gateway) = (server.to_owned(), gateway.map(str::to_owned));
        Finding { server, gateway, check, result, why: check.why(), evidence, code, next_step, ms }
    }
}

/// An entry of a configuration that cannot be used, as the only check that there is to make of it.
pub fn unusable(name: &str, why: &(impl Explain + ?Sized)) -> Finding {
    Verdict::failed(why).of(name, None, Check::Configuration, 0)
}

//! A profile as a helper may see it: where its secrets come from, never what they are. Values of variables and headers
//! are left out whatever they are called.

use std::fmt::Write;

use culvert_profiles::{Profile, ProfileTunnel, SecretRef};
use culvert_protocol::tool_policy::{ChangedTools, Feature, Pattern, ToolPolicy, Tools};
use culvert_tunnel::{LocalServer, Transport, TunnelConfig};

pub(super) fn write(out: &mut String, profile: &Profile) -> std::fmt::Result {
    let place = profile.place.as_ref().map_or_else(|| "flags and environment".to_owned(), ToString::to_string);
    writeln!(out, "{}, from {place}, starts: {}", profile.name, profile.start.name())?;
    let Some(first) = profile.tunnels.first() else { return Ok(()) };
    server(out, first)?;
    if !profile.labels.is_empty() {
        let labels: Vec<_> = profile.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        writeln!(out, "  labels {}", labels.join(", "))?;
    }
    options(out, &first.config)?;
    passing(out, &first.config.policy)?;
    if let Some(log) = &profile.audit_log {
        writeln!(out, "  calls told to {}", log.display())?;
    }
    for tunnel in &profile.tunnels {
        let token = tunnel.secrets.token.as_ref().map_or_else(|| "none".to_owned(), |token| named(&token.value));
        writeln!(out, "  gateway {}, its token from: {token}", tunnel.config.gateway)?;
    }
    Ok(())
}

fn server(out: &mut String, tunnel: &ProfileTunnel) -> std::fmt::Result {
    match &tunnel.config.server {
        LocalServer::Stdio(command) => {
            write!(out, "  command {}", command.program)?;
            command.args.iter().try_for_each(|arg| write!(out, " {arg}"))?;
            writeln!(out)?;
            if let Some(folder) = &command.cwd {
                writeln!(out, "  in {}", folder.display())?;
            }
            if !command.env.is_empty() {
                let names: Vec<_> = command.env.keys().map(String::as_str).collect();
                writeln!(out, "  variables {}", names.join(", "))?;
            }
        }
        LocalServer::StreamableHttp { url, .. } | LocalServer::Sse { url, .. } => writeln!(out, "  url {url}")?,
    }
    let secret = tunnel.secrets.env.iter().flat_map(|env| &env.value);
    secret.into_iter().try_for_each(|(name, from)| writeln!(out, "  variable {name} from: {}", named(from)))?;
    let headers = tunnel.secrets.headers.iter().flat_map(|headers| &headers.value);
    headers.into_iter().try_for_each(|(name, from)| writeln!(out, "  header {name} from: {}", named(from)))
}

fn options(out: &mut String, config: &TunnelConfig) -> std::fmt::Result {
    let transport = match config.transport {
        Transport::Auto => "auto",
        Transport::WebSocket => "ws",
        Transport::Sse => "sse",
    };
    let tries = config.retry.max.unwrap_or(0);
    writeln!(
        out,
        "  transport {transport}, first wait {:?}, tries {tries}, heartbeat {:?}, call {:?}, start {:?}, probe {:?}, \
         drain {:?}, frames up to {} bytes",
        config.retry.first,
        config.keepalive,
        config.request_timeout,
        config.start_timeout,
        config.probe_interval,
        config.drain,
        config.max_message
    )?;
    let children = config.children;
    writeln!(
        out,
        "  single child {}, up to {} sessions, warm spare {}",
        children.single, children.max_sessions, children.warm_spare
    )
}

/// What the gateway may not see or use: whoever hears of an unknown tool finds out why here.
fn passing(out: &mut String, policy: &ToolPolicy) -> std::fmt::Result {
    let names = |patterns: &[Pattern]| match patterns {
        [] => "none".to_owned(),
        patterns => patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(", "),
    };
    let rules = [
        policy.allow.as_deref().map(|allow| format!("allowed {}", names(allow))),
        (!policy.deny.is_empty()).then(|| format!("denied {}", names(&policy.deny))),
        (policy.tools == Tools::ReadOnly).then(|| "only those that read".to_owned()),
        (policy.changed == ChangedTools::Held).then(|| "changed ones are held".to_owned()),
        (policy.prompts == Feature::Off).then(|| "no prompts".to_owned()),
        (policy.resources == Feature::Off).then(|| "no resources".to_owned()),
    ];
    let rules: Vec<_> = rules.into_iter().flatten().collect();
    if rules.is_empty() { Ok(()) } else { writeln!(out, "  tools: {}", rules.join("; ")) }
}

/// Where a secret is; of one that is written out, only that.
fn named(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Literal(_) => "the configuration itself".to_owned(),
        reference => reference.to_string(),
    }
}

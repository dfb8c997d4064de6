//! `culvert gateway`: the gateway to host oneself, from its flags to its end.

mod limits;
mod publish_flags;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use culvert_gateway::config::{Auth, MetricsConfig, Network, Plaintext, TlsFiles};
use culvert_gateway::{Gateway, GatewayConfig, GatewayError};
use culvert_profiles::{BadValue, ConfigError, Key, LogLevel, Surroundings};
use culvert_protocol::address::BadAddress;
use culvert_protocol::{Cause, Explain, GatewayAddress};
use tokio_util::sync::CancellationToken;

use crate::args::OutputArgs;
use crate::events;
use crate::exit::{Exit, say};
use crate::logging::{self, Engine};
use crate::notify::Notify;
use crate::signals::{Signals, Wish};
use crate::state::{NoHome, StateArgs};
use crate::stdout::{self, Stdout};
use crate::terminal::{Mood, Terminal};

use limits::LimitArgs;
use publish_flags::PublishArgs;

/// Host a gateway: take tunnels in and serve them to MCP clients.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value_t = GatewayConfig::LISTEN, value_parser = listen)]
    listen: SocketAddr,

    /// The address that others know the gateway by, with a path prefix if a proxy adds one
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<GatewayAddress>,

    /// The TLS certificate with its chain, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Protection")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Protection")]
    tls_key: Option<PathBuf>,

    /// Ask clients for a certificate that one of these authorities has signed, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Protection")]
    tls_client_ca: Option<PathBuf>,

    /// Believe this proxy, or range such as 10.0.0.0/8, where a request comes from; may be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Protection")]
    trusted_proxy: Vec<Network>,

    /// Listen beyond this machine without TLS, as behind a proxy that has it
    #[arg(long, help_heading = "Protection")]
    allow_plaintext: bool,

    /// Answer /metrics, /healthz and /readyz there, such as 127.0.0.1:9465 [default: nowhere]
    #[arg(long, value_name = "ADDRESS", value_parser = listen, help_heading = "Health")]
    metrics_listen: Option<SocketAddr>,

    /// Answer /metrics only to who shows the bearer in this file
    #[arg(long, value_name = "FILE", requires = "metrics_listen", help_heading = "Health")]
    metrics_token_file: Option<PathBuf>,

    /// Write a JSON line for each call to this file: who called what, and how it ended
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitArgs,

    /// Ask nobody for a token; on loopback only
    #[arg(long, help_heading = "Protection")]
    no_auth: bool,

    #[command(flatten)]
    publish: PublishArgs,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// An address with a port; `localhost` is this machine's IPv4 loopback.
fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    let port = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    port.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        .or_else(|| text.parse().ok())
        .ok_or("expected an IP address and a port, such as 127.0.0.1:4444 or [::1]:4444")
}

fn public_url(text: &str) -> Result<GatewayAddress, BadAddress> {
    GatewayAddress::parse(text)
}

/// Why flags and environment make no gateway.
#[derive(Debug)]
enum Unusable {
    Home(NoHome),
    /// The way to ContextForge.
    Way(ConfigError),
}

impl GatewayArgs {
    fn config(&self) -> Result<GatewayConfig, Unusable> {
        let tls = self.tls_cert.clone().zip(self.tls_key.clone());
        let client_ca = self.tls_client_ca.clone();
        Ok(GatewayConfig {
            limits: self.limits.limits(),
            listen: self.listen,
            auth: if self.no_auth { Auth::Open } else { Auth::Bearers(self.state.secret_source()) },
            tls: tls.map(|(certificate, key)| TlsFiles { certificate, key, client_ca }),
            plaintext: if self.allow_plaintext { Plaintext::Allowed } else { Plaintext::Loopback },
            public_url: self.public_url.clone(),
            trusted_proxies: self.trusted_proxy.clone(),
            audit_log: self.audit_log.clone(),
            publish: self.publish.config(&Surroundings::of_this_process()).map_err(Unusable::Way)?,
            metrics: self
                .metrics_listen
                .map(|listen| MetricsConfig { listen, token_file: self.metrics_token_file.clone() }),
            ..GatewayConfig::new(self.state.folder().map_err(Unusable::Home)?)
        })
    }

    /// The flag, else the variable, else the default.
    fn level(&self) -> Result<LogLevel, BadValue> {
        let name = Key::LogLevel.about().variable.unwrap_or_default();
        let variable = std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        match (self.output.level(), variable) {
            (Some(level), _) => Ok(level),
            (None, Some(text)) => text.parse(),
            (None, None) => Ok(LogLevel::default()),
        }
    }
}

/// Serves until told to end.
pub(crate) fn run(args: GatewayArgs, terminal: &Terminal) -> Exit {
    let (config, level) = match (args.config(), args.level()) {
        (Ok(config), Ok(level)) => (config, level),
        (Err(Unusable::Home(NoHome(why))), _) => {
            terminal.say(Mood::Error, why);
            return Exit::Usage;
        }
        (Err(Unusable::Way(error)), _) => return failed(&args, terminal, &error, Exit::from(&error)),
        (_, Err(problem)) => {
            terminal.say(Mood::Error, &format!("REVERSE_PROXY_LOG_LEVEL: {problem}"));
            return Exit::Usage;
        }
    };
    terminal.set_format(args.output.log_format);
    logging::start(level, Engine::Heard, terminal);
    terminal.set_level(level);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&args, terminal, &internal(&error), Exit::Internal),
    };
    let end = runtime.block_on(serve(config, &args, terminal));
    runtime.shutdown_background();
    match end {
        Ok(exit) => exit,
        Err(Failure::Gateway(error)) => failed(&args, terminal, &error, Exit::from(&error)),
        Err(Failure::Signals(error)) => failed(&args, terminal, &internal(&error), Exit::Internal),
    }
}

fn internal(error: &std::io::Error) -> Cause {
    Cause::Internal { detail: error.to_string() }
}

fn failed(args: &GatewayArgs, terminal: &Terminal, error: &dyn Explain, exit: Exit) -> Exit {
    say(terminal, error);
    if args.output.json {
        Stdout::new().last(events::failed(None, error, exit));
    }
    exit
}

enum Failure {
    Gateway(GatewayError),
    Signals(std::io::Error),
}

async fn serve(config: GatewayConfig, args: &GatewayArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut signals = Signals::new(terminal.kind()).map_err(Failure::Signals)?;
    let gateway = Gateway::bind(config).await.map_err(Failure::Gateway)?;
    let talk = terminal.speaking_as("gateway");
    announce(&gateway, args, &talk);
    let (stop, notify) = (CancellationToken::new(), Notify::of_this_process());
    let (work, watch) = (gateway.run(stop.clone()), notify.keep_watch());
    tokio::pin!(work, watch);
    notify.ready();
    loop {
        tokio::select! {
            never = &mut watch => match never {},
            () = &mut work => {
                talk.say(Mood::Info, "stopped");
                return Ok(Exit::Asked);
            }
            wish = signals.next() => {
                if wish == Wish::Reload {
                    // Secrets, revoked tokens and certificates are looked at all the time.
                    continue;
                }
                if stop.is_cancelled() {
                    return Ok(Exit::Interrupted);
                }
                notify.stopping();
                talk.say(Mood::Info, "stopping; Ctrl-C again ends at once");
                stop.cancel();
            }
        }
    }
}

/// Says where it listens, first of all, and what else its host should know.
fn announce(gateway: &Gateway, args: &GatewayArgs, terminal: &Terminal) {
    let url = gateway.url().to_string();
    if args.output.json {
        // Whoever started us learns the port from this line; without a reader nobody waits for it.
        let _ = stdout::print(&[events::listening(gateway.local_address(), &url, gateway.metrics_address())]);
    } else {
        terminal.say(Mood::Info, &format!("listening on {url}"));
    }
    if let Some(address) = gateway.metrics_address().filter(|_| !args.output.json) {
        terminal.say(Mood::Info, &format!("figures at http://{address}/metrics"));
    }
    if let Some(file) = gateway.made_secret() {
        let text =
            format!("made a signing secret: {}\n  → Make tokens with: culvert token create -u NAME", file.display());
        terminal.say(Mood::Info, &text);
    }
    if args.no_auth {
        terminal.say(Mood::Warning, "no token is asked for: everybody on this machine can register and call servers");
    }
    if args.allow_plaintext && args.tls_cert.is_none() && !gateway.local_address().ip().to_canonical().is_loopback() {
        terminal.say(Mood::Warning, "without TLS, others on the network can read tokens and messages");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use culvert_gateway::config::GatewayLimits;

    use super::*;
    use crate::args::{Cli, Command};

    fn args(line: &[&str]) -> Result<GatewayArgs, clap::Error> {
        match Cli::try_parse_from(["culvert", "gateway"].iter().chain(line))?.command {
            Command::Gateway(args) => Ok(*args),
            _ => unreachable!("the command is gateway"),
        }
    }

    fn config(line: &[&str]) -> GatewayConfig {
        let line: Vec<_> = line.iter().copied().chain(["--state-dir", "/s"]).collect();
        args(&line).unwrap().config().unwrap()
    }

    #[test]
    fn flags_become_the_configuration() {
        let plain = config(&[]);
        assert_eq!(plain.listen.to_string(), "127.0.0.1:4444");
        assert_eq!(plain.state_dir, PathBuf::from("/s"));
        assert_eq!(plain.limits, GatewayLimits::default());
        assert!(plain.metrics.is_none());
        assert!(matches!(plain.auth, Auth::Bearers(_)) && plain.tls.is_none() && plain.public_url.is_none());
        let all = config(&[
            "--listen=localhost:0",
            "--no-auth",
            "--tls-cert=c.pem",
            "--tls-key=k.pem",
            "--tls-client-ca=ca.pem",
            "--trusted-proxy=10.0.0.0/8",
            "--trusted-proxy=::1",
            "--allow-plaintext",
            "--public-url=https://gw.example.com/culvert",
            "--max-message-size=1048576",
            "--grace=0.5",
            "--subject-tunnels=6",
            "--metrics-listen=localhost:9465",
            "--metrics-token-file=m",
        ]);
        let metrics = all.metrics.unwrap();
        assert_eq!((metrics.listen.to_string(), metrics.token_file), ("127.0.0.1:9465".into(), Some("m".into())));
        assert_eq!((all.limits.max_message, all.limits.grace), (1 << 20, Duration::from_millis(500)));
        assert_eq!(all.limits.per_subject.tunnels, 6);
        assert_eq!(all.listen.to_string(), "127.0.0.1:0");
        assert!(matches!(all.auth, Auth::Open));
        let tls = all.tls.unwrap();
        assert_eq!((tls.key, tls.client_ca), ("k.pem".into(), Some("ca.pem".into())));
        assert_eq!(all.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(all.plaintext, Plaintext::Allowed);
        assert_eq!(all.public_url.unwrap().to_string(), "https://gw.example.com/culvert");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            &["--listen", "here"][..],
            &["--max-message-size", "1"],
            &["--tls-cert", "c.pem"],
            &["--tls-client-ca", "c.pem"],
            &["--trusted-proxy", "proxy"],
            &["--public-url", "gw"],
            &["--listen", "4444"],
            &["--metrics-token-file", "m"],
        ] {
            assert_eq!(args(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }
}

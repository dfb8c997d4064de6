//! The command line as typed: every flag of every command, and what `run`'s flags come to as a layer of settings.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use culvert_profiles::{ConfigError, Key, LogLevel, Origin, Settings, Sourced};
use culvert_protocol::Secret;

use crate::doctor::DoctorArgs;
use crate::gateway::GatewayArgs;
use crate::health::HealthArgs;
use crate::manual::{CompletionsArgs, ManArgs};
use crate::moment;
use crate::profile_args::ProfileArgs;
use crate::profiles::ProfilesArgs;
use crate::profiles::tools::ToolsArgs;
use crate::saved::{DownArgs, UpArgs};
use crate::sessions::SessionsArgs;
use crate::status::StatusArgs;
use crate::support::SupportArgs;
use crate::terminal::Format;
use crate::token::TokenArgs;

/// What scripts need to know; each line fits the narrowest usual terminal.
const AFTER_HELP: &str = "\
Exit codes: 0 ended as asked, 1 internal, 2 usage, 3 configuration, 4 command,
5 local server, 6 token, 7 gateway not reached, 8 registration, 9 gateway address";

/// Make an MCP server on this machine reachable through a gateway, with no inbound port.
#[derive(Debug, Parser)]
#[command(name = "culvert", version = env!("CULVERT_VERSION"), max_term_width = 100, arg_required_else_help = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep a local MCP server reachable through a gateway
    Run(Box<RunArgs>),
    /// Host a gateway: take tunnels in and serve them to MCP clients
    Gateway(Box<GatewayArgs>),
    /// Have saved profiles up
    Up(UpArgs),
    /// Have saved profiles down
    Down(DownArgs),
    /// Show how the saved profiles are
    Status(StatusArgs),
    /// Find out why a server is not reachable, or would not be
    Doctor(Box<DoctorArgs>),
    /// Show what somebody who helps needs to see, without secrets
    SupportBundle(SupportArgs),
    /// List, show, add, import, export or remove saved profiles
    Profiles(Box<ProfilesArgs>),
    /// Show or change which tools of a saved profile pass
    Tools(ToolsArgs),
    /// List a gateway's sessions, or end one
    Sessions(Box<SessionsArgs>),
    /// Make, inspect or revoke tokens for culvert gateway
    Token(TokenArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write manual pages
    Man(ManArgs),
}

/// Keep a local MCP server reachable through a gateway.
///
/// Flags win over the environment, that over the file, that over the defaults.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,

    /// End after this time: 90s, 30m, 1h, 1h30m
    #[arg(long = "for", value_name = "TIME", value_parser = moment::lasting)]
    how_long: Option<Duration>,

    #[command(flatten)]
    pub(crate) health: HealthArgs,

    #[command(flatten)]
    output: OutputArgs,
}

/// What and how much is told.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    #[arg(long, value_name = "LEVEL", ignore_case = true, help = about(
        Key::LogLevel, "How much is told: TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL"
    ))]
    log_level: Option<LogLevel>,

    /// The same as --log-level DEBUG
    #[arg(long)]
    verbose: bool,

    /// Print what happens as events, a line of JSON each, on stdout
    #[arg(long)]
    pub(crate) json: bool,

    /// How log and talk are written on stderr: human, or a line of JSON each
    #[arg(long, value_name = "FORMAT", env = "REVERSE_PROXY_LOG_FORMAT", default_value = "human", ignore_case = true)]
    pub(crate) log_format: Format,
}

impl OutputArgs {
    /// The level asked for; of `--verbose` and `--log-level` the one that tells more.
    pub(crate) fn level(self) -> Option<LogLevel> {
        self.log_level.max(self.verbose.then_some(LogLevel::Debug))
    }
}

/// A secret from the command line: its `Debug` shows nothing.
#[derive(Debug, Clone)]
pub(crate) struct TokenText(pub(crate) Secret);

impl From<String> for TokenText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl RunArgs {
    /// What and how much is told.
    pub(crate) fn output(&self) -> OutputArgs {
        self.output
    }

    /// When to end without being asked, counted from the start.
    pub(crate) fn how_long(&self) -> Option<Duration> {
        self.how_long
    }

    /// The highest layer of settings: what the flags say.
    ///
    /// # Errors
    /// As [`ProfileArgs::settings`].
    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        let level = self.output.level().map(|level| Sourced::new(level, Origin::Flag("--log-level")));
        Ok(Settings { log_level: level, ..self.profile.settings()? })
    }
}

/// A flag's help: what it is, its default and its variable.
pub(crate) fn about(key: Key, what: &str) -> String {
    let about = key.about();
    let default = about.default.map_or_else(String::new, |default| format!(" [default: {default}]"));
    let variable = about.variable.map_or_else(String::new, |variable| format!(" [env: {variable}]"));
    format!("{what}{default}{variable}")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use culvert_protocol::Explain as _;
    use culvert_tunnel::Transport;

    use super::*;

    fn run_args(line: &[&str]) -> Result<RunArgs, clap::Error> {
        match Cli::try_parse_from(["culvert", "run"].iter().chain(line))?.command {
            Command::Run(args) => Ok(*args),
            _ => unreachable!("the command is run"),
        }
    }

    fn settings(line: &[&str]) -> Settings {
        run_args(line).unwrap().settings().unwrap()
    }

    fn value<T>(sourced: Option<Sourced<T>>) -> Option<T> {
        sourced.map(|sourced| sourced.value)
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_keys_is_there_and_tells_its_default() {
        let cli = Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        for key in Key::ALL {
            let Some(flag) = key.about().flag else { continue };
            let found = run.get_arguments().find(|arg| arg.get_long() == Some(flag.trim_start_matches("--")));
            let help = found.unwrap_or_else(|| panic!("{flag} is no flag")).get_help().unwrap().to_string();
            // Nobody need be told that a switch is off.
            if let Some(default) = key.about().default.filter(|default| *default != "false") {
                assert!(help.contains(&format!("[default: {default}]")), "{flag}: {help}");
            }
            if let Some(variable) = key.about().variable {
                assert!(help.contains(&format!("[env: {variable}]")), "{flag}: {help}");
            }
        }
    }

    #[test]
    fn every_option_becomes_a_setting() {
        let common = [
            "--gateway=https://gateway.example.com",
            "--token",
            "your-bearer-token",
            "--server-name=git",
            "--server-description=- our repositories",
            "--ca-cert=ca.pem",
            "--client-cert=me.pem",
            "--client-key=me.key",
            "--client-key-passphrase=env:PASSPHRASE",
            "--proxy=http://proxy.example.com:3128",
            "--transport=ws",
            "--reconnect-delay=0.5",
            "--max-retries",
            "20",
            "--keepalive=15",
            "--request-timeout=60",
            "--probe-interval=10",
            "--drain=0",
            "--max-sessions=32",
            "--max-message-size",
            "4096",
            "--start-timeout",
            "10",
            "--allow-plaintext",
            "--audit-log=/var/log/audit.log",
            "--log-level",
            "warning",
        ];
        let command = ["--local-stdio", "uvx mcp-server-filesystem --directory /path/to/files", "--warm-spare"];
        let all = settings(&[&common[..], &command[..]].concat());
        let by_url = |flag: &str| {
            let server = [flag, "http://127.0.0.1:8000/mcp", "--local-header=X-Key=env:KEY", "--single-child"];
            settings(&[&common[..], &server[..]].concat())
        };
        let [http, sse] = ["--local-streamable-http", "--local-sse"].map(by_url);
        for key in Key::ALL {
            let is_set = [&all, &http, &sse].iter().any(|settings| settings.origin(key).is_some());
            assert_eq!(is_set, key.about().flag.is_some(), "{key}");
        }
        assert_eq!(value(all.reconnect_delay), Some(Duration::from_millis(500)));
        assert_eq!(value(all.max_retries), Some(20));
        assert_eq!(value(all.transport), Some(Transport::WebSocket));
        assert_eq!(value(all.request_timeout), Some(Duration::from_secs(60)));
        assert_eq!(
            (value(all.probe_interval), value(all.drain)),
            (Some(Duration::from_secs(10)), Some(Duration::ZERO))
        );
        assert_eq!(value(all.max_sessions), Some(32));
        assert_eq!(value(all.log_level), Some(LogLevel::Warning));
        assert_eq!(value(all.token).unwrap().expose(), "your-bearer-token");
        assert_eq!(value(all.server_description).unwrap(), "- our repositories");
    }

    #[test]
    fn several_gateways_may_be_named() {
        let several = settings(&["--gateway", "https://a", "--gateway=https://b, https://c"]);
        let addresses = value(several.gateway).unwrap().into_iter().map(|gateway| gateway.address);
        assert_eq!(addresses.collect::<Vec<_>>(), ["https://a", "https://b", "https://c"]);
        assert_eq!(value(settings(&[]).gateway), None);
    }

    #[test]
    fn a_header_is_never_written_out_on_the_command_line() {
        let line = ["--local-sse=http://127.0.0.1:1/sse", "--local-header=X-Key=hunter2"];
        let error = run_args(&line).unwrap().settings().unwrap_err();
        assert_eq!(
            error.to_string(),
            "--local-header: a value on the command line can be seen by every user of this machine"
        );
        assert!(error.action().contains("--local-header NAME=env:VARIABLE"), "{}", error.action());
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        for line in [
            &["--token=t", "--token-file=f"][..],
            &["--token-stdin", "--token-file=f"],
            &["--local-stdio=a", "--local-sse=http://127.0.0.1:1"],
            &["--local-streamable-http=http://127.0.0.1:1", "--local-sse=http://127.0.0.1:1"],
            &["--local-stdio=a", "--local-header=A=env:A"],
            &["--single-child", "--warm-spare"],
        ] {
            let error = run_args(line).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("cannot be used with"), "{error}");
        }
    }

    #[test]
    fn verbose_is_debug_and_the_more_talkative_wins() {
        assert_eq!(value(settings(&["--verbose"]).log_level), Some(LogLevel::Debug));
        assert_eq!(value(settings(&["--verbose", "--log-level", "INFO"]).log_level), Some(LogLevel::Debug));
        assert_eq!(value(settings(&["--verbose", "--log-level", "TRACE"]).log_level), Some(LogLevel::Trace));
        assert_eq!(value(settings(&[]).log_level), None);
    }

    #[test]
    fn bad_values_are_refused_with_the_reason() {
        for (line, reason) in [
            (["--keepalive", "0"], "at least 0.001"),
            (["--keepalive", "-5"], "at least 0.001"),
            (["--reconnect-delay", "soon"], "a number of seconds"),
            (["--max-retries", "-1"], "a whole number of tries"),
            (["--max-message-size", "1"], "at least 4096"),
            (["--max-sessions", "0"], "from 1 to 1000"),
            (["--transport", "websocket"], "auto, ws, sse"),
            (["--log-level", "loud"], "expected one of TRACE"),
            (["--gatway", "x"], "--gateway"),
        ] {
            let error = run_args(&line).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn a_token_file_is_a_reference() {
        let token = settings(&["--token-file", "/run/secrets/gw token"]).token.unwrap();
        assert_eq!((token.value.expose(), token.origin), ("file:/run/secrets/gw token", Origin::Flag("--token-file")));
    }

    #[test]
    fn debug_shows_no_token() {
        let shown = format!("{:?}", run_args(&["--token", "hunter2", "--local-header", "A=hunter2"]).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

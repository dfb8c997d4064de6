//! Where a gateway's signing secret and state are: the same for the gateway and for the token commands.

use std::path::PathBuf;

use clap::Args;
use culvert_gateway::GatewayConfig;
use culvert_gateway::config::SecretSource;
use culvert_protocol::Secret;

/// Where the gateway's secret and state are.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// Read the signing secret from this file [default: env JWT_SECRET_KEY, else the state folder's own]
    #[arg(long, value_name = "FILE", help_heading = "State")]
    jwt_secret_file: Option<PathBuf>,

    /// The gateway's state folder [default: $XDG_STATE_HOME/culvert/gateway, or ~/.local/state/culvert/gateway]
    #[arg(long, value_name = "DIR", help_heading = "State")]
    #[cfg_attr(windows, arg(help = r"The gateway's state folder [default: %LOCALAPPDATA%\Culvert\gateway]"))]
    state_dir: Option<PathBuf>,
}

impl StateArgs {
    /// The file named, else the environment, else the state folder's own.
    pub(crate) fn secret_source(&self) -> SecretSource {
        match (&self.jwt_secret_file, variable("JWT_SECRET_KEY")) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(current)) => SecretSource::Given { current, previous: variable("JWT_SECRET_KEY_PREVIOUS") },
            (None, None) => SecretSource::State,
        }
    }

    /// The folder named, else the usual one.
    pub(crate) fn folder(&self) -> Result<PathBuf, NoHome> {
        folder(self.state_dir.clone())
    }
}

/// Nothing tells where the user's files are.
#[derive(Debug)]
pub(crate) struct NoHome(pub(crate) &'static str);

/// The folder `named`, else the usual one.
pub(crate) fn folder(named: Option<PathBuf>) -> Result<PathBuf, NoHome> {
    named
        .or_else(|| GatewayConfig::default_state_dir(|name| std::env::var_os(name)))
        .ok_or(NoHome("no home folder is known: give --state-dir"))
}

/// A secret from the environment; empty counts as unset.
pub(crate) fn variable(name: &str) -> Option<Secret> {
    let value = std::env::var(name).ok().map(Secret::new)?;
    (!value.is_empty()).then_some(value)
}

//! The flags for what machines may ask over HTTP.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use culvert_instance::health::{Health, HealthConfig};
use culvert_protocol::{Explain, Secret};

/// Where to answer, and whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Health")]
pub(crate) struct HealthArgs {
    /// Answer /healthz, /readyz and /metrics there, such as 127.0.0.1:9464 [default: nowhere]
    #[arg(long, value_name = "ADDRESS", env = "CULVERT_HEALTH_LISTEN")]
    health_listen: Option<SocketAddr>,

    /// Name tunnels on /readyz, and answer /metrics, only to who shows the bearer in this file
    #[arg(long, value_name = "FILE", requires = "health_listen")]
    health_token_file: Option<PathBuf>,
}

/// Why nothing answers.
#[derive(Debug)]
pub(crate) enum NoHealth {
    /// The address cannot be had.
    Address(SocketAddr, String),
    /// The file with the bearer cannot be read, or is empty.
    Token(PathBuf, String),
}

impl HealthArgs {
    /// Listens, where that is wanted.
    ///
    /// # Errors
    /// [`NoHealth`].
    pub(crate) async fn bind(&self) -> Result<Option<Health>, NoHealth> {
        let Some(address) = self.health_listen else { return Ok(None) };
        let token = self.health_token_file.as_ref().map(|file| {
            let failed = |why: String| NoHealth::Token(file.clone(), why);
            let token = std::fs::read_to_string(file).map(Secret::new).map_err(|error| failed(error.to_string()))?;
            if token.is_empty() { Err(failed("it is empty".to_owned())) } else { Ok(token) }
        });
        let config = HealthConfig { token: token.transpose()? };
        let bound = Health::bind(address, config).await;
        bound.map(Some).map_err(|error| NoHealth::Address(address, error.to_string()))
    }
}

impl fmt::Display for NoHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, why) => write!(f, "health cannot be answered at {address}: {why}"),
            Self::Token(file, why) => write!(f, "the health token {} cannot be read: {why}", file.display()),
        }
    }
}

impl Explain for NoHealth {
    fn code(&self) -> &'static str {
        match self {
            Self::Address(..) => "health.address",
            Self::Token(..) => "health.token",
        }
    }

    fn action(&self) -> Cow<'static, str> {
        match self {
            Self::Address(..) => "Give another address or port with --health-listen.".into(),
            Self::Token(..) => "Put a bearer of your choice into it, in one line.".into(),
        }
    }
}

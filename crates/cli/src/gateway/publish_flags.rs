//! The flags by which `culvert gateway` publishes its servers in a ContextForge.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use culvert_gateway::publish::PublishConfig;
use culvert_gateway::publish::config::Visibility;
use culvert_link::{Outbound, Proxy};
use culvert_profiles::{ConfigError, Surroundings, proxy_of_environment};
use culvert_protocol::GatewayAddress;
use culvert_protocol::address::BadAddress;

/// Where and how to publish, if at all.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// Register every tunnelled server in the ContextForge at this address
    #[arg(long, value_name = "URL", value_parser = contextforge, requires = "publish_token_file",
        help_heading = "Publishing")]
    publish_to: Option<GatewayAddress>,

    /// Read the token for ContextForge's admin API from this file, and again when it changes
    #[arg(long, value_name = "FILE", requires = "publish_to", help_heading = "Publishing")]
    publish_token_file: Option<PathBuf>,

    /// Who sees there what is published: all, the token's team, or its user [default: public]
    #[arg(long, value_enum, value_name = "WHO", requires = "publish_to", help_heading = "Publishing")]
    publish_visibility: Option<Who>,

    /// How long a server may be gone until its entry there is disabled [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true,
        requires = "publish_to", help_heading = "Publishing")]
    publish_patience: Option<Duration>,

    /// How long a bearer that ContextForge is handed is good; it gets a new one in time [default: 86400]
    #[arg(long, value_name = "SECONDS", value_parser = culvert_profiles::seconds, allow_negative_numbers = true,
        requires = "publish_to", help_heading = "Publishing")]
    publish_bearer_life: Option<Duration>,

    /// Check the certificate of that ContextForge against the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", requires = "publish_to", help_heading = "Publishing")]
    publish_ca_cert: Option<PathBuf>,

    /// Reach that ContextForge through this proxy, http://, https:// or socks5:// [default: HTTPS_PROXY or ALL_PROXY, but
    /// for NO_PROXY and this machine]
    #[arg(long, value_name = "URL", value_parser = proxy, requires = "publish_to", help_heading = "Publishing")]
    publish_proxy: Option<Proxy>,
}

/// Arguments are read by everybody on the machine.
fn proxy(text: &str) -> Result<Proxy, String> {
    let proxy = Proxy::parse(text).map_err(|error| error.to_string())?;
    match proxy.has_credentials() {
        false => Ok(proxy),
        true => Err("others on this machine could see its password: set HTTPS_PROXY instead".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Who {
    Public,
    Team,
    Private,
}

fn contextforge(text: &str) -> Result<GatewayAddress, BadAddress> {
    GatewayAddress::parse(text)
}

impl PublishArgs {
    /// What the flags come to, and the environment.
    ///
    /// # Errors
    /// [`ConfigError::Value`], when the environment names no good proxy.
    pub(crate) fn config(&self, surroundings: &Surroundings<'_>) -> Result<Option<PublishConfig>, ConfigError> {
        let (Some(to), Some(file)) = (self.publish_to.clone(), self.publish_token_file.clone()) else {
            return Ok(None);
        };
        let proxy = match &self.publish_proxy {
            Some(given) => Some(given.clone()),
            None => proxy_of_environment(&to, surroundings)?,
        };
        let mut config = PublishConfig::new(to, file);
        config.visibility = match self.publish_visibility {
            Some(Who::Private) => Visibility::Private,
            Some(Who::Team) => Visibility::Team,
            Some(Who::Public) | None => Visibility::Public,
        };
        config.patience = self.publish_patience.unwrap_or(config.patience);
        config.bearer_life = self.publish_bearer_life.unwrap_or(config.bearer_life);
        config.outbound = Outbound { ca_cert: self.publish_ca_cert.clone(), identity: None, proxy };
        Ok(Some(config))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        publish: PublishArgs,
    }

    fn parsed(line: &[&str]) -> Result<Option<PublishConfig>, clap::Error> {
        with(line, &|_| None).map(Result::unwrap)
    }

    fn with(
        line: &[&str],
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Result<Option<PublishConfig>, ConfigError>, clap::Error> {
        let surroundings = Surroundings { variable, ..Surroundings::of_this_process() };
        Line::try_parse_from(std::iter::once(&"culvert").chain(line)).map(|line| line.publish.config(&surroundings))
    }

    #[test]
    fn the_way_to_contextforge_is_said_by_flags_or_the_environment() {
        let environment =
            |name: &str| (name == "HTTPS_PROXY").then(|| "http://me:hunter2@proxy.example:3128".to_owned());
        let far = ["--publish-to=https://cf.example.com", "--publish-token-file=t"];
        let way = |line: &[&str]| with(line, &environment).unwrap().unwrap().unwrap().outbound;
        assert_eq!(way(&far).proxy.map(|proxy| proxy.has_credentials()), Some(true));
        assert_eq!(way(&["--publish-to=https://localhost:4", "--publish-token-file=t"]), Outbound::default());
        let given = way(&[&far[..], &["--publish-proxy=socks5://127.0.0.1:1080", "--publish-ca-cert=ca.pem"]].concat());
        assert_eq!((given.proxy.unwrap().port(), given.ca_cert), (1080, Some("ca.pem".into())));
        assert!(with(&far, &|_| Some("gopher://x".to_owned())).unwrap().is_err());
    }

    #[test]
    fn flags_become_the_configuration_with_the_defaults_that_the_help_says() {
        assert!(parsed(&[]).unwrap().is_none());
        let plain = parsed(&["--publish-to=http://localhost:4444", "--publish-token-file=t"]).unwrap().unwrap();
        assert_eq!((plain.patience.as_secs(), plain.bearer_life.as_secs()), (60, 86400));
        assert_eq!((plain.visibility, plain.token_file), (Visibility::Public, "t".into()));
        let all = parsed(&[
            "--publish-to=https://cf.example.com/pre",
            "--publish-token-file=t",
            "--publish-visibility=private",
            "--publish-patience=0.5",
            "--publish-bearer-life=3600",
        ]);
        let all = all.unwrap().unwrap();
        assert_eq!(
            (all.contextforge.to_string().as_str(), all.visibility),
            ("https://cf.example.com/pre", Visibility::Private)
        );
        assert_eq!((all.patience.as_millis(), all.bearer_life.as_secs()), (500, 3600));
    }

    const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/federation.md"));

    #[test]
    fn the_page_has_every_flag_with_its_default_and_its_examples_are_understood() {
        use clap::{CommandFactory as _, Parser as _};
        for flag in Line::command().get_arguments().filter_map(|argument| argument.get_long()) {
            let listed = PAGE.lines().any(|line| line.starts_with(&format!("| `--{flag} ")));
            assert!(!flag.starts_with("publish") || listed, "--{flag} is not on the page");
        }
        let config = PublishConfig::new(contextforge("http://localhost:1").unwrap(), "t");
        for (flag, default) in [("patience", config.patience), ("bearer-life", config.bearer_life)] {
            let row = PAGE.lines().find(|line| line.contains(&format!("`--publish-{flag} "))).unwrap();
            assert!(row.ends_with(&format!("| {} |", default.as_secs())), "{row}");
        }
        let text = PAGE.replace("\\\n", " ");
        let examples: Vec<_> = text.lines().filter(|line| line.starts_with("culvert gateway")).collect();
        assert_eq!(examples.len(), 2);
        for example in examples {
            let read = crate::args::Cli::try_parse_from(example.split_whitespace());
            assert!(read.is_ok(), "{example}: {}", read.unwrap_err());
        }
    }

    #[test]
    fn half_of_it_is_refused() {
        for line in [
            &["--publish-to=http://localhost:1"][..],
            &["--publish-token-file=t"],
            &["--publish-patience=1"],
            &["--publish-to=localhost", "--publish-token-file=t"],
            &["--publish-to=http://localhost:1", "--publish-token-file=t", "--publish-visibility=nobody"],
            &["--publish-to=http://localhost:1", "--publish-token-file=t", "--publish-proxy=http://me:hunter2@p"],
            &["--publish-proxy=http://proxy.example"],
        ] {
            assert!(parsed(line).is_err(), "{line:?}");
        }
    }
}

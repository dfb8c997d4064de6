//! Checks of one profile, one after the other, from its configuration to a registration: what `culvert doctor` shows,
//! and what a form can show of a profile that is not saved. Each is limited in time; all together take less than a minute.

mod finding;
mod gateway;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use culvert_profiles::{Profile, ProfileTunnel, SecretSources};
use culvert_protocol::Cause;
use culvert_tunnel::trial::{self, Met, Tools};
use culvert_tunnel::{LocalServer, TunnelConfig};
use tokio::time::{Instant, timeout};

use self::finding::Verdict;
pub use self::finding::{Check, Finding, Outcome, unusable};
use crate::lane::{Wish, complete};
use crate::report::Problem;

/// How long all checks of a profile may take, but for the farewells: a server has 6 s to end, a link 2 s.
const ALL: Duration = Duration::from_secs(50);

/// How long secrets may take: a command may ask a password store.
const SECRETS: Duration = Duration::from_secs(8);

/// How long the local server may take to its last answer.
const SERVER: Duration = Duration::from_secs(20);

/// Checks `profile`, whose local server must not inherit the values of the variables `hidden`, and tells each finding as
/// it is made. Whatever was started is ended before this returns, and at once when it is dropped. Takes less than 60 s.
pub async fn examine(
    profile: &Profile,
    hidden: &BTreeSet<String>,
    sources: &SecretSources,
    random: fastrand::Rng,
    tell: &mut (dyn FnMut(Finding) + Send + Sync),
) {
    let mut exam = Exam { profile, sources, random, end: Instant::now() + ALL, tell };
    let local = exam.local(hidden).await;
    for tunnel in &profile.tunnels {
        let config = TunnelConfig { server: local.server.clone(), ..tunnel.config.clone() };
        exam.gateway(tunnel, config, local.met.as_ref()).await;
    }
}

struct Exam<'a> {
    profile: &'a Profile,
    sources: &'a SecretSources,
    random: fastrand::Rng,
    end: Instant,
    tell: &'a mut (dyn FnMut(Finding) + Send + Sync),
}

/// What the checks of the local end came to.
struct Local {
    server: LocalServer,
    met: Option<Met>,
}

impl Exam<'_> {
    /// How long a step may take that may take so long by itself.
    fn limit(&self, own: Duration) -> Duration {
        own.min(self.end.saturating_duration_since(Instant::now()))
    }

    fn told(&mut self, check: Check, gateway: Option<&str>, began: Instant, verdict: Verdict) {
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.tell)(verdict.of(self.profile.name.as_str(), gateway, check, ms));
    }

    async fn local(&mut self, hidden: &BTreeSet<String>) -> Local {
        let began = Instant::now();
        let Some(first) = self.profile.tunnels.first() else {
            let cause = Cause::Internal { detail: "a profile without a gateway".to_owned() };
            self.told(Check::Configuration, None, began, Verdict::failed(&cause));
            return Local { server: LocalServer::Stdio(Default::default()), met: None };
        };
        let config = match self.configured(first, hidden).await {
            Ok(config) => config,
            Err(cause) => {
                self.told(Check::Configuration, None, began, Verdict::failed(&cause));
                for check in &Check::LOCAL[1..] {
                    self.told(*check, None, Instant::now(), skipped(Check::Configuration));
                }
                return Local { server: first.config.server.clone(), met: None };
            }
        };
        let verdict = match self.profile.warnings.first() {
            Some(warning) => Verdict::Warning(Problem::of(warning)),
            None => Verdict::Ok(match &self.profile.place {
                Some(place) => format!("read from {place}"),
                None => "read from flags and environment".to_owned(),
            }),
        };
        self.told(Check::Configuration, None, began, verdict);
        let met = self.server(&config).await;
        Local { server: config.server, met }
    }

    async fn configured(&self, tunnel: &ProfileTunnel, hidden: &BTreeSet<String>) -> Result<TunnelConfig, Cause> {
        let wish = Wish { tunnel: Arc::new(tunnel.clone()), hidden: Arc::new(hidden.clone()), run: 0 };
        let limit = self.limit(SECRETS);
        timeout(limit, complete(&wish, self.sources)).await.unwrap_or_else(|_| Err(no_secret(limit)))
    }

    async fn server(&mut self, config: &TunnelConfig) -> Option<Met> {
        let began = Instant::now();
        let found = match &config.server {
            LocalServer::Stdio(command) => trial::find(command).map(|program| {
                let file = program.file.display().to_string();
                Verdict::Ok(match program.found_in {
                    Some(folder) => format!("{file}, found in the entry {} of PATH", folder.display()),
                    None => file,
                })
            }),
            LocalServer::StreamableHttp { url, .. } | LocalServer::Sse { url, .. } => {
                Ok(Verdict::Skipped(format!("nothing is started: the server is at {url}")))
            }
        };
        match found {
            Ok(verdict) => self.told(Check::Command, None, began, verdict),
            Err(cause) => {
                self.told(Check::Command, None, began, Verdict::failed(&cause));
                self.told(Check::Server, None, Instant::now(), skipped(Check::Command));
                return None;
            }
        }
        let (began, limit) = (Instant::now(), self.limit(config.start_timeout.min(SERVER)));
        let met = trial::meet(config, limit, self.random.fork()).await;
        let verdict = match &met {
            Ok(met) => match met.tools() {
                Tools::Listed(1) => Verdict::Ok("answers, and lists 1 tool".to_owned()),
                Tools::Listed(count) => Verdict::Ok(format!("answers, and lists {count} tools")),
                Tools::None => Verdict::Ok("answers; it has no tools".to_owned()),
                Tools::Unlisted => Verdict::warning(
                    "server.tools",
                    "it says that it has tools, and did not list them".to_owned(),
                    "Check the server's log: clients will not see its tools.",
                ),
            },
            Err(cause) => Verdict::failed(cause),
        };
        self.told(Check::Server, None, began, verdict);
        met.ok()
    }
}

/// What is said of a check that needs one that failed.
fn skipped(because_of: Check) -> Verdict {
    Verdict::Skipped(format!("needs {}, which failed", because_of.id()))
}

fn no_secret(limit: Duration) -> Cause {
    Cause::Secret {
        code: "secret.slow",
        what: format!("a secret was not to be had within {} s", limit.as_secs()),
        action: "Unlock the keychain or password store that it comes from.".to_owned(),
    }
}

#[cfg(test)]
mod tests;

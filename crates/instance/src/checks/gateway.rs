//! The checks of one gateway: the way to it, the token, a link, and a registration.

use std::time::{Duration, SystemTime};

use culvert_link::Carriage;
use culvert_link::activity::Watched;
use culvert_link::identity;
use culvert_link::steps::{self, Answer, Road};
use culvert_profiles::{ProfileTunnel, Prompt};
use culvert_protocol::{Cause, GatewayAddress, Secret, ServerName};
use culvert_tunnel::TunnelConfig;
use culvert_tunnel::trial::{self, Met, Registered, Routing};
use tokio::time::{Instant, timeout};

use super::finding::{Check, Verdict};
use super::{Exam, SECRETS, no_secret, skipped, token};
use crate::lane::{outbound, secret_cause};

const DNS: Duration = Duration::from_secs(4);
const TCP: Duration = Duration::from_secs(6);
const PROXY: Duration = Duration::from_secs(6);
const TLS: Duration = Duration::from_secs(5);
const HEALTH: Duration = Duration::from_secs(5);
const UPGRADE: Duration = Duration::from_secs(8);
const REGISTRATION: Duration = Duration::from_secs(10);

/// From when on a certificate's end is worth a warning: those that renew themselves do so earlier.
const CERTIFICATE_WARNING: Duration = Duration::from_secs(7 * 86_400);

/// The most characters of a name that the trial's own name keeps.
const NAME_KEPT: usize = ServerName::MAX - 12;

impl Exam<'_> {
    pub(super) async fn gateway(&mut self, tunnel: &ProfileTunnel, mut config: TunnelConfig, met: Option<&Met>) {
        let gateway = config.gateway.to_string();
        let way = match outbound(tunnel, self.sources).await {
            Ok(outbound) => {
                config.outbound = outbound;
                self.way(&config, &gateway).await
            }
            Err(cause) => Err(self.no_way(tunnel, &gateway, &cause)),
        };
        let token = self.token(tunnel, &gateway, way.as_ref().ok().copied().flatten()).await;
        match (way, token) {
            (Ok(_), Ok(token)) => self.link(&config, token, &gateway, met).await,
            (Err(failed), _) | (_, Err(failed)) => {
                for check in [Check::Upgrade, Check::Registration] {
                    self.told(check, Some(&gateway), Instant::now(), skipped(failed));
                }
            }
        }
    }

    /// Tells that a secret of the way cannot be had.
    fn no_way(&mut self, tunnel: &ProfileTunnel, gateway: &str, cause: &Cause) -> Check {
        let check = match tunnel.secrets.passphrase {
            Some(_) => Check::ClientCertificate,
            None => Check::Proxy,
        };
        let before = [Check::ClientCertificate, Check::Dns, Check::Tcp];
        for other in before.into_iter().filter(|_| check == Check::Proxy) {
            self.told(other, Some(gateway), Instant::now(), skipped(check));
        }
        self.broken_off(check, gateway, Instant::now(), cause)
    }

    /// As far as a plain request. The gateway's clock, where it tells, or the check that failed.
    async fn way(&mut self, config: &TunnelConfig, gateway: &str) -> Result<Option<SystemTime>, Check> {
        let address = &config.gateway;
        let overdue = |limit: Duration| Cause::Unreachable {
            gateway: gateway.to_owned(),
            detail: format!("no answer within {} s", limit.as_secs()),
        };
        let began = Instant::now();
        let own = client_certificate(config, SystemTime::now());
        let is_usable = !matches!(own, Verdict::Failed(_));
        self.told(Check::ClientCertificate, Some(gateway), began, own);
        if !is_usable {
            return Err(self.skip_behind(Check::ClientCertificate, gateway));
        }
        let began = Instant::now();
        let road = match Road::new(address, &config.outbound).await {
            Ok(road) => road,
            // Whom to trust is asked before the first step; it is told where it counts.
            Err(cause) => {
                for check in [Check::Dns, Check::Tcp, Check::Proxy] {
                    self.told(check, Some(gateway), began, skipped(Check::Tls));
                }
                return Err(self.broken_off(Check::Tls, gateway, began, &cause));
            }
        };
        let (began, limit) = (Instant::now(), self.limit(DNS));
        let looked_up = timeout(limit, road.look_up()).await;
        let looked_up = looked_up.unwrap_or_else(|_| {
            let detail = format!("no answer within {} s", limit.as_secs());
            Err(Cause::Lookup { gateway: gateway.to_owned(), detail })
        });
        let addresses = match looked_up {
            Ok(addresses) => addresses,
            Err(cause) => return Err(self.broken_off(Check::Dns, gateway, began, &cause)),
        };
        let shown: Vec<_> = addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
        let found = match road.proxy() {
            None => format!("{} is {}", address.host(), shown.join(", ")),
            Some(proxy) => {
                format!("{} is {}; it looks the gateway's name up", proxy.host(), shown.join(", "))
            }
        };
        self.told(Check::Dns, Some(gateway), began, Verdict::Ok(found));

        let (began, limit) = (Instant::now(), self.limit(TCP));
        let connected = timeout(limit, road.connect(addresses)).await;
        let stream = match connected.unwrap_or_else(|_| Err(overdue(limit))) {
            Ok(stream) => stream,
            Err(cause) => return Err(self.broken_off(Check::Tcp, gateway, began, &cause)),
        };
        let peer = stream.peer_addr().map_or_else(|_| gateway.to_owned(), |peer| peer.to_string());
        self.told(Check::Tcp, Some(gateway), began, Verdict::Ok(format!("connected to {peer}")));

        let (began, limit) = (Instant::now(), self.limit(PROXY));
        let passed = timeout(limit, road.pass(stream)).await;
        let stream = match passed.unwrap_or_else(|_| Err(overdue(limit))) {
            Ok(stream) => stream,
            Err(cause) => return Err(self.broken_off(Check::Proxy, gateway, began, &cause)),
        };
        let verdict = match road.proxy() {
            None => Verdict::Skipped("none is set for this gateway".to_owned()),
            Some(proxy) => Verdict::Ok(format!("{proxy} lets us through")),
        };
        self.told(Check::Proxy, Some(gateway), began, verdict);

        let (began, limit) = (Instant::now(), self.limit(TLS));
        if !address.is_encrypted() {
            let why = "not asked for by the gateway's address".to_owned();
            self.told(Check::Tls, Some(gateway), began, Verdict::Skipped(why));
            let began = Instant::now();
            let answers = timeout(self.limit(HEALTH), health(&road, address, Watched::new(stream))).await;
            return Ok(self.well(gateway, began, answers.unwrap_or_else(|_| Err(overdue(HEALTH)))));
        }
        let secured = timeout(limit, road.secure(stream)).await;
        let secured = match secured.unwrap_or_else(|_| Err(overdue(limit))) {
            Ok(secured) => secured,
            Err(cause) => return Err(self.broken_off(Check::Tls, gateway, began, &cause)),
        };
        let began_health = Instant::now();
        let answers = timeout(self.limit(HEALTH), health(&road, address, secured.stream)).await;
        // With TLS 1.3 a gateway's word on our certificate comes in place of its first answer.
        if let Ok(Err(cause @ Cause::Tls { .. })) = &answers {
            return Err(self.broken_off(Check::Tls, gateway, began, cause));
        }
        let verdict = protected(secured.version, secured.good_until, SystemTime::now());
        self.told(Check::Tls, Some(gateway), began, verdict);
        Ok(self.well(gateway, began_health, answers.unwrap_or_else(|_| Err(overdue(HEALTH)))))
    }

    /// A gateway that has no such page may work all the same: something before it may hide it.
    fn well(
        &mut self,
        gateway: &str,
        began: Instant,
        answer: Result<(&'static str, Answer), Cause>,
    ) -> Option<SystemTime> {
        const ACTION: &str =
            "Check that the URL is the gateway's, with its path prefix. Where the link works, this may be so.";
        let (verdict, date) = match answer {
            Ok((path, Answer { status: 200, date })) => (Verdict::Ok(format!("{path} answers 200")), date),
            Ok((path, answer)) => {
                let message = format!("{path} answers {}", answer.status);
                (Verdict::warning("gateway.health", message, ACTION), answer.date)
            }
            Err(cause) => (Verdict::warning("gateway.health", cause.to_string(), ACTION), None),
        };
        self.told(Check::Health, Some(gateway), began, verdict);
        date
    }

    /// Tells a failure on the way, and that nothing behind it was tried.
    fn broken_off(&mut self, check: Check, gateway: &str, began: Instant, cause: &Cause) -> Check {
        self.told(check, Some(gateway), began, Verdict::failed(cause));
        self.skip_behind(check, gateway)
    }

    fn skip_behind(&mut self, check: Check, gateway: &str) -> Check {
        let on_the_way = [Check::ClientCertificate, Check::Dns, Check::Tcp, Check::Proxy, Check::Tls, Check::Health];
        for behind in on_the_way.into_iter().skip_while(|other| *other != check).skip(1) {
            self.told(behind, Some(gateway), Instant::now(), skipped(check));
        }
        check
    }

    async fn token(
        &mut self,
        tunnel: &ProfileTunnel,
        gateway: &str,
        date: Option<SystemTime>,
    ) -> Result<Option<Secret>, Check> {
        let (began, limit) = (Instant::now(), self.limit(SECRETS));
        let read = match &tunnel.secrets.token {
            None => Ok(None),
            Some(token) => {
                let read = timeout(limit, self.sources.read(&token.value, Prompt::Allowed)).await;
                let read = read.map(|read| read.map_err(|error| secret_cause(&error)));
                read.unwrap_or_else(|_| Err(no_secret(limit))).map(Some)
            }
        };
        let (verdict, token) = match read {
            Ok(token) => {
                let verdict = token::judge(token.as_ref(), gateway, SystemTime::now(), date);
                (verdict, Ok(token))
            }
            Err(cause) => (Verdict::failed(&cause), Err(Check::Token)),
        };
        self.told(Check::Token, Some(gateway), began, verdict);
        // The gateway has the last word on one that seems to be over.
        token
    }

    async fn link(&mut self, config: &TunnelConfig, token: Option<Secret>, gateway: &str, met: Option<&Met>) {
        let (began, limit) = (Instant::now(), self.limit(UPGRADE));
        let mut random = self.random.fork();
        let dialled = timeout(limit, trial::dial(config, token.clone(), &mut random)).await.unwrap_or_else(|_| {
            let detail = format!("no answer to the upgrade within {} s", limit.as_secs());
            Err(Cause::Unreachable { gateway: gateway.to_owned(), detail })
        });
        let link = match dialled {
            Ok(link) => link,
            Err(cause) => {
                self.told(Check::Upgrade, Some(gateway), began, Verdict::failed(&cause));
                return self.told(Check::Registration, Some(gateway), Instant::now(), skipped(Check::Upgrade));
            }
        };
        let verdict = match link.carriage() {
            Carriage::Sse if link.is_detour(config) => Verdict::warning(
                "gateway.upgrade",
                "WebSocket connection failed; the link goes over SSE".to_owned(),
                "Check that proxies on the way let WebSocket upgrades pass. It works without, with more overhead.",
            ),
            Carriage::Sse => Verdict::Ok("the gateway takes the link over SSE".to_owned()),
            Carriage::WebSocket => Verdict::Ok("the gateway takes the link over WebSocket".to_owned()),
        };
        self.told(Check::Upgrade, Some(gateway), began, verdict);

        let began = Instant::now();
        let name = trial_name(&config.name, self.random.u16(..));
        let not_tried = match (met, token::not_for(token.as_ref(), &name)) {
            (_, Some(why)) => Err(Verdict::Skipped(format!("{name} would be registered; {why}"))),
            (None, None) => Err(Verdict::Skipped("needs the local server, which does not answer".to_owned())),
            (Some(met), None) => Ok(met),
        };
        let verdict = match not_tried {
            Ok(met) => registered(link.register(config, &name, met, self.limit(REGISTRATION)).await, &name),
            Err(verdict) => {
                link.close().await;
                verdict
            }
        };
        self.told(Check::Registration, Some(gateway), began, verdict);
    }
}

fn registered(outcome: Result<Registered, Cause>, name: &ServerName) -> Verdict {
    match outcome {
        Err(cause) => Verdict::failed(&cause),
        Ok(Registered { routing: Routing::None, .. }) => Verdict::warning(
            "gateway.no_routing",
            "the gateway takes registrations and routes no MCP calls".to_owned(),
            "Use culvert gateway, or a ContextForge that routes calls to tunnels.",
        ),
        Ok(Registered { took, round_trip, .. }) => {
            let beat = match round_trip {
                Some(time) => format!(", a heartbeat came back in {} ms", time.as_millis()),
                None => String::new(),
            };
            Verdict::Ok(format!("registered {name} in {} ms{beat}, unregistered again", took.as_millis()))
        }
    }
}

/// What a certificate that holds is worth saying.
/// `/healthz`, else `/health`, which ContextForge has.
async fn health(road: &Road, gateway: &GatewayAddress, stream: Watched) -> Result<(&'static str, Answer), Cause> {
    let first = steps::get(gateway, stream, "/healthz").await?;
    if first.status == 200 {
        return Ok(("/healthz", first));
    }
    Ok(("/health", steps::get(gateway, road.open().await?, "/health").await?))
}

/// Our own certificate: whether it can be used, and until when.
fn client_certificate(config: &TunnelConfig, now: SystemTime) -> Verdict {
    let Some(own) = &config.outbound.identity else { return Verdict::Skipped("none is set".to_owned()) };
    let until = match identity::inspect(own) {
        Ok(until) => until,
        Err(bad) => return Verdict::failed(&Cause::Certificate { detail: bad.to_string() }),
    };
    let shown = own.certificate.display();
    match until.map(|end| end.duration_since(now).unwrap_or_default()) {
        Some(left) if left.is_zero() => Verdict::warning(
            "tls.client_certificate_expired",
            format!("the client certificate {shown} has expired"),
            "Renew it: the new file is taken up with the next link.",
        ),
        Some(left) if left < CERTIFICATE_WARNING => Verdict::warning(
            "tls.client_certificate_expires",
            format!("the client certificate {shown} is good for {} only", token::lasting(left)),
            "Renew it: the new file is taken up with the next link.",
        ),
        Some(left) => Verdict::Ok(format!("{shown} fits its key and is good for {}", token::lasting(left))),
        None => Verdict::Ok(format!("{shown} fits its key")),
    }
}

fn protected(version: &str, good_until: Option<SystemTime>, now: SystemTime) -> Verdict {
    let left = good_until.map(|end| end.duration_since(now).unwrap_or_default());
    match left {
        Some(left) if left < CERTIFICATE_WARNING => Verdict::warning(
            "gateway.certificate_expires",
            format!("the gateway's certificate is good for {} only", token::lasting(left)),
            "Whoever runs the gateway should renew it.",
        ),
        Some(left) => Verdict::Ok(format!("{version}, the certificate is good for {}", token::lasting(left))),
        None => Verdict::Ok(format!("{version}, the certificate is trusted")),
    }
}

/// `NAME-doctor-xxxx`, cut where it would be too long.
fn trial_name(name: &ServerName, random: u16) -> ServerName {
    let kept: String = name.as_str().chars().take(NAME_KEPT).collect();
    ServerName::new(format!("{kept}-doctor-{random:04x}")).unwrap_or_else(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_name_of_a_trial_always_fits() {
        let name = |text: &str| trial_name(&ServerName::new(text).unwrap(), 0xab).to_string();
        assert_eq!(name("git"), "git-doctor-00ab");
        assert_eq!(name(&"a".repeat(128)).len(), 128);
    }

    #[test]
    fn a_certificate_near_its_end_is_a_warning() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let verdict = |days: u64| protected("TLS 1.3", Some(now + Duration::from_secs(days * 86_400)), now);
        assert!(matches!(verdict(6), Verdict::Warning(_)));
        assert_eq!(verdict(8), Verdict::Ok("TLS 1.3, the certificate is good for 8 days".to_owned()));
    }
}

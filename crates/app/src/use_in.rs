//! An entry for an MCP client, with a token that may call this one server and nothing else, where the gateway makes one.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use culvert_instance::outbound;
use culvert_link::Outbound;
use culvert_link::steps::{self, Road};
use culvert_profiles::{ProfileTunnel, Prompt, SecretSources};
use culvert_protocol::claims::{Right, peek};
use culvert_protocol::{Cause, Explain as _, GatewayAddress, Secret};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::culvert::Culvert;
use crate::entries::entry;
use crate::shown::{Client, Copied, Explained, ProfileId, Status, Time};

/// How long such a token is good, in minutes: 30 days, and never longer than the one that it is made from.
const MINUTES: u32 = 30 * 24 * 60;

/// How long the gateway may take to make it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a gateway answers that made a token.
#[derive(Deserialize)]
struct Made {
    token: String,
}

impl Culvert {
    /// The entry, to be put on the clipboard, and what may be said about it.
    ///
    /// # Errors
    /// There is no such profile, or no gateway of it routes calls.
    pub async fn use_in(&self, id: &ProfileId, client: Client) -> Result<(Secret, Copied), Explained> {
        let instance = self.instance()?;
        let overview = instance.overview().borrow().clone();
        let view = overview
            .profiles
            .iter()
            .find(|view| view.profile.key.as_str() == id.0)
            .ok_or_else(crate::wants::unknown)?;
        let online: Vec<String> = {
            let world = self.0.world.borrow();
            let profile = world.profiles.iter().find(|profile| profile.id == *id);
            let tunnels = profile.into_iter().flat_map(|profile| &profile.tunnels);
            tunnels
                .filter(|tunnel| matches!(tunnel.status, Status::Online { url: Some(_), .. }))
                .map(|tunnel| tunnel.url.clone())
                .collect()
        };
        let mut tunnels = view.profile.tunnels.iter();
        let chosen = tunnels
            .clone()
            .find(|tunnel| online.contains(&tunnel.config.gateway.to_string()))
            .or_else(|| tunnels.next());
        let tunnel = chosen.ok_or_else(crate::wants::unknown)?;
        let (gateway, name) = (&tunnel.config.gateway, view.profile.name.as_str());
        let made = match &tunnel.secrets.token {
            None => Err(Explained::new(
                "auth.missing",
                "This gateway is used without a token.",
                "Take the place of one out.",
            )),
            Some(reference) => match self.0.sources.read(&reference.value, Prompt::Allowed).await {
                Ok(own) => made(tunnel, &own, name, &self.0.sources).await,
                Err(error) => Err(error.into()),
            },
        };
        let url = gateway.mcp_url(name);
        Ok(match made {
            Ok(token) => {
                let ends = peek(token.expose()).and_then(|claims| u64::try_from(claims.exp?).ok());
                let lasting = Duration::from_secs(u64::from(MINUTES) * 60);
                let until =
                    ends.map_or_else(|| Time::from(SystemTime::now() + lasting), |seconds| Time(seconds * 1000));
                (entry(client, name, &url, Some(&token)), Copied::WithToken { until })
            }
            Err(why) => (entry(client, name, &url, None), Copied::WithPlaceholder { why }),
        })
    }
}

/// How long a token made now may be good: no longer than the one that ends at `end`, in seconds since 1970.
fn minutes(end: Option<i64>, now: SystemTime) -> u32 {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let left = end.map(|end| u64::try_from(end).unwrap_or_default().saturating_sub(now) / 60);
    left.map_or(MINUTES, |left| u32::try_from(left).unwrap_or(MINUTES).clamp(1, MINUTES))
}

/// A token made from `own` that may call this one server; it is asked for on the way that the tunnel takes.
async fn made(tunnel: &ProfileTunnel, own: &Secret, name: &str, sources: &SecretSources) -> Result<Secret, Explained> {
    let outbound = outbound(tunnel, sources).await.map_err(not_made)?;
    asked_for(&tunnel.config.gateway, &outbound, own, name).await
}

async fn asked_for(
    gateway: &GatewayAddress,
    outbound: &Outbound,
    own: &Secret,
    name: &str,
) -> Result<Secret, Explained> {
    let claims = peek(own.expose()).unwrap_or_default();
    let may_call = claims.can.is_none_or(|can| can.contains(&Right::Call));
    if !may_call {
        return Err(Explained::new(
            "auth.forbidden",
            "This profile’s token may not call servers.",
            "Put a token that may in its place.",
        ));
    }
    let wish =
        json!({ "can": ["call"], "servers": [name], "minutes": minutes(claims.exp, SystemTime::now()) }).to_string();
    let asked = async {
        let stream = Road::new(gateway, outbound).await?.open().await?;
        steps::post(gateway, stream, "/tokens", Some(own), Bytes::from(wish)).await
    };
    let no_answer = || Explained::new("gateway.unreachable", "The gateway did not answer in time.", "Try again.");
    let (status, body) = timeout(PATIENCE, asked).await.map_err(|_| no_answer())?.map_err(not_made)?;
    match (status, serde_json::from_slice::<Made>(&body)) {
        (200 | 201, Ok(made)) if !made.token.is_empty() => Ok(Secret::new(made.token)),
        (401 | 403, _) => Err(Explained::new(
            "auth.forbidden",
            format!("The gateway makes no token from this profile’s ({status})."),
            "Put one that may call this server in its place.",
        )),
        _ => Err(Explained::new(
            "gateway.no_tokens",
            format!("This gateway makes no tokens for single servers ({status})."),
            "Make one there, and put it in its place.",
        )),
    }
}

fn not_made(cause: Cause) -> Explained {
    Explained::new(cause.code(), format!("No token was made: {cause}."), cause.action())
}

#[cfg(test)]
mod tests {
    use culvert_gateway::config::{Auth, SecretSource};
    use culvert_gateway::tokens::{Lifetime, NewToken, Standing, UnixTime, create};
    use culvert_gateway::{Gateway, GatewayConfig};
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[test]
    fn a_token_outlives_none_that_it_is_made_from() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(minutes(None, now), MINUTES);
        assert_eq!(minutes(Some(1000 + 330), now), 5);
        assert_eq!(minutes(Some(i64::MAX), now), MINUTES);
        assert_eq!(minutes(Some(-5), now), 1);
    }

    #[tokio::test]
    async fn a_gateway_of_ours_makes_a_token_for_this_server_alone() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::new("a secret that is long enough for a test");
        let mut config = GatewayConfig::new(folder.path());
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.auth = Auth::Bearers(SecretSource::Given { current: secret.clone(), previous: None });
        let gateway = Gateway::bind(config).await.unwrap();
        let (address, stop) = (gateway.url().clone(), CancellationToken::new());
        let serving = tokio::spawn(gateway.run(stop.clone()));
        let token = |can: Option<Vec<Right>>, secret: &Secret| {
            let new = NewToken {
                subject: "ann".to_owned(),
                standing: Standing::User,
                lifetime: Lifetime::Minutes(5),
                can,
                servers: None,
            };
            create(secret, &new, UnixTime::now()).unwrap()
        };
        let made_token = asked_for(&address, &Outbound::default(), &token(None, &secret), "git").await.unwrap();
        let claims = peek(made_token.expose()).unwrap();
        assert_eq!((claims.can, claims.servers), (Some(vec![Right::Call]), Some(vec!["git".to_owned()])));
        assert!(claims.exp.is_some(), "it ends");
        let only_tunnel = asked_for(&address, &Outbound::default(), &token(Some(vec![Right::Tunnel]), &secret), "git")
            .await
            .unwrap_err();
        assert_eq!(only_tunnel.code, "auth.forbidden");
        let foreign = asked_for(&address, &Outbound::default(), &token(None, &Secret::new("another secret")), "git")
            .await
            .unwrap_err();
        assert_eq!(foreign.code, "auth.forbidden");
        stop.cancel();
        serving.await.unwrap();
        assert!(asked_for(&address, &Outbound::default(), &token(None, &secret), "git").await.is_err());
    }
}

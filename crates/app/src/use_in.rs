//! An entry for an MCP client, with a token that may call this one server and nothing else, where the gateway makes one.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use culvert_link::steps;
use culvert_profiles::Prompt;
use culvert_protocol::claims::{Right, peek};
use culvert_protocol::{Explain as _, GatewayAddress, Secret};
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
                Ok(own) => made(gateway, &own, name).await,
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

/// A token made from `own` that may call this one server.
async fn made(gateway: &GatewayAddress, own: &Secret, name: &str) -> Result<Secret, Explained> {
    let may_call = peek(own.expose()).and_then(|claims| claims.can).is_none_or(|can| can.contains(&Right::Call));
    if !may_call {
        return Err(Explained::new(
            "auth.forbidden",
            "This profile’s token may not call servers.",
            "Put a token that may in its place.",
        ));
    }
    let wish = json!({ "can": ["call"], "servers": [name], "minutes": MINUTES }).to_string();
    let asked = async {
        let stream = steps::connect(gateway, steps::look_up(gateway).await?).await?;
        let body = Bytes::from(wish);
        match gateway.is_encrypted() {
            true => {
                let secured = steps::secure(gateway, stream).await?;
                steps::post(gateway, secured.stream, "/tokens", Some(own), body).await
            }
            false => steps::post(gateway, stream, "/tokens", Some(own), body).await,
        }
    };
    let no_answer = || Explained::new("gateway.unreachable", "The gateway did not answer in time.", "Try again.");
    let (status, body) = timeout(PATIENCE, asked)
        .await
        .map_err(|_| no_answer())?
        .map_err(|cause| Explained::new(cause.code(), format!("No token was made: {cause}."), cause.action()))?;
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

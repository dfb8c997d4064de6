//! The gateway inside the app: on loopback, on a port that stays, with its signing secret in the keychain.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_gateway::config::{Auth, SecretSource};
use culvert_gateway::tokens::{Lifetime, NewToken, Standing, UnixTime, create};
use culvert_gateway::{Gateway as Listening, GatewayConfig};
use culvert_profiles::{Content, DraftGateway, KeychainError, OnBroken, Prompt, SecretRef};
use culvert_protocol::{GatewayAddress, Secret};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::around::change;
use crate::culvert::Culvert;
use crate::shown::{Explained, Gateway, ProfileId, Switch};

/// The keychain's entry of the signing secret.
const SECRET: &str = "built-in gateway/secret";

/// The keychain's entry of the token that profiles use.
const TOKEN: &str = "built-in gateway/token";

/// Who the token is for.
const SUBJECT: &str = "desktop";

/// How long it may take to its end.
const ENDING: Duration = Duration::from_secs(8);

/// The gateway that runs now, if one does.
#[derive(Debug, Default)]
pub(crate) struct BuiltIn {
    running: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
    /// One switch at a time.
    turn: tokio::sync::Mutex<()>,
}

/// Whether a reference is that of the built-in gateway's own token.
pub(crate) fn is_its_token(reference: &SecretRef) -> bool {
    matches!(reference, SecretRef::Keychain(entry) if entry == TOKEN)
}

/// A profile's way to the built-in gateway.
pub(crate) fn draft_gateway(port: u16) -> DraftGateway {
    DraftGateway { address: address(port), token: Some(Secret::new(format!("keychain:{TOKEN}"))) }
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

impl Culvert {
    /// Has the built-in gateway on or off, on this port from now on. Profiles that use it follow it to another port.
    ///
    /// # Errors
    /// It cannot be remembered. Why it does not run is in the world.
    pub async fn set_gateway(&self, wanted: Switch, port: u16) -> Result<(), Explained> {
        let before = self.choices().gateway_port;
        let port = if port == 0 { before } else { port };
        self.choose(|choices| (choices.gateway, choices.gateway_port) = (wanted, port))?;
        change(&self.0.around, |around| around.gateway_port = port);
        self.end_gateway().await;
        if port != before {
            self.move_profiles(port).await;
        }
        if wanted.is_on() {
            self.begin_gateway(port).await;
        }
        Ok(())
    }

    /// Adds the built-in gateway to a profile, and switches it on.
    ///
    /// # Errors
    /// The profile's file cannot be changed, or the gateway does not run.
    pub async fn use_gateway(&self, id: &ProfileId) -> Result<(), Explained> {
        self.need_gateway().await?;
        let port = self.choices().gateway_port;
        let _turn = self.0.writing.lock().await;
        let saved = self.saved(id)?;
        let Content::Profile(mut draft) = saved.content.clone() else { return Err(crate::wants::unknown()) };
        let mut gateways = draft.gateways();
        if !gateways.iter().any(uses_it) {
            gateways.push(draft_gateway(port));
            draft.set_gateways(&gateways);
            self.0.store.replace(&saved, draft, OnBroken::Refuse)?;
        }
        self.reload().await
    }

    /// Makes sure that the built-in gateway runs.
    pub(crate) async fn need_gateway(&self) -> Result<(), Explained> {
        if !matches!(self.0.around.borrow().gateway, Gateway::On { .. }) {
            let port = self.choices().gateway_port;
            self.set_gateway(Switch::On, port).await?;
        }
        match &self.0.around.borrow().gateway {
            Gateway::Failed { cause } => Err(cause.clone()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn gateway_at_start(self) {
        let port = self.choices().gateway_port;
        self.begin_gateway(port).await;
        self.0.stop.cancelled().await;
        self.end_gateway().await;
    }

    async fn begin_gateway(&self, port: u16) {
        let _turn = self.0.gateway.turn.lock().await;
        if self.0.stop.is_cancelled() {
            return;
        }
        change(&self.0.around, |around| around.gateway = Gateway::Starting);
        let gateway = match self.try_gateway(port).await {
            Ok(address) => Gateway::On { address },
            Err(cause) => Gateway::Failed { cause },
        };
        change(&self.0.around, |around| around.gateway = gateway);
    }

    async fn try_gateway(&self, port: u16) -> Result<String, Explained> {
        let secret = self.signing_secret().await?;
        let mut config = GatewayConfig::new(self.0.places.0.state.join("built-in-gateway"));
        config.listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        config.auth = Auth::Bearers(SecretSource::Given { current: secret, previous: None });
        let gateway = Listening::bind(config).await?;
        let address = gateway.url().to_string();
        let stop = self.0.stop.child_token();
        let task = tokio::spawn(gateway.run(stop.clone()));
        *self.0.gateway.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((stop, task));
        // Tunnels that waited for it need not wait longer.
        if let Ok(instance) = self.instance() {
            let _ = instance.reconnect(None).await;
        }
        Ok(address)
    }

    async fn end_gateway(&self) {
        let _turn = self.0.gateway.turn.lock().await;
        let running = self.0.gateway.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, task)) = running {
            stop.cancel();
            if timeout(ENDING, task).await.is_err() {
                warn!("the built-in gateway did not end in time");
            }
        }
        change(&self.0.around, |around| around.gateway = Gateway::Off);
    }

    /// The signing secret, made where there is none, with the token that profiles use.
    async fn signing_secret(&self) -> Result<Secret, Explained> {
        let keychain = self.keychain();
        let secret = match keychain.get(SECRET, Prompt::Allowed).await {
            Ok(secret) => secret,
            Err(KeychainError::NoEntry(_)) => {
                let mut bytes = [0; 32];
                getrandom::fill(&mut bytes).map_err(|error| internal(&error))?;
                let made = Secret::new(URL_SAFE_NO_PAD.encode(bytes));
                keychain.set(SECRET, made.clone(), Prompt::Allowed).await?;
                made
            }
            Err(error) => return Err(error.into()),
        };
        let new = NewToken {
            subject: SUBJECT.to_owned(),
            standing: Standing::User,
            lifetime: Lifetime::Forever,
            can: None,
            servers: None,
        };
        match keychain.get(TOKEN, Prompt::Allowed).await {
            Ok(_) => {}
            Err(KeychainError::NoEntry(_)) => {
                let token = create(&secret, &new, UnixTime::now())?;
                keychain.set(TOKEN, token, Prompt::Allowed).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(secret)
    }

    /// Writes the gateway's new port into the profiles that use it.
    async fn move_profiles(&self, port: u16) {
        let _turn = self.0.writing.lock().await;
        for saved in self.0.store.list().unwrap_or_default() {
            let Content::Profile(mut draft) = saved.content.clone() else { continue };
            let mut gateways = draft.gateways();
            let mut is_changed = false;
            for gateway in gateways.iter_mut().filter(|gateway| uses_it(gateway)) {
                is_changed |= gateway.address != address(port);
                gateway.address = address(port);
            }
            if is_changed {
                draft.set_gateways(&gateways);
                if let Err(error) = self.0.store.replace(&saved, draft, OnBroken::Refuse) {
                    warn!("a profile does not follow the built-in gateway to its new port: {error}");
                }
            }
        }
        let _ = self.reload().await;
    }
}

/// Whether a gateway of a draft is the built-in one.
pub(crate) fn uses_it(gateway: &DraftGateway) -> bool {
    let its_token = format!("keychain:{TOKEN}");
    let is_loopback = GatewayAddress::parse(&gateway.address).is_ok_and(|address| address.is_loopback());
    is_loopback && gateway.token.as_ref().is_some_and(|token| token.is(&its_token))
}

fn internal(error: &dyn std::fmt::Display) -> Explained {
    Explained::new("internal", format!("an internal error: {error}"), "Please report this with the log.")
}

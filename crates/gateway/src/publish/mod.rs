//! Federation: every server that a tunnel brings is registered in a ContextForge, so that its MCP clients find it there
//! and call it through there.
//!
//! [`place`] thinks about one server, [`desk`] about all of them and about ContextForge; [`ask`] and [`answer`] speak its
//! admin API, [`http`] carries one request. What is done is done here, one request at a time. Nothing here can hold the
//! gateway up: it looks at what is registered once a second, and nobody waits for it.

mod answer;
mod ask;
pub mod config;
mod desk;
mod entry;
mod glance;
mod http;
mod place;
mod token_file;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use culvert_protocol::claims::{Claims, Right};
use culvert_protocol::{GatewayAddress, Secret};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use crate::clock::UnixTime;
use crate::error::GatewayError;
use crate::house::House;
use crate::tokens;

pub use config::PublishConfig;
pub(crate) use desk::Offered;
pub(crate) use glance::{Publishing, Standing};
pub(crate) use place::Edition;

use answer::{Failure, Outcome};
use ask::{Offer, Step};
use desk::Desk;
use place::{Deed, Held, Moment, Terms};
use token_file::{News, TokenFile};

/// How often the servers and the token's file are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long taking everything out may take once the gateway is to stop. What is left over, ContextForge's own health
/// checks mark as unreachable.
const FAREWELL: Duration = Duration::from_secs(8);

/// Requests of a minute that are left to others: ContextForge counts those of one address together, and locks it out
/// for a quarter of an hour after five too many.
const RESERVE: u32 = 30;

/// The wait before each request while no more than the reserve is left.
const PACE: Duration = Duration::from_secs(2);

/// Publishes a gateway's servers in one ContextForge.
#[derive(Debug)]
pub(crate) struct Publisher {
    config: PublishConfig,
    base: GatewayAddress,
    token: TokenFile,
    desk: Desk,
    /// Not before this moment is ContextForge asked again.
    pace: Instant,
    glance: Arc<watch::Sender<Publishing>>,
}

impl Publisher {
    /// Reads the token. `base` is where ContextForge finds this gateway.
    ///
    /// # Errors
    /// [`GatewayError::PublishToken`].
    pub(crate) fn new(
        config: PublishConfig,
        base: &GatewayAddress,
        random: fastrand::Rng,
    ) -> Result<Self, GatewayError> {
        let token = TokenFile::open(&config.token_file)?;
        if token.names().is_empty() {
            tracing::warn!(
                "the publishing token does not tell whose it is: entries of an earlier run are not recognised"
            );
        }
        let (now, terms) = (Instant::now(), Terms { patience: config.patience, key: None });
        let desk = Desk::new(base.clone(), &config.contextforge, token.names().to_vec(), terms, random, now);
        Ok(Self { config, base: base.clone(), token, desk, pace: now, glance: Arc::default() })
    }

    /// How it stands, at any time.
    pub(crate) fn watch(&self) -> watch::Receiver<Publishing> {
        self.glance.subscribe()
    }

    /// Keeps ContextForge in step, for ever.
    pub(crate) async fn serve(&mut self, house: &House) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.look(house);
            match self.desk.next(Moment::now()) {
                Some(step) => {
                    sleep_until(self.pace).await;
                    self.take(step, house).await;
                }
                None => drop(looks.tick().await),
            }
        }
    }

    /// Disables all entries, as far as that goes quickly: the gateway stops.
    pub(crate) async fn leave(&mut self, house: &House) {
        let limit = Instant::now() + FAREWELL;
        self.desk.leave(Instant::now());
        while let Some(step) = self.desk.next(Moment::now()) {
            if timeout_at(limit, self.take(step, house)).await.is_err() {
                break;
            }
        }
        let left = self.desk.glance().enabled;
        if left > 0 {
            tracing::warn!(entries = left, "stopped with entries still enabled at ContextForge");
        }
    }

    fn look(&mut self, house: &House) {
        let now = Instant::now();
        if self.token.look() == News::Changed {
            tracing::info!("the publishing token changed");
            self.desk.new_token(self.token.names().to_vec(), now);
        }
        let key = house.trust.signing_key().map(|key| key.number());
        self.desk.sync(house.registry.offered(), Terms { patience: self.config.patience, key }, now);
        self.tell();
    }

    fn tell(&self) {
        let glance = self.desk.glance();
        self.glance.send_if_modified(|told| std::mem::replace(told, glance) != glance);
    }

    /// Takes one step to its end.
    async fn take(&mut self, step: Step, house: &House) {
        let (outcome, held) = self.ask(&step, house).await;
        self.desk.told(step, outcome, held, Instant::now());
        self.tell();
    }

    async fn ask(&mut self, step: &Step, house: &House) -> (Outcome, Option<Held>) {
        let minted = match self.mint(step, house) {
            Ok(minted) => minted,
            Err(error) => return (Outcome::Failed(Failure::Odd { status: 0, detail: error.to_string() }), None),
        };
        let offered = self.desk.offered(step);
        let url = offered.map(|offered| self.base.mcp_url(&offered.id.to_string())).unwrap_or_default();
        let offer = offered.map(|offered| Offer {
            name: &offered.name,
            description: offered.description.as_deref(),
            url: &url,
            visibility: self.config.visibility,
            bearer: minted.bearer.as_ref(),
        });
        let ask = ask::ask(step, self.desk.api(), offer.as_ref());
        let answer = http::exchange(&self.config.contextforge, &self.config.outbound, self.token.token(), ask).await;
        let outcome = match answer {
            Ok(answer) => {
                let scarce = answer.remaining.is_some_and(|left| left <= RESERVE);
                self.pace = Instant::now() + if scarce { PACE } else { Duration::ZERO };
                answer::read(step, &answer)
            }
            Err(why) => Outcome::Failed(Failure::Unreachable(why)),
        };
        (outcome, Some(minted.held))
    }

    /// A bearer that is good for calling the one server that `step` is about, where it needs one.
    fn mint(&self, step: &Step, house: &House) -> Result<Minted, GatewayError> {
        let none = Minted { bearer: None, held: Held { renew_at: None, key: None } };
        let needs_one = matches!(step, Step::For { deed: Deed::Create { .. } | Deed::Renew { .. }, .. });
        let (Some(offered), Some(key), true) = (self.desk.offered(step), house.trust.signing_key(), needs_one) else {
            return Ok(none);
        };
        let (now, life) =
            (UnixTime::now(), i64::try_from(self.config.bearer_life.as_secs().max(1)).unwrap_or(i64::MAX));
        let claims = Claims {
            sub: Some(offered.owner.as_str().to_owned()),
            exp: Some(now.plus(life).0),
            can: Some(vec![Right::Call]),
            servers: Some(vec![offered.name.to_string()]),
            ..tokens::fresh(now)?
        };
        let held = Held { renew_at: Some(now.plus(life - life / 3)), key: Some(key.number()) };
        Ok(Minted { bearer: Some(key.sign(&claims)), held })
    }
}

/// A bearer for ContextForge, and when it needs another one.
struct Minted {
    bearer: Option<Secret>,
    held: Held,
}

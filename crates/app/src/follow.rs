//! Keeps the world as it is: built anew when something has changed, at most every 100 ms, and while somebody looks also
//! once a second for figures that change by themselves.

use std::sync::Arc;
use std::time::Duration;

use culvert_instance::Overview;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use crate::culvert::{Culvert, Running};
use crate::memory::Memory;
use crate::shown::{Explained, Keychain, Status, World};
use crate::world::{Builder, Scene};

/// Changes are shown at most so often.
const SETTLE: Duration = Duration::from_millis(100);

/// While somebody looks, figures are looked at so often.
const WATCHED: Duration = Duration::from_secs(1);

/// While nobody does, so often: a token's last days begin at some time.
const UNWATCHED: Duration = Duration::from_secs(60);

/// Somebody who looks at the world; figures are gathered until this is dropped.
#[derive(Debug)]
pub struct Look(watch::Sender<usize>);

impl Drop for Look {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Culvert {
    /// Somebody looks from now on.
    pub fn look(&self) -> Look {
        self.0.looking.send_modify(|count| *count += 1);
        Look(self.0.looking.clone())
    }

    pub(crate) async fn follow(self) {
        let mut builder = Builder::new();
        let mut running = self.0.running.subscribe();
        let mut around = self.0.around.subscribe();
        let mut looking = self.0.looking.subscribe();
        let (mut saved, mut saved_for) = (Vec::new(), None);
        loop {
            let now = running.borrow_and_update().clone();
            let (mut overviews, elsewhere) = match now {
                Running::Here(instance) => (instance.overview(), None),
                Running::Elsewhere(why, overview) => (watch::channel(overview).1, Some(why)),
                Running::NotYet => (watch::channel(Arc::<Overview>::default()).1, None),
            };
            let overview = overviews.borrow_and_update().clone();
            let changes = overview.follow();
            let scenery = around.borrow_and_update().clone();
            let is_watched = *looking.borrow_and_update() > 0;
            let state = Some((overview.revision, scenery.elsewhere, elsewhere.is_some()));
            let store = self.0.store.clone();
            // Read again with each change of the files, which the instance has noticed.
            let read = (saved_for != state).then_some(store);
            let looked = spawn_blocking(move || {
                let memory = is_watched.then(Memory::now);
                (read.map(|store| store.list().unwrap_or_default()), memory)
            });
            let memory = match looked.await {
                Ok((found, memory)) => {
                    if let Some(found) = found {
                        (saved, saved_for) = (found, state);
                    }
                    memory
                }
                Err(_) => None,
            };
            let mut world = builder.world(&Scene {
                overview: &overview,
                saved: &saved,
                around: &scenery,
                agreement: &self.0.agreement,
                shared: &self.0.shares.all(),
                elsewhere: elsewhere.as_ref(),
                memory: memory.as_ref(),
            });
            if world.keychain == Keychain::Ready {
                world.keychain = keychain(&world);
            }
            self.0.world.send_if_modified(|shown| {
                let differs = **shown != world;
                if differs {
                    *shown = Arc::new(world);
                }
                differs
            });
            let earliest = Instant::now() + SETTLE;
            tokio::select! {
                changed = overviews.changed() => if changed.is_err() { wait_for(&mut running).await },
                () = changes.any() => {}
                Ok(()) = running.changed() => {}
                Ok(()) = around.changed() => {}
                Ok(()) = looking.changed() => {}
                () = sleep(if is_watched { WATCHED } else { UNWATCHED }) => {}
                () = self.0.stop.cancelled() => return,
            }
            sleep_until(earliest).await;
        }
    }
}

/// An overview that nobody keeps stays as it is: the next change is another one that runs, or a look at figures.
async fn wait_for(running: &mut watch::Receiver<Running>) {
    let _ = tokio::time::timeout(WATCHED, running.changed()).await;
}

/// How the keychain is, as far as tunnels tell that wait for it.
fn keychain(world: &World) -> Keychain {
    let statuses = world.profiles.iter().flat_map(|profile| &profile.tunnels).map(|tunnel| &tunnel.status);
    let causes = statuses.filter_map(|status| match status {
        Status::Waiting { cause, .. } | Status::Stopped { cause: Some(cause) } => Some(cause),
        _ => None,
    });
    let find = |code: &str| -> Option<Explained> { causes.clone().find(|cause| cause.code == code).cloned() };
    match (find("keychain.locked"), find("keychain.absent")) {
        (Some(_), _) => Keychain::Locked,
        (None, Some(why)) => Keychain::Missing { why },
        (None, None) => Keychain::Ready,
    }
}

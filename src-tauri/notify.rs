//! Tells the desktop what needs the user. A click opens the window at the profile that it is about.

use std::time::Duration;

use culvert_app::Culvert;
use culvert_app::notices::{LOST, Notice, Notices};
use culvert_app::shown::Place;
use tauri::{AppHandle, Runtime};
use tokio::time::{Instant, sleep_until};

use crate::window;

/// How many seconds a tunnel may be lost before the user is told, where a test has no half a minute.
const LOST_AFTER: &str = "CULVERT_DESKTOP_LOST";

/// Tells for as long as the app runs.
pub(crate) fn start<R: Runtime>(app: &AppHandle<R>, culvert: Culvert) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut world = culvert.world();
        let lost = std::env::var(LOST_AFTER).ok().and_then(|seconds| seconds.parse().ok());
        let mut notices = Notices::after(lost.map_or(LOST, Duration::from_secs));
        let desktop = platform::Desktop::new(move |profile| {
            window::open(&app, Some(Place::Profile { id: profile }));
        });
        loop {
            let now = world.borrow_and_update().clone();
            for notice in notices.of(&now, Instant::now()) {
                if now.settings.notifications.is_on() {
                    desktop.tell(notice).await;
                }
            }
            let due = notices.due();
            tokio::select! {
                changed = world.changed() => if changed.is_err() { return },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    });
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::{HashMap, VecDeque};
    use std::sync::{Arc, Mutex, PoisonError};

    use culvert_app::shown::ProfileId;
    use futures_util::StreamExt as _;
    use tokio::sync::OnceCell;
    use zbus::zvariant::Value;
    use zbus::{Connection, proxy};

    use super::Notice;

    /// How many notices are remembered for a click.
    const REMEMBERED: usize = 32;

    #[proxy(
        interface = "org.freedesktop.Notifications",
        default_service = "org.freedesktop.Notifications",
        default_path = "/org/freedesktop/Notifications",
        gen_blocking = false
    )]
    trait Notifications {
        #[allow(clippy::too_many_arguments)] // They are the interface's own.
        fn notify(
            &self,
            app_name: &str,
            replaces_id: u32,
            app_icon: &str,
            summary: &str,
            body: &str,
            actions: &[&str],
            hints: HashMap<&str, Value<'_>>,
            expire_timeout: i32,
        ) -> zbus::Result<u32>;

        #[zbus(signal)]
        fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;
    }

    type Told = Arc<Mutex<VecDeque<(u32, ProfileId)>>>;
    type Clicked = Arc<dyn Fn(ProfileId) + Send + Sync>;

    /// The desktop's own notifications.
    pub(super) struct Desktop {
        proxy: OnceCell<Option<NotificationsProxy<'static>>>,
        told: Told,
        clicked: Clicked,
    }

    impl Desktop {
        pub(super) fn new(clicked: impl Fn(ProfileId) + Send + Sync + 'static) -> Self {
            Self { proxy: OnceCell::new(), told: Told::default(), clicked: Arc::new(clicked) }
        }

        pub(super) async fn tell(&self, notice: Notice) {
            let Some(proxy) = self.proxy.get_or_init(|| self.connect()).await else { return };
            // Its body may be markup, in which these have a meaning.
            let body = notice.text.replace('&', "&amp;").replace('<', "&lt;");
            let told = proxy
                .notify("Culvert", 0, "culvert-desktop", &notice.title, &body, &["default", "Open"], HashMap::new(), -1)
                .await;
            match told {
                Ok(id) => {
                    let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.push_back((id, notice.profile));
                    if told.len() > REMEMBERED {
                        told.pop_front();
                    }
                }
                Err(error) => tracing::info!("the desktop shows no notifications: {error}"),
            }
        }

        async fn connect(&self) -> Option<NotificationsProxy<'static>> {
            let connection = Connection::session().await.ok()?;
            let proxy = NotificationsProxy::new(&connection).await.ok()?;
            let mut clicks = proxy.receive_action_invoked().await.ok()?;
            let (told, clicked) = (self.told.clone(), self.clicked.clone());
            tauri::async_runtime::spawn(async move {
                while let Some(click) = clicks.next().await {
                    let Ok(args) = click.args() else { continue };
                    let profile = {
                        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        told.iter().find(|(id, _)| *id == args.id).map(|(_, profile)| profile.clone())
                    };
                    if let Some(profile) = profile {
                        clicked(profile);
                    }
                }
            });
            Some(proxy)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use culvert_app::shown::ProfileId;
    use notify_rust::Notification;

    use super::Notice;

    /// The system's own notifications. A click is not told to the app there.
    pub(super) struct Desktop;

    impl Desktop {
        pub(super) fn new(_clicked: impl Fn(ProfileId) + Send + Sync + 'static) -> Self {
            Self
        }

        pub(super) async fn tell(&self, notice: Notice) {
            let shown = tokio::task::spawn_blocking(move || {
                Notification::new().appname("Culvert").summary(&notice.title).body(&notice.text).show().map(drop)
            });
            if let Ok(Err(error)) = shown.await {
                tracing::info!("the desktop shows no notifications: {error}");
            }
        }
    }
}

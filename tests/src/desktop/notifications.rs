//! A desktop's notifications as programs see them: it takes what they tell, and can be clicked.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::Connection;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedValue;

use crate::watched::Watched;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// All that was told on a desktop.
#[derive(Debug, Clone)]
pub struct Notifications {
    connection: Connection,
    told: Arc<Watched<Vec<Told>>>,
}

/// One notification as its reader sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its first line.
    pub title: String,
    /// What is below.
    pub text: String,
    /// What may be clicked: a key and its words, one after the other.
    pub actions: Vec<String>,
}

/// What programs call.
struct Server(Arc<Watched<Vec<Told>>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[allow(clippy::too_many_arguments, reason = "they are the interface's own")]
    fn notify(
        &self,
        _program: String,
        _replaces: u32,
        _icon: String,
        title: String,
        text: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _milliseconds: i32,
    ) -> u32 {
        let number = self.0.change(|told| {
            told.push(Told { title, text, actions });
            told.len()
        });
        u32::try_from(number).expect("few notifications")
    }

    fn close_notification(&self, _id: u32) {}

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "body-markup"].map(str::to_owned).to_vec()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("tests".to_owned(), "Culvert".to_owned(), "1".to_owned(), "1.2".to_owned())
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, key: &str) -> zbus::Result<()>;
}

impl Notifications {
    pub(super) async fn on(connection: &Connection) -> Self {
        let told = Arc::<Watched<Vec<Told>>>::default();
        connection.object_server().at(PATH, Server(Arc::clone(&told))).await.expect("an object of ours");
        connection.request_name(NAME).await.expect("nobody else shows notifications");
        Self { connection: connection.clone(), told }
    }

    /// All so far.
    pub fn all(&self) -> Vec<Told> {
        self.told.look().clone()
    }

    /// The titles of all so far.
    pub fn titles(&self) -> Vec<String> {
        self.told.look().iter().map(|told| told.title.clone()).collect()
    }

    /// Waits until so many were told, and hands out the last of them.
    pub async fn number(&self, number: usize) -> Told {
        self.told.until(&format!("notification {number}"), |told| told.get(number - 1).cloned()).await
    }

    /// Clicks the one with this number, counted from one.
    pub async fn click(&self, number: u32) {
        let server = self.connection.object_server().interface::<_, Server>(PATH).await.expect("an object of ours");
        Server::action_invoked(server.signal_emitter(), number, "default").await.expect("a signal goes out");
    }
}

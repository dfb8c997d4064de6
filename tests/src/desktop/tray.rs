//! A tray as the programs in it see one: it takes their items, and reads what they show.

use std::sync::Arc;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::proxy::CacheProperties;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, Proxy};

use super::Menu;
use crate::watched::Watched;

const NAME: &str = "org.kde.StatusNotifierWatcher";
const PATH: &str = "/StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";

/// The watched tray.
#[derive(Debug, Clone)]
pub struct Tray {
    connection: Connection,
    items: Arc<Watched<Vec<Address>>>,
}

/// Where an item is: the bus name of its program, and its object there.
#[derive(Debug, Clone, PartialEq)]
struct Address {
    program: String,
    object: String,
}

/// What programs call.
struct Watcher {
    items: Arc<Watched<Vec<Address>>>,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        // An object of the sender's, or a bus name whose object has the usual path.
        let address = if service.starts_with('/') {
            Address { program: sender, object: service.to_owned() }
        } else {
            Address { program: service.to_owned(), object: "/StatusNotifierItem".to_owned() }
        };
        self.items.change(|items| items.push(address));
        Self::status_notifier_item_registered(&emitter, service).await?;
        Ok(())
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.look().iter().map(|item| format!("{}{}", item.program, item.object)).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_item_registered(emitter: &SignalEmitter<'_>, service: &str) -> zbus::Result<()>;
}

impl Tray {
    pub(super) async fn on(connection: &Connection) -> Self {
        let items = Arc::<Watched<Vec<Address>>>::default();
        let watcher = Watcher { items: Arc::clone(&items) };
        connection.object_server().at(PATH, watcher).await.expect("an object of ours");
        connection.request_name(NAME).await.expect("there is no other tray");
        Self { connection: connection.clone(), items }
    }

    /// The first item, once it is there.
    pub async fn item(&self) -> Item {
        self.item_number(1).await
    }

    /// The item that registered as this one, counted from one, once it is there. A program that is started anew
    /// registers anew.
    pub async fn item_number(&self, number: usize) -> Item {
        let wanted = format!("item {number} in the tray");
        let address = self.items.until(&wanted, |items| items.get(number - 1).cloned()).await;
        Item::at(&self.connection, address).await
    }

    /// How many items registered so far.
    pub fn registered(&self) -> usize {
        self.items.look().len()
    }
}

/// One program's item in the tray.
#[derive(Debug, Clone)]
pub struct Item {
    proxy: Proxy<'static>,
}

impl Item {
    async fn at(connection: &Connection, address: Address) -> Self {
        let proxy = zbus::proxy::Builder::<Proxy<'static>>::new(connection)
            .destination(address.program)
            .and_then(|builder| builder.path(address.object))
            .and_then(|builder| builder.interface(ITEM))
            .expect("an item has an address")
            .cache_properties(CacheProperties::No);
        Self { proxy: proxy.build().await.expect("a proxy needs no answer") }
    }

    /// Whether somebody else's tray takes items.
    pub(super) async fn can_be_listed(connection: &Connection) -> bool {
        let Ok(tray) = Proxy::new(connection, NAME, PATH, NAME).await else { return false };
        tray.get_property("IsStatusNotifierHostRegistered").await.unwrap_or(false)
    }

    /// The first one that somebody else's tray lists, if there is such a tray and something in it.
    pub(super) async fn listed(connection: &Connection) -> Option<Self> {
        let tray = Proxy::new(connection, NAME, PATH, NAME).await.ok()?;
        let items: Vec<String> = tray.get_property("RegisteredStatusNotifierItems").await.ok()?;
        let (program, object) = items.first()?.split_once('/')?;
        let address = Address { program: program.to_owned(), object: format!("/{object}") };
        Some(Self::at(connection, address).await)
    }

    /// What a screen reader says of it.
    pub async fn title(&self) -> String {
        self.text("Title").await
    }

    /// Its icon's pixels, in the largest size that it has.
    pub async fn icon(&self) -> Vec<u8> {
        let sizes: Result<Vec<(i32, i32, Vec<u8>)>, _> = self.proxy.get_property("IconPixmap").await;
        let largest = sizes.expect("an icon of pixels").into_iter().max_by_key(|(width, ..)| *width);
        largest.map(|(.., pixels)| pixels).unwrap_or_default()
    }

    /// What a screen reader says of its icon.
    pub async fn icon_description(&self) -> String {
        self.text("IconAccessibleDesc").await
    }

    /// Waits until its title is one for which `is_it` holds, and hands it out.
    pub async fn title_becomes(&self, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = std::time::Instant::now() + crate::watched::PATIENCE;
        loop {
            let title = self.title().await;
            if is_it(&title) {
                return title;
            }
            assert!(std::time::Instant::now() < deadline, "the item's title stays {title:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Its menu.
    pub async fn menu(&self) -> Menu {
        let path: OwnedObjectPath = self.proxy.get_property("Menu").await.expect("an item has a menu");
        Menu::at(self.proxy.connection(), self.proxy.destination().clone(), path).await
    }

    async fn text(&self, name: &str) -> String {
        self.proxy.get_property(name).await.unwrap_or_else(|error| panic!("the item's {name}: {error}"))
    }
}

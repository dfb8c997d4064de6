//! An item's menu, read and clicked over `com.canonical.dbusmenu` as a panel does it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use zbus::names::BusName;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};
use zbus::{Connection, Proxy};

use crate::watched::PATIENCE;

/// An entry with its properties and what is below it.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// A menu on the bus.
#[derive(Debug, Clone)]
pub struct Menu {
    proxy: Proxy<'static>,
}

/// One entry as a user sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    id: i32,
    /// Its words, without the mark of a shortcut; none for a line between groups.
    pub label: String,
    /// Whether it can be clicked.
    pub enabled: bool,
    /// Its check; none where it is no check item.
    pub check: Option<bool>,
    /// What opens beside it.
    pub below: Vec<Self>,
}

impl Menu {
    pub(super) async fn at(connection: &Connection, program: BusName<'static>, path: OwnedObjectPath) -> Self {
        let proxy = zbus::proxy::Builder::<Proxy<'static>>::new(connection)
            .destination(program)
            .and_then(|builder| builder.path(path))
            .and_then(|builder| builder.interface("com.canonical.dbusmenu"))
            .expect("a menu has an address")
            .cache_properties(CacheProperties::No);
        Self { proxy: proxy.build().await.expect("a proxy needs no answer") }
    }

    /// What it shows now; entries that are hidden are left out.
    pub async fn read(&self) -> Vec<Entry> {
        let all: [&str; 0] = [];
        let answer = self.proxy.call("GetLayout", &(0, -1, all.as_slice())).await;
        let (_revision, (_, _, below)): (u32, Layout) = answer.unwrap_or_else(|error| panic!("the menu: {error}"));
        entries(below)
    }

    /// The words of its top level, in order, lines between groups left out.
    pub async fn labels(&self) -> Vec<String> {
        let entries = self.read().await.into_iter();
        entries.map(|entry| entry.label).filter(|label| !label.is_empty()).collect()
    }

    /// Waits until `find` finds something in it. Each change that the menu tells is looked at.
    ///
    /// # Panics
    /// After a long wait, with `what` and the menu as it is.
    pub async fn until<R>(&self, what: &str, find: impl FnMut(&[Entry]) -> Option<R>) -> R {
        self.until_within(PATIENCE, what, find).await
    }

    /// The same with a bound of the test's own.
    pub async fn until_within<R>(
        &self,
        patience: Duration,
        what: &str,
        mut find: impl FnMut(&[Entry]) -> Option<R>,
    ) -> R {
        let mut changes = self.proxy.receive_all_signals().await.expect("a subscription");
        let found = tokio::time::timeout(patience, async {
            loop {
                if let Some(found) = find(&self.read().await) {
                    return found;
                }
                changes.next().await.expect("the bus lives as long as the test");
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("waited {patience:?} in vain for: {what}\nthe menu is: {:#?}", self.read().await),
        }
    }

    /// Waits until an entry of its top level has words for which `is_it` holds.
    pub async fn shows(&self, what: &str, is_it: impl Fn(&str) -> bool) -> Entry {
        self.until(what, |entries| entries.iter().find(|entry| is_it(&entry.label)).cloned()).await
    }

    /// Waits until the entry of this profile has words for which `is_it` holds, which are those after its name.
    pub async fn profile(&self, name: &str, what: &str, is_it: impl Fn(&str) -> bool) -> Entry {
        let words = |label: &str| label.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ").map(str::to_owned));
        self.shows(&format!("{name}: {what}"), |label| words(label).is_some_and(|words| is_it(&words))).await
    }

    /// Waits until this profile is online.
    pub async fn online(&self, name: &str) -> Entry {
        self.profile(name, "online", |words| words.starts_with("online")).await
    }

    /// Waits until this profile is off.
    pub async fn off(&self, name: &str) -> Entry {
        self.profile(name, "off", |words| words == "off").await
    }

    /// Clicks a profile's entry, once it is there.
    pub async fn toggle(&self, name: &str) {
        self.profile(name, "listed", |_| true).await;
        self.click(&format!("{name}: ")).await;
    }

    /// Clicks the entry of its top level whose words begin like this.
    ///
    /// # Panics
    /// When there is none, more than one, or one that cannot be clicked.
    pub async fn click(&self, begins: &str) {
        self.click_in(&self.read().await, begins).await;
    }

    /// The same in what opens beside the entry with these words.
    pub async fn click_below(&self, parent: &str, begins: &str) {
        let menu = self.read().await;
        let parent = menu.iter().find(|entry| entry.label == parent);
        self.click_in(&parent.unwrap_or_else(|| panic!("no such entry in {menu:#?}")).below, begins).await;
    }

    async fn click_in(&self, entries: &[Entry], begins: &str) {
        let found: Vec<&Entry> = entries.iter().filter(|entry| entry.label.starts_with(begins)).collect();
        let [entry] = found.as_slice() else { panic!("there should be one {begins:?} in {entries:#?}") };
        assert!(entry.enabled, "{entry:?} cannot be clicked");
        self.event(entry.id, "clicked").await;
    }

    /// How many times it tells a change of words, checks or entries in this time.
    pub async fn changes_during(&self, time: Duration) -> usize {
        let changes = self.proxy.receive_all_signals().await.expect("a subscription");
        changes.take_until(tokio::time::sleep(time)).count().await
    }

    /// Tells it that a panel has opened or closed it.
    pub async fn opened(&self) {
        let _: Result<bool, _> = self.proxy.call("AboutToShow", &(0,)).await;
        self.event(0, "opened").await;
    }

    /// The other way round.
    pub async fn closed(&self) {
        self.event(0, "closed").await;
    }

    async fn event(&self, id: i32, what: &str) {
        let told: zbus::Result<()> = self.proxy.call("Event", &(id, what, Value::from(0), 0_u32)).await;
        told.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

fn entries(layouts: Vec<OwnedValue>) -> Vec<Entry> {
    layouts.into_iter().filter_map(entry).collect()
}

fn entry(layout: OwnedValue) -> Option<Entry> {
    let structure = Structure::try_from(layout).expect("an entry is a structure");
    let (id, properties, below): Layout = structure.try_into().expect("of id, properties and entries");
    let flag = |name: &str| properties.get(name).and_then(|value| bool::try_from(value).ok());
    let text = |name: &str| properties.get(name).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default();
    let check = match text("toggle-type") {
        "" => None,
        _ => Some(properties.get("toggle-state").and_then(|state| i32::try_from(state).ok()) == Some(1)),
    };
    if !flag("visible").unwrap_or(true) {
        return None;
    }
    let label = words(text("label"));
    Some(Entry { id, label, enabled: flag("enabled").unwrap_or(true), check, below: entries(below) })
}

/// A label without its mnemonic: one underscore marks a letter, two are one.
fn words(label: &str) -> String {
    let mut words = String::new();
    let mut letters = label.chars();
    while let Some(letter) = letters.next() {
        words.extend(if letter == '_' { letters.next() } else { Some(letter) });
    }
    words
}

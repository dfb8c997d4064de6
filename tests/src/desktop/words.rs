//! What a screen reader finds: names, roles and states of the windows on a test's desktop, read over AT-SPI.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use zbus::proxy::CacheProperties;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, Proxy};

use super::Desktop;
use crate::watched::PATIENCE;

/// Where Debian, Ubuntu and Fedora have it.
const LAUNCHER: &str = "/usr/libexec/at-spi-bus-launcher";
const ROOT: &str = "/org/a11y/atspi/accessible/root";

/// The states that tests ask for, by their bit in AT-SPI's list.
const STATES: [(u32, &str); 9] = [
    (4, "checked"),
    (10, "expanded"),
    (12, "focused"),
    (17, "multi-line"),
    (20, "pressed"),
    (23, "selected"),
    (24, "sensitive"),
    (33, "required"),
    (36, "invalid"),
];

/// How deep a page's tree may be; deeper, something is wrong with it.
const DEPTH: usize = 60;

/// The accessibility bus of a desktop. Programs must be started after it.
#[derive(Debug)]
pub struct WordsOnScreen {
    connection: Connection,
}

/// Something on the screen, with what is in it.
#[derive(Debug, Clone, Default)]
pub struct Spoken {
    /// Its role as AT-SPI names it: `push button`, `check box`, `heading` …
    pub role: String,
    /// Its name.
    pub name: String,
    /// What stands in it, where it has no name.
    pub text: String,
    /// The states of [`STATES`] that it has.
    pub states: Vec<&'static str>,
    /// What is in it.
    pub inner: Vec<Self>,
}

type Reference = (String, OwnedObjectPath);

impl WordsOnScreen {
    /// Starts the bus.
    pub async fn on(desktop: &mut Desktop) -> Self {
        desktop.set("NO_AT_BRIDGE", "0");
        desktop.companion(LAUNCHER, &["--launch-immediately"]);
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            let asked = desktop.connection().call_method(
                Some("org.a11y.Bus"),
                "/org/a11y/bus",
                Some("org.a11y.Bus"),
                "GetAddress",
                &(),
            );
            if let Ok(answer) = asked.await {
                break answer.body().deserialize::<String>().expect("an address");
            }
            assert!(Instant::now() < deadline, "the accessibility bus does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let builder = zbus::connection::Builder::address(address.as_str()).expect("an address");
        Self { connection: builder.build().await.expect("the bus takes connections") }
    }

    /// All that is on the screen now.
    pub async fn read(&self) -> Spoken {
        let root = ("org.a11y.atspi.Registry".to_owned(), ROOT.try_into().expect("a path"));
        self.spoken(root, DEPTH).await.unwrap_or_default()
    }

    /// Waits until `find` finds something on the screen.
    ///
    /// # Panics
    /// After a long wait, with what is there.
    pub async fn until<R>(&self, what: &str, find: impl Fn(&Spoken) -> Option<R>) -> R {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.read().await;
            if let Some(found) = find(&now) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}; there is:\n{now}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until something of this role and name is there.
    pub async fn has(&self, role: &str, name: &str) -> Spoken {
        self.until(&format!("{role} {name:?}"), |screen| screen.find(role, name).cloned()).await
    }

    /// `None` when it went away while it was read.
    fn spoken(&self, reference: Reference, depth: usize) -> Pin<Box<dyn Future<Output = Option<Spoken>> + Send + '_>> {
        Box::pin(async move {
            let (program, object) = reference;
            let proxy = zbus::proxy::Builder::<Proxy<'_>>::new(&self.connection)
                .destination(program)
                .and_then(|builder| builder.path(object))
                .and_then(|builder| builder.interface("org.a11y.atspi.Accessible"))
                .ok()?
                .cache_properties(CacheProperties::No)
                .build()
                .await
                .ok()?;
            let mut role: String = proxy.call("GetRoleName", &()).await.ok()?;
            if role.is_empty() {
                // A page's elements have only this one; the language of these tests is C.
                role = proxy.call("GetLocalizedRoleName", &()).await.ok()?;
            }
            let name: String = proxy.get_property("Name").await.ok()?;
            let text = if name.is_empty() { text(&proxy).await } else { String::new() };
            let bits: Vec<u32> = proxy.call("GetState", &()).await.ok()?;
            let mut inner = Vec::new();
            for reference in below(&proxy).await.filter(|_| depth > 0) {
                inner.extend(self.spoken(reference, depth - 1).await);
            }
            Some(Spoken { role, name, text, states: states(&bits), inner })
        })
    }
}

/// What is directly in an object. A web view's page belongs to another program, and is missing from the list that older
/// AT-SPI hands out at once; asked for one by one, it is there.
async fn below(object: &Proxy<'_>) -> impl Iterator<Item = Reference> + use<> {
    let mut below: Vec<Reference> = object.call("GetChildren", &()).await.unwrap_or_default();
    if below.is_empty() {
        let count: i32 = object.get_property("ChildCount").await.unwrap_or_default();
        for index in 0..count {
            below.extend(object.call::<_, _, Reference>("GetChildAtIndex", &(index,)).await);
        }
    }
    below.into_iter()
}

async fn text(object: &Proxy<'_>) -> String {
    let (connection, program, path) = (object.connection(), object.destination(), object.path());
    let asked = connection.call_method(Some(program), path, Some("org.a11y.atspi.Text"), "GetText", &(0, -1));
    asked.await.ok().and_then(|answer| answer.body().deserialize().ok()).unwrap_or_default()
}

fn states(bits: &[u32]) -> Vec<&'static str> {
    let bits: u64 = bits.iter().rev().fold(0, |all, half| (all << 32) | u64::from(*half));
    STATES.iter().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| *name).collect()
}

impl Spoken {
    /// The first of this role and name, itself or in it.
    pub fn find(&self, role: &str, name: &str) -> Option<&Self> {
        if self.role == role && self.name == name {
            return Some(self);
        }
        self.inner.iter().find_map(|inner| inner.find(role, name))
    }

    /// The first of this role, itself or in it.
    pub fn find_role(&self, role: &str) -> Option<&Self> {
        if self.role == role { Some(self) } else { self.inner.iter().find_map(|inner| inner.find_role(role)) }
    }

    /// Whether its name or text, or that of one in it, has this text in it.
    pub fn says(&self, text: &str) -> bool {
        self.name.contains(text) || self.text.contains(text) || self.inner.iter().any(|inner| inner.says(text))
    }

    /// Whether it has this state.
    pub fn is(&self, state: &str) -> bool {
        self.states.contains(&state)
    }

    fn write(&self, out: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let name = if self.name.is_empty() { &self.text } else { &self.name };
        writeln!(out, "{}{} {name:?} {}", "  ".repeat(depth), self.role, self.states.join(" "))?;
        self.inner.iter().try_for_each(|inner| inner.write(out, depth + 1))
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(out, 0)
    }
}

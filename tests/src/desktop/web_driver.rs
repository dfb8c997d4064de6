//! The app's window, driven over WebDriver by WebKit's own driver, which starts the app.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Desktop;
use crate::built;
use crate::culvert::Culvert;
use crate::http::{Request, Response};
use crate::watched::PATIENCE;

/// The member that stands for an element, fixed by the WebDriver standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How many stops a page may have for the Tab key.
const MOST_STOPS: usize = 80;

/// A session with the app in it. The driver and the app end when it is dropped.
#[derive(Debug)]
pub struct WebDriver {
    driver: Culvert,
    address: SocketAddr,
    session: String,
}

/// An element of the page, as long as the page keeps it.
#[derive(Debug, Clone)]
pub struct Element<'a> {
    web: &'a WebDriver,
    id: String,
}

/// Keys that are no letters.
pub mod keys {
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Tab.
    pub const TAB: &str = "\u{e004}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Space.
    pub const SPACE: &str = " ";
    /// Arrow up.
    pub const UP: &str = "\u{e013}";
    /// Arrow to the right.
    pub const RIGHT: &str = "\u{e014}";
    /// Arrow down.
    pub const DOWN: &str = "\u{e015}";
    /// Control, held until the end of the keys that are sent with it.
    pub const CONTROL: &str = "\u{e009}";
    /// Delete.
    pub const DELETE: &str = "\u{e017}";
}

impl WebDriver {
    /// Starts the app with these arguments on this desktop, and waits for its window.
    pub async fn start(desktop: &Desktop, arguments: &[&str]) -> Self {
        let port = free_port();
        let driver = desktop
            .user("WebKitWebDriver")
            .arg(format!("--port={port}"))
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .start();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut web = Self { driver, address, session: String::new() };
        web.until_ready().await;
        let options = json!({"binary": built::desktop(), "args": arguments});
        let wanted = json!({"alwaysMatch": {"webkitgtk:browserOptions": options}});
        let made = web.ask("POST", "/session", &json!({"capabilities": wanted})).await;
        web.session = made["sessionId"].as_str().expect("a session has an id").to_owned();
        web
    }

    /// The first element that matches this CSS selector, once there is one.
    pub async fn css(&self, selector: &str) -> Element<'_> {
        self.located(selector).await
    }

    /// Waits until the page shows this text.
    pub async fn shows(&self, text: &str) {
        self.until(&format!("the text {text:?}"), |page| page.contains(text).then_some(())).await;
    }

    /// Waits until `find` finds something in the page's visible text.
    pub async fn until<R>(&self, what: &str, find: impl Fn(&str) -> Option<R>) -> R {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.text().await;
            if let Some(found) = find(&page) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}; the page shows:\n{page}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The page's visible text.
    pub async fn text(&self) -> String {
        let text = self.script("return document.body.innerText", &[]).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page and hands out what it returns.
    pub async fn script(&self, script: &str, arguments: &[Value]) -> Value {
        self.in_session("POST", "/execute/sync", &json!({"script": script, "args": arguments})).await
    }

    /// Presses these keys, one after another, wherever the focus is. [`keys::CONTROL`] holds to the end.
    pub async fn press(&self, pressed: &str) {
        let held: Vec<char> = pressed.chars().filter(|key| keys::CONTROL.contains(*key)).collect();
        let mut actions: Vec<Value> = Vec::new();
        for key in pressed.chars() {
            actions.push(json!({"type": "keyDown", "value": key}));
            if !held.contains(&key) {
                actions.push(json!({"type": "keyUp", "value": key}));
            }
        }
        actions.extend(held.iter().map(|key| json!({"type": "keyUp", "value": key})));
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.in_session("POST", "/actions", &json!({"actions": [keyboard]})).await;
    }

    /// Presses a key that closes the window: the driver has no page then, and need not answer.
    pub async fn press_last(&self, key: &str) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let keyboard = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.send("POST", &format!("/session/{}/actions", self.session), &keyboard).await;
    }

    /// Types this in place of what the focused field holds.
    pub async fn write(&self, text: &str) {
        self.press(&format!("{}a", keys::CONTROL)).await;
        self.press(keys::DELETE).await;
        self.press(text).await;
    }

    /// Presses Tab until the focus is on what begins like this: `button "Save`.
    pub async fn tab_to(&self, wanted: &str) {
        self.press_to(keys::TAB, wanted).await;
    }

    /// Presses this key until the focus is on what begins like this.
    pub async fn press_to(&self, key: &str, wanted: &str) {
        let mut met = Vec::new();
        for _ in 0..MOST_STOPS {
            self.press(key).await;
            met.push(self.focus().await);
            if met.last().is_some_and(|now| now.starts_with(wanted)) {
                return;
            }
        }
        panic!("the keys do not lead to {wanted}; they met: {met:#?}\nthe page shows:\n{}", self.text().await);
    }

    /// Goes on to fields with these labels, and fills them in.
    pub async fn fill(&self, fields: &[(&str, &str)]) {
        for (label, text) in fields {
            self.tab_to(&format!("textbox {label:?}")).await;
            self.write(text).await;
        }
    }

    /// Goes on to what begins like this, and presses it.
    pub async fn choose(&self, wanted: &str) {
        self.tab_to(wanted).await;
        self.press(keys::ENTER).await;
    }

    /// Goes on to the button of a menu, and chooses what begins like this in it.
    pub async fn choose_in(&self, button: &str, wanted: &str) {
        self.choose(&format!("button {button:?}")).await;
        let entry = format!("menuitem \"{wanted}");
        self.focus_on("menuitem").await;
        if !self.focus().await.starts_with(&entry) {
            self.press_to(keys::DOWN, &entry).await;
        }
        self.press(keys::ENTER).await;
    }

    /// Switches a profile on in the list, and waits until it is online.
    pub async fn connect(&self, profile: &str) {
        self.tab_to(&format!("option \"{profile}")).await;
        self.press(keys::SPACE).await;
        self.shows("Online for").await;
    }

    /// Waits until the focus is on what begins like this.
    pub async fn focus_on(&self, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.focus().await;
            if now.starts_with(wanted) {
                return;
            }
            if Instant::now() > deadline {
                panic!("the focus is on {now}, not on {wanted}; the page shows:\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the focus is on, as a screen reader has it: `button "Save"`.
    pub async fn focus(&self) -> String {
        loop {
            let focused = self.in_session("GET", "/element/active", &Value::Null).await;
            let Some(id) = focused[ELEMENT].as_str() else { return "nothing".into() };
            let path = |what: &str| format!("/session/{}/element/{id}/{what}", self.session);
            let role = self.send("GET", &path("computedrole"), &Value::Null).await;
            let name = self.send("GET", &path("computedlabel"), &Value::Null).await;
            // The page may have put something else into its place in between.
            if let (200, 200) = (role.status, name.status) {
                let text = |answer: &Response| answer.json()["value"].as_str().unwrap_or_default().to_owned();
                return format!("{} {:?}", text(&role), text(&name));
            }
        }
    }

    /// Writes a picture of the page.
    pub async fn picture(&self, path: &Path) {
        let picture = self.in_session("GET", "/screenshot", &Value::Null).await;
        let picture = STANDARD.decode(picture.as_str().unwrap_or_default()).expect("a picture in base64");
        std::fs::write(path, picture).expect("a file");
    }

    /// Ends the app as a logout does, and the driver. No process may be left.
    pub async fn quit(self) {
        self.driver.signal_each("culvert-desktop", Signal::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        while self.driver.processes().len() > 1 {
            assert!(Instant::now() < deadline, "the app does not end: {:#?}", self.driver.processes());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.driver.signal(Signal::SIGTERM);
        self.driver.end().await;
    }

    /// The driver's process, and with it the app's.
    pub fn processes(&self) -> &Culvert {
        &self.driver
    }

    async fn until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while Request::new("GET", self.address, "/status").try_send().await.is_none() {
            assert!(Instant::now() < deadline, "WebKitWebDriver does not start: {}", self.driver.words());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn located(&self, selector: &str) -> Element<'_> {
        let deadline = Instant::now() + PATIENCE;
        let wanted = json!({"using": "css selector", "value": selector});
        loop {
            let found = self.in_session("POST", "/elements", &wanted).await;
            if let Some(id) = found[0][ELEMENT].as_str() {
                return Element { web: self, id: id.to_owned() };
            }
            if Instant::now() > deadline {
                panic!("waited in vain for {selector}; the page shows:\n{}", self.text().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn in_session(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}{path}", self.session), body).await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body).await;
        assert_eq!(answer.status, 200, "{method} {path} {body}: {answer:?}\n{}", self.driver.words());
        answer.json()["value"].clone()
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        let request = Request::new(method, self.address, path);
        let request = if body.is_null() { request } else { request.json(body) };
        match tokio::time::timeout(PATIENCE, request.send()).await {
            Ok(answer) => answer,
            Err(_) => panic!("no answer to {method} {path} {body}: {}", self.driver.words()),
        }
    }
}

impl Element<'_> {
    /// Clicks it.
    pub async fn click(&self) {
        self.ask("POST", "/click", &json!({})).await;
    }

    /// Types into it.
    pub async fn write(&self, text: &str) {
        self.ask("POST", "/value", &json!({"text": text})).await;
    }

    /// Empties it and types into it.
    pub async fn rewrite(&self, text: &str) {
        self.ask("POST", "/clear", &json!({})).await;
        self.write(text).await;
    }

    /// Its visible text.
    pub async fn text(&self) -> String {
        self.ask("GET", "/text", &Value::Null).await.as_str().unwrap_or_default().to_owned()
    }

    /// A property of it, such as `value`.
    pub async fn property(&self, name: &str) -> Value {
        self.ask("GET", &format!("/property/{name}"), &Value::Null).await
    }

    /// An attribute of it.
    pub async fn attribute(&self, name: &str) -> Option<String> {
        self.ask("GET", &format!("/attribute/{name}"), &Value::Null).await.as_str().map(str::to_owned)
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.web.in_session(method, &format!("/element/{}{path}", self.id), body).await
    }
}

/// A port that was free a moment ago: the driver takes no port 0.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

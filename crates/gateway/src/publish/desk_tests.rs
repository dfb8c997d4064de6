//! The desk against a ContextForge that is made of a list of entries: what is asked for in which order, until both agree.

use super::super::entry::tests::{SERVER, base};
use super::super::entry::{Id, Kind, Part};
use super::*;
use crate::clock::UnixTime;
use crate::session::SessionId;
use serde_json::{Value, json};

/// A pretended ContextForge, with one tool per entry.
struct Forge {
    entries: Vec<Value>,
    off: Vec<String>,
    made: usize,
}

/// The desk and its surroundings.
struct Scene {
    desk: Desk,
    forge: Forge,
    steps: Vec<&'static str>,
    start: Instant,
    passed: Duration,
    offers: Vec<Offered>,
}

fn offered(name: &str, session: Option<(&str, u64)>) -> Offered {
    let (owner, name) = (Subject::new("me"), ServerName::new(name).unwrap());
    let edition = session.map(|(session, changes)| Edition { session: SessionId(session.to_owned()), changes });
    Offered { id: ServerId::of(&owner, &name), owner, name, description: None, edition }
}

fn terms() -> Terms {
    Terms { patience: Duration::from_secs(60), key: None }
}

impl Forge {
    fn entry(&mut self, id: &str) -> &mut Value {
        self.entries.iter_mut().find(|entry| entry["id"] == id).unwrap()
    }

    fn make(&mut self, name: &str, server: &ServerId, owner: &str, tags: Value) -> Value {
        self.made += 1;
        let url = base().mcp_url(&server.to_string()).replace("127.0.0.1", "localhost");
        let made = json!({
            "id": format!("e{}", self.made), "name": name, "url": url, "enabled": true, "tags": tags,
            "ownerEmail": owner, "authToken": "*****", "capabilities": {"tools": {}},
        });
        self.entries.push(made.clone());
        made
    }

    /// What it answers.
    fn answer(&mut self, step: &Step, offers: &[Offered]) -> Outcome {
        let entry = |value: Value| Outcome::Entry(Box::new(Entry::read(value).unwrap()));
        let Step::For { server, deed } = step else {
            return Outcome::Page {
                entries: self.entries.iter().cloned().filter_map(Entry::read).collect(),
                next: None,
            };
        };
        match deed {
            Deed::Create { naming, .. } => {
                let own = offers.iter().find(|offered| offered.id == *server).unwrap().name.to_string();
                let name = if *naming == Naming::Plain { own } else { format!("{own} {}", &server.to_string()[..8]) };
                if self.entries.iter().any(|entry| entry["name"] == *name) {
                    return Outcome::Failed(Failure::Conflict("Gateway name already exists".into()));
                }
                let tags = serde_json::to_value(Entry::first_tags()).unwrap();
                entry(self.make(&name, server, "admin@example.com", tags))
            }
            Deed::Renew { entry: id, tags, .. } | Deed::Mark { entry: id, tags, .. } => {
                let Some(found) = self.entries.iter_mut().find(|entry| entry["id"] == id.as_str()) else {
                    return Outcome::Failed(Failure::Missing);
                };
                found["tags"] = serde_json::to_value(tags).unwrap();
                entry(found.clone())
            }
            Deed::Look { kind, .. } => {
                let part = |id: &String| Part { kind: *kind, id: Id::new(id).unwrap() };
                Outcome::Off(*kind, self.off.iter().map(part).collect())
            }
            Deed::Disable { entry } => {
                self.entry(entry.as_str())["enabled"] = json!(false);
                Outcome::Done
            }
            Deed::Enable { entry } => {
                self.entry(entry.as_str())["enabled"] = json!(true);
                self.off.clear();
                Outcome::Done
            }
            Deed::SwitchOff { part } => {
                self.off.push(part.id.as_str().to_owned());
                Outcome::Done
            }
            Deed::Delete { entry } => {
                self.entries.retain(|each| each["id"] != entry.as_str());
                Outcome::Done
            }
            Deed::Refresh { .. } => Outcome::Done,
        }
    }
}

fn word(step: &Step) -> &'static str {
    match step {
        Step::List { .. } => "list",
        Step::For { deed, .. } => match deed {
            Deed::Create { .. } => "create",
            Deed::Renew { .. } => "renew",
            Deed::Refresh { .. } => "refresh",
            Deed::Look { .. } => "look",
            Deed::Mark { .. } => "mark",
            Deed::Disable { .. } => "disable",
            Deed::Enable { .. } => "enable",
            Deed::SwitchOff { .. } => "switch off",
            Deed::Delete { .. } => "delete",
        },
    }
}

impl Scene {
    fn new() -> Self {
        Self::with(Forge { entries: Vec::new(), off: Vec::new(), made: 0 })
    }

    fn with(forge: Forge) -> Self {
        let start = Instant::now();
        let contextforge = GatewayAddress::parse("http://localhost:4444").unwrap();
        let names = vec!["admin@example.com".to_owned()];
        let desk = Desk::new(base(), &contextforge, names, terms(), fastrand::Rng::with_seed(1), start);
        Self { desk, forge, steps: Vec::new(), start, passed: Duration::ZERO, offers: Vec::new() }
    }

    fn now(&self) -> Moment {
        let unix = UnixTime(1000).plus(i64::try_from(self.passed.as_secs()).unwrap());
        Moment { at: self.start + self.passed, unix }
    }

    /// These are the servers now; everything is done that is to be done at this moment.
    fn offer(&mut self, offers: Vec<Offered>) -> Vec<&'static str> {
        self.offers = offers;
        self.go()
    }

    fn wait(&mut self, seconds: u64) -> Vec<&'static str> {
        self.passed += Duration::from_secs(seconds);
        self.go()
    }

    fn go(&mut self) -> Vec<&'static str> {
        self.steps.clear();
        self.desk.sync(self.offers.clone(), terms(), self.now().at);
        while let Some(step) = self.desk.next(self.now()) {
            assert!(self.steps.len() < 100, "it never comes to rest: {:?}", self.steps);
            self.steps.push(word(&step));
            let outcome = self.forge.answer(&step, &self.offers);
            let held = Held { renew_at: Some(self.now().unix.plus(600)), key: None };
            self.desk.told(step, outcome, Some(held), self.now().at);
        }
        self.steps.clone()
    }

    fn fail(&mut self, failure: Failure) -> &'static str {
        let step = self.desk.next(self.now()).unwrap();
        let word = word(&step);
        self.desk.told(step, Outcome::Failed(failure), None, self.now().at);
        word
    }
}

fn here() -> Vec<Offered> {
    vec![offered("git", Some(("s1", 0)))]
}

fn gone() -> Vec<Offered> {
    vec![offered("git", None)]
}

#[test]
fn a_server_is_made_kept_disabled_and_brought_back() {
    let mut scene = Scene::new();
    assert_eq!(scene.offer(here()), ["list", "create"]);
    assert_eq!(scene.wait(10), [""; 0]);
    assert_eq!(scene.offer(gone()), [""; 0], "a brief outage is nothing");
    scene.wait(30);
    assert_eq!(scene.offer(vec![offered("git", Some(("s2", 0)))]), [""; 0]);
    assert_eq!(scene.wait(5), ["renew"], "its tools may be others");
    scene.forge.off.push("t1".into());
    scene.offer(gone());
    assert_eq!(scene.wait(60), ["list", "look", "mark", "disable"]);
    assert_eq!(scene.forge.entries[0]["enabled"], false);
    assert_eq!(scene.wait(3600), ["list"], "it stays, and with it what people have put it into");
    assert_eq!(scene.offer(vec![offered("git", Some(("s3", 0)))]), ["enable", "switch off", "renew"]);
    assert_eq!(scene.forge.off, ["t1"], "what a human switched off is off");
    assert_eq!(scene.forge.entries[0]["tags"], json!([{"id": "culvert", "label": "culvert"}]));
    assert_eq!(scene.desk.glance(), Publishing { standing: Standing::Well, enabled: 1, disabled: 0, troubled: 0 });
}

#[test]
fn a_bearer_is_renewed_in_time_and_a_changed_list_refreshed() {
    let mut scene = Scene::new();
    scene.offer(here());
    assert_eq!(scene.wait(599), ["list"]);
    assert_eq!(scene.wait(1), ["renew"]);
    assert_eq!(scene.offer(vec![offered("git", Some(("s1", 2)))]), [""; 0]);
    assert_eq!(scene.wait(2), ["refresh"]);
}

#[test]
fn a_restarted_gateway_adopts_its_own_entries_and_nobody_elses() {
    let mut first = Scene::new();
    first.offer(vec![offered("git", Some(("s1", 0))), offered("time", Some(("s2", 0)))]);
    first.desk.leave(first.now().at);
    assert_eq!(first.go(), ["look", "mark", "disable", "look", "mark", "disable"]);
    let mut forge = first.forge;
    let mark = json!(["culvert"]);
    forge.make("theirs", &ServerId::parse(SERVER).unwrap(), "mallory@example.com", mark);
    let before = forge.entries[2].clone();

    let mut second = Scene::with(forge);
    assert_eq!(second.offer(gone()), ["list"]);
    assert_eq!(second.desk.glance().disabled, 2, "one of them is of a server that the catalog has lost");
    let back = vec![offered("git", Some(("s7", 0))), offered("time", Some(("s8", 0)))];
    let steps = second.offer(back);
    assert_eq!(steps, ["enable", "renew", "enable", "renew"], "no second entry");
    second.offer(Vec::new());
    assert_eq!(second.forge.entries, [before], "forgotten servers go, another's entry stays as it was");
}

#[test]
fn a_lost_catalog_deletes_nothing() {
    let mut first = Scene::new();
    first.offer(here());
    let mut second = Scene::with(first.forge);
    assert_eq!(second.offer(Vec::new()), ["list"]);
    assert_eq!(second.wait(60), ["list", "look", "mark", "disable"]);
    assert_eq!(second.wait(3600), ["list"]);
    assert_eq!(second.forge.entries.len(), 1);
}

#[test]
fn a_taken_name_gets_a_number_once() {
    let mut scene = Scene::new();
    scene.forge.make("git", &ServerId::parse(SERVER).unwrap(), "someone@example.com", json!([]));
    assert_eq!(scene.offer(here()), ["list", "create", "list", "create"]);
    let id = offered("git", None).id.to_string();
    assert_eq!(scene.forge.entries[1]["name"], format!("git {}", &id[..8]));
    assert_eq!(scene.wait(60), ["list"]);
    scene.forge.entries[1]["name"] = json!("renamed by a human");
    assert_eq!(scene.wait(60), ["list"], "its name is no matter");
}

#[test]
fn an_entry_that_a_human_disabled_stays_so_and_one_deleted_is_made_anew() {
    let mut scene = Scene::new();
    scene.offer(here());
    scene.forge.entries[0]["enabled"] = json!(false);
    assert_eq!(scene.wait(60), ["list"]);
    assert_eq!(scene.offer(vec![offered("git", Some(("s2", 0)))]), [""; 0]);
    assert_eq!(scene.wait(60), ["list"]);
    scene.forge.entries.clear();
    assert_eq!(scene.wait(60), ["list", "create"]);
}

#[test]
fn an_entry_that_leads_elsewhere_now_gets_no_bearer_any_more() {
    let mut scene = Scene::new();
    scene.offer(here());
    scene.forge.entries[0]["url"] = json!("http://evil.example.com/mcp");
    assert_eq!(scene.wait(600), ["list", "create", "list", "create"], "another entry, under another name");
    assert_eq!(scene.forge.entries[0]["tags"].as_array().map(Vec::len), Some(1), "untouched");
}

#[test]
fn a_contextforge_that_is_down_is_left_alone_and_then_listed_first() {
    let mut scene = Scene::new();
    scene.desk.sync(here(), terms(), scene.now().at);
    let down = || Failure::Unreachable("refused".into());
    assert_eq!(scene.fail(down()), "list");
    assert_eq!(scene.desk.glance().standing, Standing::Away);
    for _ in 0..5 {
        scene.passed += AWAY_CAP;
        assert_eq!(scene.fail(down()), "list");
        assert!(scene.desk.next(scene.now()).is_none(), "never at once");
    }
    scene.offers = here();
    assert_eq!(scene.wait(60), ["list", "create"]);
}

#[test]
fn it_waits_as_long_as_it_is_asked_to() {
    let mut scene = Scene::new();
    scene.desk.sync(here(), terms(), scene.now().at);
    scene.fail(Failure::Busy { status: 429, retry_after: Some(Duration::from_secs(900)) });
    scene.passed += Duration::from_secs(899);
    assert!(scene.desk.next(scene.now()).is_none());
    scene.passed += AWAY_CAP;
    assert!(scene.desk.next(scene.now()).is_some());
}

#[test]
fn a_refused_token_waits_for_another_one() {
    let mut scene = Scene::new();
    scene.desk.sync(here(), terms(), scene.now().at);
    scene.fail(Failure::Token("Invalid".into()));
    assert_eq!(scene.desk.glance().standing, Standing::Refused);
    scene.passed += Duration::from_secs(300);
    assert!(scene.desk.next(scene.now()).is_none());
    scene.desk.new_token(vec!["admin@example.com".into()], scene.now().at);
    scene.offers = here();
    assert_eq!(scene.go(), ["list", "create"]);
}

#[test]
fn what_one_server_cannot_have_stops_no_other() {
    let mut scene = Scene::new();
    scene.offers = vec![offered("a", Some(("s1", 0))), offered("b", Some(("s2", 0)))];
    scene.desk.sync(scene.offers.clone(), terms(), scene.now().at);
    let step = scene.desk.next(scene.now()).unwrap();
    let page = scene.forge.answer(&step, &scene.offers);
    scene.desk.told(step, page, None, scene.now().at);
    assert_eq!(scene.fail(Failure::NoWayBack("503".into())), "create");
    assert_eq!(scene.go(), ["create"]);
    assert_eq!(scene.desk.glance().troubled, 1);
    assert!(scene.wait(30).contains(&"create"), "it is tried again");
    assert_eq!((scene.desk.glance().troubled, scene.forge.entries.len()), (0, 2));
}

#[test]
fn a_refused_description_is_replaced_by_ours() {
    let mut scene = Scene::new();
    scene.offers = vec![Offered { description: Some("<script>".into()), ..offered("git", Some(("s1", 0))) }];
    scene.desk.sync(scene.offers.clone(), terms(), scene.now().at);
    let step = scene.desk.next(scene.now()).unwrap();
    let page = scene.forge.answer(&step, &scene.offers);
    scene.desk.told(step, page, None, scene.now().at);
    scene.fail(Failure::Invalid(String::new()));
    let Some(Step::For { deed: Deed::Create { words, .. }, .. }) = scene.desk.next(scene.now()) else { panic!() };
    assert_eq!(words, Words::Ours);
    scene.fail(Failure::Invalid(String::new()));
    assert!(scene.desk.next(scene.now()).is_none(), "the address is not taken; that takes a human");
}

#[test]
fn an_older_contextforge_has_its_api_at_the_root() {
    let mut scene = Scene::new();
    scene.fail(Failure::Missing);
    assert_eq!((scene.desk.api(), scene.desk.glance().standing), (Api::Plain, Standing::Beginning));
    scene.fail(Failure::Missing);
    assert_eq!(scene.desk.glance().standing, Standing::Away);
}

#[test]
fn a_gateway_that_stops_asks_nothing_of_a_contextforge_that_is_away() {
    let mut scene = Scene::new();
    scene.offer(here());
    scene.passed += Duration::from_secs(60);
    scene.fail(Failure::Unreachable("refused".into()));
    scene.desk.leave(scene.now().at);
    scene.passed += Duration::from_secs(60);
    assert!(scene.desk.next(scene.now()).is_none());
}

#[test]
fn kinds_that_a_server_does_not_offer_are_not_looked_at() {
    let mut scene = Scene::new();
    scene.offer(here());
    scene.forge.entries[0]["capabilities"] = json!({"tools": {}, "prompts": {}});
    scene.wait(60);
    scene.offer(gone());
    assert_eq!(scene.wait(60), ["list", "look", "look", "mark", "disable"]);
    assert_eq!(Kind::ALL.len(), 3);
}

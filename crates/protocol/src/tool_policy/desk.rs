//! The desk that every message between a gateway and one child passes while there is a policy: what may go on, what is
//! answered in its place, and what must be asked first.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::akin::{blurred, sole_param};
use super::definition::Definition;
use super::listing::{Depth, Known, Page, Unreadable, text};
use super::refusals::{completion, denied_call, listen, off, refuse_batch, refused, twice, unclear};
use super::{Denied, Feature, Rules, ToolPolicy};
use crate::glance::glance;
use crate::message::{Id, Malformed, Message, Shape, batch, member};
use crate::rpc_error::{INVALID_PARAMS, INVALID_REQUEST, RpcError};

/// Lists that are followed to their answer. Of more, answers are judged like any, but nothing is learnt.
const MOST_LISTS: usize = 1024;

/// Pages of a list that are asked for at most.
const MOST_PAGES: u64 = 200;

/// What the ids of our own questions begin with. No caller may use such an id.
const OURS: &str = "culvert-policy-";

/// The member of a stateless request's `_meta` that tells its revision.
pub(super) const REVISION: &str = "io.modelcontextprotocol/protocolVersion";

/// What is known of one child, and what it was asked.
#[derive(Debug, Default)]
pub struct Desk {
    /// What the child lists, once that is known to the end.
    known: Option<Known>,
    /// Lists that a caller waits for, and whether each begins at the first page. What is learnt hangs on it; what is
    /// judged does not: callers may give one id to several requests, and servers write it otherwise.
    lists: HashMap<Id, Start>,
    own: Option<Own>,
    /// The number of the next question of our own.
    next: u64,
    /// What the child lists, where that was read to its end and nobody has taken it.
    fresh: Option<Vec<Definition>>,
    /// What a question of our own that nobody waits for is asked with.
    manner: Manner,
    /// Whether the child has said that it lists something else, and nobody has taken that.
    has_changed: bool,
}

/// How a child is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Manner {
    /// Nothing was heard yet that tells.
    #[default]
    Unknown,
    /// After `initialize`.
    Greeted,
    /// Each request says this of its sender.
    Stateless(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    First,
    Later,
}

/// A list of our own that is under way.
#[derive(Debug)]
struct Own {
    id: String,
    found: Known,
    pages: u64,
    /// What each page is asked with besides its cursor: `"_meta":{…}`, or nothing.
    meta: Option<String>,
}

/// What becomes of a message of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToServer {
    /// It goes on as it is.
    Pass,
    /// It goes no further; these are the answers, if any.
    Answer(Vec<String>),
    /// The same, because it may not pass.
    Refuse(Vec<String>),
    /// This goes to the child in its place.
    Instead(Bytes),
    /// It must wait until the child's list is known. With a question: that goes to the child now.
    Wait(Option<String>),
}

/// What becomes of a message of the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToClient {
    /// It goes on as it is.
    Pass,
    /// These go on in its place.
    Instead(Vec<Bytes>),
    /// It was for us. With a question: that goes to the child now.
    Ours(Option<String>),
}

impl Desk {
    /// Judges a message of the gateway, one line.
    pub fn to_server(&mut self, rules: &Rules, line: &str) -> ToServer {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(Malformed::Batch) => return ToServer::Refuse(refuse_batch(line)),
            // Two readers might see two messages in it, so nobody is given it.
            Err(error) => {
                let head = glance(line.as_bytes(), |_| None).unwrap_or_default();
                let why = format!("the tool policy cannot judge this message: {error}");
                let refused = RpcError::new(INVALID_REQUEST, "policy.unclear", why);
                return ToServer::Refuse(
                    head.id.filter(|id| Id::from_json(id).is_some()).map(|id| refused.answer(id)).into_iter().collect(),
                );
            }
        };
        if let Some(member) = blurred(&message) {
            let raw_id = message.raw_id().filter(|_| matches!(message.shape(), Shape::Request(_)));
            return raw_id.map_or(ToServer::Refuse(Vec::new()), |raw_id| twice(raw_id, member));
        }
        let (Shape::Request(id), Some(raw_id)) = (message.shape(), message.raw_id()) else {
            // A call without an id wants no answer, and a careless server might do it all the same.
            let is_call = *message.shape() == Shape::Notification && !message.method().starts_with("notifications/");
            return if is_call { ToServer::Refuse(Vec::new()) } else { ToServer::Pass };
        };
        if is_ours(id) {
            let why = format!("ids that begin with {OURS} are the tunnel's own");
            return refused(raw_id, INVALID_REQUEST, "policy.reserved_id", why);
        }
        let (method, policy) = (message.method(), &rules.policy);
        self.manner.learn(&message);
        match &*method {
            // Whoever lists first would decide what is approved, page by page.
            "tools/list" | "tools/call" if rules.awaits_first_list() => self.ask(),
            "tools/list" => self.list(&message, id, raw_id),
            "tools/call" => self.call(rules, &message, raw_id),
            "subscriptions/listen" => listen(policy, &message, raw_id),
            "completion/complete" => completion(policy, &message, raw_id),
            method => match method.split_once('/') {
                Some(("prompts", _)) if policy.prompts == Feature::Off => off(&message, method, raw_id),
                Some(("resources", _)) if policy.resources == Feature::Off => off(&message, method, raw_id),
                _ => ToServer::Pass,
            },
        }
    }

    fn list(&mut self, message: &Message<'_>, id: &Id, raw_id: &str) -> ToServer {
        let start = match message.param(&["cursor"]) {
            Ok(None) => Start::First,
            Ok(Some(cursor)) if cursor.get() == "null" => Start::First,
            Ok(Some(_)) => Start::Later,
            Err(_) => return twice(raw_id, "cursor"),
        };
        if self.lists.len() >= MOST_LISTS {
            self.lists.clear();
        }
        self.lists.insert(id.clone(), start);
        ToServer::Pass
    }

    fn call(&mut self, rules: &Rules, message: &Message<'_>, raw_id: &str) -> ToServer {
        let name = match sole_param(message, &["name"]) {
            Ok(name) => name.and_then(text),
            Err(_) => return twice(raw_id, "name"),
        };
        let Some(name) = name else {
            let why = "the tool policy judges by the tool's name, and there is none".to_owned();
            return refused(raw_id, INVALID_PARAMS, "policy.unclear", why);
        };
        // Where nobody may use it, the child need not be asked.
        if let Err(denied) = rules.policy.judge_name(&name) {
            return denied_call(raw_id, &name, denied);
        }
        let Some(known) = &self.known else { return self.ask() };
        let judged =
            known.get(&name).ok_or(Denied::Unlisted).and_then(|(hint, digest)| rules.judge(&name, hint, digest));
        match judged {
            Ok(()) => ToServer::Pass,
            Err(denied) => denied_call(raw_id, &name, denied),
        }
    }

    /// Asks the child for its list, unless it was asked already. A child that is spoken to statelessly is asked so.
    fn ask(&mut self) -> ToServer {
        if self.own.is_some() {
            return ToServer::Wait(None);
        }
        let meta = match &self.manner {
            Manner::Stateless(revision) => Some(format!(
                r#""_meta":{{"{REVISION}":{revision},"io.modelcontextprotocol/clientCapabilities":{{}}}}"#
            )),
            Manner::Greeted | Manner::Unknown => None,
        };
        let mut own = Own { id: String::new(), found: Known::default(), pages: 0, meta };
        let question = self.question(&mut own, None);
        self.own = Some(own);
        ToServer::Wait(Some(question))
    }

    /// Whether the child has said that it lists something else; told once.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// A question for the child's list, where it is known how it is spoken to and it was not asked already.
    pub fn look_again(&mut self) -> Option<String> {
        if self.manner == Manner::Unknown {
            return None;
        }
        match self.ask() {
            ToServer::Wait(question) => question,
            _ => None,
        }
    }

    /// Forgets what the child lists: from here on, other rules need to know more, or messages have passed unseen.
    pub fn forget(&mut self) {
        (self.known, self.own) = (None, None);
    }

    /// What the child lists, once each time that it was read to its end, where the rules need to know what tools say.
    pub fn take_fresh(&mut self) -> Option<Vec<Definition>> {
        self.fresh.take()
    }

    fn question(&mut self, own: &mut Own, cursor: Option<&str>) -> String {
        self.next += 1;
        own.pages += 1;
        own.id = format!("{OURS}{}", self.next);
        let cursor = cursor.map(|cursor| format!(r#""cursor":{cursor}"#));
        let params: Vec<_> = own.meta.clone().into_iter().chain(cursor).collect();
        let id = &own.id;
        format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"tools/list","params":{{{}}}}}"#, params.join(","))
    }

    /// Judges a message of the child, one line.
    pub fn to_client(&mut self, rules: &Rules, line: &str) -> ToClient {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(Malformed::Batch) => return self.each(rules, line),
            Err(Malformed::NotJson | Malformed::NotAnObject) => return ToClient::Instead(Vec::new()),
            Err(error) => {
                let head = glance(line.as_bytes(), |_| None).unwrap_or_default();
                return self.unreadable(head.id.filter(|_| head.method.is_none()), &error.to_string());
            }
        };
        let is_answer = message.result().is_some() || message.error().is_some();
        // To one reader it may be an answer, to another something else.
        let is_both = is_answer && !message.method().is_empty();
        if let Some(member) = blurred(&message).or(is_both.then_some("method")) {
            let why = format!("the member {member:?} can be read in two ways");
            return self.unreadable(message.raw_id().filter(|_| is_answer), &why);
        }
        match message.shape() {
            Shape::Response(id) if is_ours(id) => self.learn(rules, id, &message),
            Shape::Response(id) => {
                let start = self.lists.remove(id).unwrap_or(Start::Later);
                self.listed(rules, start, &message)
            }
            Shape::Notification => self.told(&rules.policy, &message),
            Shape::Request(_) => ToClient::Pass,
        }
    }

    /// A message that nobody is given. Whoever waits for an answer with this id has an error.
    fn unreadable(&mut self, raw_id: Option<&str>, why: &str) -> ToClient {
        let id = raw_id.and_then(Id::from_json);
        id.as_ref().map(|id| self.lists.remove(id));
        let error = unclear(&format!("the server's answer cannot be judged: {why}"));
        let answer = id.map(|id| Bytes::from(error.answer(&id.to_json())));
        ToClient::Instead(answer.into_iter().collect())
    }

    /// A notification. What is said of a feature that is off would tell of what is not to be seen.
    fn told(&mut self, policy: &ToolPolicy, message: &Message<'_>) -> ToClient {
        match message.method().strip_prefix("notifications/").and_then(|rest| rest.split_once('/')) {
            Some(("tools", "list_changed")) => {
                (self.known, self.own, self.has_changed) = (None, None, true);
                ToClient::Pass
            }
            Some(("prompts", _)) if policy.prompts == Feature::Off => ToClient::Instead(Vec::new()),
            Some(("resources", _)) if policy.resources == Feature::Off => ToClient::Instead(Vec::new()),
            _ => ToClient::Pass,
        }
    }

    /// An answer, which may be a list whatever was asked.
    fn listed(&mut self, rules: &Rules, start: Start, message: &Message<'_>) -> ToClient {
        let Some(result) = message.result() else { return ToClient::Pass };
        // An error beside it, and the reader might take either.
        let page = if message.error().is_some() { Err(Unreadable) } else { Page::read(result, Depth::of(rules)) };
        let page = match page {
            Ok(Some(page)) => page,
            Ok(None) => return ToClient::Pass,
            Err(Unreadable) => {
                let error = unclear("the server's list of tools cannot be judged");
                let answer = error.answer(message.raw_id().unwrap_or("null"));
                return ToClient::Instead(vec![answer.into()]);
            }
        };
        match (start, page.cursor, &mut self.known) {
            // All there is, in one page.
            (Start::First, None, known) => {
                let mut all = Known::default();
                page.learn(&mut all);
                self.fresh = rules.holds().then(|| all.definitions.clone());
                *known = Some(all);
            }
            (_, _, Some(known)) => {
                page.learn_anew(known);
                self.fresh = rules.holds().then(|| known.definitions.clone());
            }
            (_, _, None) => {}
        }
        match page.without_denied(message, rules) {
            None => ToClient::Pass,
            Some(rest) => ToClient::Instead(vec![rest]),
        }
    }

    /// An answer to a question of our own.
    fn learn(&mut self, rules: &Rules, id: &Id, message: &Message<'_>) -> ToClient {
        let Some(mut own) = self.own.take_if(|own| matches!(id, Id::Text(id) if **id == *own.id)) else {
            return ToClient::Ours(None);
        };
        let page = message.result().map_or(Err(Unreadable), |result| Page::read(result, Depth::of(rules)));
        let Ok(Some(page)) = page else {
            // Without a list, nothing is listed; whoever waits asks again and is told.
            return ToClient::Ours(None);
        };
        page.learn(&mut own.found);
        match page.cursor {
            Some(cursor) if own.pages < MOST_PAGES => {
                let question = self.question(&mut own, Some(cursor));
                self.own = Some(own);
                ToClient::Ours(Some(question))
            }
            _ => {
                self.fresh = rules.holds().then(|| own.found.definitions.clone());
                self.known = Some(own.found);
                ToClient::Ours(None)
            }
        }
    }

    /// The messages of a batch, one by one.
    fn each(&mut self, rules: &Rules, line: &str) -> ToClient {
        let mut all = Vec::new();
        for element in batch(line).unwrap_or_default() {
            // A batch within a batch is none.
            if element.get().trim_start().starts_with('[') {
                continue;
            }
            match self.to_client(rules, element.get()) {
                ToClient::Pass => all.push(Bytes::copy_from_slice(element.get().as_bytes())),
                ToClient::Instead(others) => all.extend(others),
                ToClient::Ours(_) => {}
            }
        }
        ToClient::Instead(all)
    }

    /// The answer to a call whose child does not say what it lists.
    pub fn refuse_unlisted(line: &str) -> Option<String> {
        let message = Message::parse(line).ok()?;
        let error =
            RpcError::tunnel("policy.no_list", "the server did not list its tools, so the tool policy lets none pass");
        message.raw_id().map(|id| error.answer(id))
    }

    /// Forgets a question of our own: whoever waits no longer does.
    pub fn give_up(&mut self) {
        self.own = None;
    }

    /// Whether the list that a call waits for is known, or is no longer asked for.
    pub fn has_settled(&self) -> bool {
        self.own.is_none()
    }
}

/// Whether this is the id of a question that a desk has asked.
pub fn is_ours(id: &Id) -> bool {
    matches!(id, Id::Text(id) if id.starts_with(OURS))
}

impl Manner {
    /// The first request but `initialize` or `ping` shows it.
    fn learn(&mut self, message: &Message<'_>) {
        if *self != Self::Unknown {
            return;
        }
        let meta = message.param(&["_meta"]).ok().flatten();
        let revision = meta.and_then(|meta| member(meta, REVISION).ok().flatten()).map(RawValue::get);
        match (revision.filter(|revision| revision.starts_with('"')), &*message.method()) {
            (Some(revision), _) => *self = Self::Stateless(revision.to_owned()),
            (None, "initialize" | "ping") => {}
            (None, _) => *self = Self::Greeted,
        }
    }
}

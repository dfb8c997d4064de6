//! The desk that every message between a gateway and one child passes while there is a policy: what may go on, what is
//! answered in its place, and what must be asked first.

use std::collections::HashMap;

use bytes::Bytes;

use super::akin::{blurred, sole_param};
use super::definition::Definition;
use super::listing::{Depth, Known, Page, Unreadable, text};
use super::questions::{Next, OURS, Questions, is_ours};
use super::refusals::{completion, denied_call, listen, off, refuse_batch, refused, twice, unclear};
use super::{Denied, Feature, Rules, ToolPolicy};
use crate::glance::glance;
use crate::message::{Id, Malformed, Message, Shape, batch};
use crate::rpc_error::{INVALID_PARAMS, INVALID_REQUEST, RpcError};

/// Lists that are followed to their answer. Of more, answers are judged like any, but nothing is learnt.
const MOST_LISTS: usize = 1024;

/// What is known of one child, and what it was asked.
#[derive(Debug, Default)]
pub struct Desk {
    /// What the child lists, once that is known to the end.
    known: Option<Known>,
    /// Lists that a caller waits for, and whether each begins at the first page. What is learnt hangs on it; what is
    /// judged does not: callers may give one id to several requests, and servers write it otherwise.
    lists: HashMap<Id, Start>,
    questions: Questions,
    /// What the child lists, where that was read to its end and nobody has taken it.
    fresh: Option<Vec<Definition>>,
    /// Whether the child has said that it lists something else, and nobody has taken that.
    has_changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    First,
    Later,
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
        self.questions.heard(&message);
        match &*method {
            // Whoever lists first would decide what is approved, page by page.
            "tools/list" | "tools/call" if rules.awaits_first_list() => ToServer::Wait(self.questions.begin()),
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
        let Some(known) = &self.known else { return ToServer::Wait(self.questions.begin()) };
        let judged =
            known.get(&name).ok_or(Denied::Unlisted).and_then(|(hint, digest)| rules.judge(&name, hint, digest));
        match judged {
            Ok(()) => ToServer::Pass,
            Err(denied) => denied_call(raw_id, &name, denied),
        }
    }

    /// Whether the child has said that it lists something else; told once.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// A question for the child's list, where it is known how it is spoken to and it was not asked already.
    pub fn look_again(&mut self) -> Option<String> {
        self.questions.begin_unasked()
    }

    /// Forgets what the child lists: from here on, other rules need to know more, or messages have passed unseen.
    pub fn forget(&mut self) {
        self.known = None;
        self.questions.give_up();
    }

    /// What the child lists, once each time that it was read to its end, where the rules need to know what tools say.
    pub fn take_fresh(&mut self) -> Option<Vec<Definition>> {
        self.fresh.take()
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
                (self.known, self.has_changed) = (None, true);
                self.questions.give_up();
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
        let Some(mut asked) = self.questions.answered(id) else { return ToClient::Ours(None) };
        let page = message.result().map_or(Err(Unreadable), |result| Page::read(result, Depth::of(rules)));
        let Ok(Some(page)) = page else {
            // Without a list, nothing is listed; whoever waits asks again and is told.
            return ToClient::Ours(None);
        };
        page.learn(&mut asked.found);
        match self.questions.go_on(asked, page.cursor) {
            Next::Page(question) => ToClient::Ours(Some(question)),
            Next::End(found) => {
                self.fresh = rules.holds().then(|| found.definitions.clone());
                self.known = Some(found);
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
        self.questions.give_up();
    }

    /// Whether the list that a call waits for is known, or is no longer asked for.
    pub fn has_settled(&self) -> bool {
        !self.questions.is_asking()
    }
}

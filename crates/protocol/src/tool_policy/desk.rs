//! The desk that every message between a gateway and one child passes while there is a policy: what may go on, what is
//! answered in its place, and what must be asked first.

use std::collections::HashMap;

use bytes::Bytes;

use super::listing::{Known, Page, Unreadable, text};
use super::{Denied, Feature, ToolPolicy};
use crate::glance::glance;
use crate::message::{Id, Malformed, Message, Shape, batch, member};
use crate::rpc_error::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, RpcError};

/// Lists that are followed to their answer. Beyond, all results that look like a list are judged as one.
const MOST_LISTS: usize = 1024;

/// Pages of a list that are asked for at most.
const MOST_PAGES: u64 = 200;

/// What the ids of our own questions begin with. No caller may use such an id.
const OURS: &str = "culvert-policy-";

/// The member of a stateless request's `_meta` that tells its revision.
const REVISION: &str = "io.modelcontextprotocol/protocolVersion";

/// What is known of one child, and what it was asked.
#[derive(Debug, Default)]
pub struct Desk {
    /// What the child lists, once that is known to the end.
    known: Option<Known>,
    /// Lists that a caller waits for, and whether each begins at the first page.
    lists: HashMap<Id, Start>,
    /// Whether an answer may come to a list that is not among them.
    untold: bool,
    own: Option<Own>,
    /// The number of the next question of our own.
    next: u64,
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
    /// A desk at which messages may have passed unseen before.
    pub fn opened_late() -> Self {
        Self { untold: true, ..Self::default() }
    }

    /// Judges a message of the gateway, one line.
    pub fn to_server(&mut self, policy: &ToolPolicy, line: &str) -> ToServer {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(Malformed::Batch) => return ToServer::Answer(refuse_batch(line)),
            // Two readers might see two messages in it, so nobody is given it.
            Err(error) => {
                let head = glance(line.as_bytes(), |_| None).unwrap_or_default();
                let why = format!("the tool policy cannot judge this message: {error}");
                let refused = RpcError::new(INVALID_REQUEST, "policy.unclear", why);
                return ToServer::Answer(
                    head.id.filter(|id| Id::from_json(id).is_some()).map(|id| refused.answer(id)).into_iter().collect(),
                );
            }
        };
        let (Shape::Request(id), Some(raw_id)) = (message.shape(), message.raw_id()) else { return ToServer::Pass };
        if is_ours(id) {
            let why = format!("ids that begin with {OURS} are the tunnel's own");
            return refused(raw_id, INVALID_REQUEST, "policy.reserved_id", why);
        }
        let method = message.method();
        match &*method {
            "tools/list" => self.list(&message, id, raw_id),
            "tools/call" => self.call(policy, &message, raw_id),
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
            self.untold = true;
        }
        self.lists.insert(id.clone(), start);
        ToServer::Pass
    }

    fn call(&mut self, policy: &ToolPolicy, message: &Message<'_>, raw_id: &str) -> ToServer {
        let name = match message.param(&["name"]) {
            Ok(name) => name.and_then(text),
            Err(_) => return twice(raw_id, "name"),
        };
        let Some(name) = name else {
            let why = "the tool policy judges by the tool's name, and there is none".to_owned();
            return refused(raw_id, INVALID_PARAMS, "policy.unclear", why);
        };
        // Where nobody may use it, the child need not be asked.
        if let Err(denied) = policy.judge_name(&name) {
            return denied_call(raw_id, &name, denied);
        }
        let Some(known) = &self.known else { return self.ask(message) };
        let judged = known.get(&name).ok_or(Denied::Unlisted).and_then(|hint| policy.judge(&name, *hint));
        match judged {
            Ok(()) => ToServer::Pass,
            Err(denied) => denied_call(raw_id, &name, denied),
        }
    }

    /// Asks the child for its list, unless it was asked already. A child that is spoken to statelessly is asked so.
    fn ask(&mut self, call: &Message<'_>) -> ToServer {
        if self.own.is_some() {
            return ToServer::Wait(None);
        }
        let meta = call.param(&["_meta"]).ok().flatten();
        let revision =
            meta.and_then(|meta| member(meta, REVISION).ok().flatten()).map(serde_json::value::RawValue::get);
        let meta = revision.filter(|revision| revision.starts_with('"')).map(|revision| {
            format!(r#""_meta":{{"{REVISION}":{revision},"io.modelcontextprotocol/clientCapabilities":{{}}}}"#)
        });
        let mut own = Own { id: String::new(), found: Known::new(), pages: 0, meta };
        let question = self.question(&mut own, None);
        self.own = Some(own);
        ToServer::Wait(Some(question))
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
    pub fn to_client(&mut self, policy: &ToolPolicy, line: &str) -> ToClient {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(Malformed::Batch) => return self.each(policy, line),
            Err(Malformed::NotJson | Malformed::NotAnObject) => return ToClient::Instead(Vec::new()),
            Err(error) => {
                let head = glance(line.as_bytes(), |_| None).unwrap_or_default();
                let id = head.id.filter(|_| head.method.is_none()).and_then(Id::from_json);
                id.as_ref().map(|id| self.lists.remove(id));
                let error = unclear(&format!("the server's answer cannot be judged: {error}"));
                let answer = id.map(|id| Bytes::from(error.answer(&id.to_json())));
                return ToClient::Instead(answer.into_iter().collect());
            }
        };
        match message.shape() {
            Shape::Response(id) if is_ours(id) => self.learn(id, &message),
            Shape::Response(id) => match self.lists.remove(id) {
                Some(start) => self.listed(policy, start, &message),
                None if self.untold => self.listed(policy, Start::Later, &message),
                None => ToClient::Pass,
            },
            Shape::Notification if message.method() == "notifications/tools/list_changed" => {
                self.known = None;
                self.own = None;
                ToClient::Pass
            }
            Shape::Request(_) | Shape::Notification => ToClient::Pass,
        }
    }

    /// An answer to a list.
    fn listed(&mut self, policy: &ToolPolicy, start: Start, message: &Message<'_>) -> ToClient {
        let Some(result) = message.result() else { return ToClient::Pass };
        // An error beside it, and the reader might take either.
        let page = if message.error().is_some() { Err(Unreadable) } else { Page::read(result) };
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
                let mut all = Known::new();
                page.learn(&mut all);
                *known = Some(all);
            }
            (_, _, Some(known)) => page.learn(known),
            (_, _, None) => {}
        }
        match page.without_denied(message, policy) {
            None => ToClient::Pass,
            Some(rest) => ToClient::Instead(vec![rest]),
        }
    }

    /// An answer to a question of our own.
    fn learn(&mut self, id: &Id, message: &Message<'_>) -> ToClient {
        let Some(mut own) = self.own.take_if(|own| matches!(id, Id::Text(id) if **id == *own.id)) else {
            return ToClient::Ours(None);
        };
        let page = message.result().map_or(Err(Unreadable), Page::read);
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
                self.known = Some(own.found);
                ToClient::Ours(None)
            }
        }
    }

    /// The messages of a batch, one by one.
    fn each(&mut self, policy: &ToolPolicy, line: &str) -> ToClient {
        let mut all = Vec::new();
        for element in batch(line).unwrap_or_default() {
            // A batch within a batch is none.
            if element.get().trim_start().starts_with('[') {
                continue;
            }
            match self.to_client(policy, element.get()) {
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

fn refused(raw_id: &str, code: i32, reason: &'static str, why: String) -> ToServer {
    ToServer::Answer(vec![RpcError::new(code, reason, why).answer(raw_id)])
}

fn twice(raw_id: &str, member: &str) -> ToServer {
    let why = format!("the tool policy cannot judge this message: the member {member:?} is there twice");
    refused(raw_id, INVALID_REQUEST, "policy.unclear", why)
}

fn unclear(why: &str) -> RpcError {
    RpcError::tunnel("policy.unclear", why)
}

fn denied_call(raw_id: &str, name: &str, denied: Denied) -> ToServer {
    let name = crate::text::clean(name, 128);
    let (code, why) = match denied {
        // The words of a server that has no such tool: what is hidden is not told apart from what is not there.
        Denied::Name | Denied::Writes | Denied::Unlisted => ("policy.denied", format!("Unknown tool: {name}")),
    };
    refused(raw_id, INVALID_PARAMS, code, why)
}

/// A method of a feature that is off: lists are empty, all else is unknown.
fn off(message: &Message<'_>, method: &str, raw_id: &str) -> ToServer {
    let member = match method {
        "prompts/list" => "prompts",
        "resources/list" => "resources",
        "resources/templates/list" => "resourceTemplates",
        _ => {
            let why = format!("{} is switched off on this server", crate::text::clean(method, 80));
            return refused(raw_id, METHOD_NOT_FOUND, "policy.off", why);
        }
    };
    let is_stateless = matches!(message.param(&["_meta", REVISION]), Ok(Some(_)));
    let kind = if is_stateless { r#","resultType":"complete""# } else { "" };
    ToServer::Answer(vec![format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{{"{member}":[]{kind}}}}}"#)])
}

fn completion(policy: &ToolPolicy, message: &Message<'_>, raw_id: &str) -> ToServer {
    let kind = match message.param(&["ref", "type"]) {
        Ok(kind) => kind.and_then(text),
        Err(_) => return twice(raw_id, "ref"),
    };
    let feature = match kind.as_deref() {
        Some("ref/prompt") => policy.prompts,
        Some("ref/resource") => policy.resources,
        _ if policy.prompts == Feature::Off || policy.resources == Feature::Off => Feature::Off,
        _ => Feature::On,
    };
    match feature {
        Feature::On => ToServer::Pass,
        Feature::Off => off(message, "completion/complete", raw_id),
    }
}

fn refuse_batch(line: &str) -> Vec<String> {
    let error = RpcError::new(INVALID_REQUEST, "policy.batch", "batches do not pass where there is a tool policy");
    let elements = batch(line).unwrap_or_default();
    let ids = elements.iter().filter_map(|element| {
        let message = Message::parse(element.get()).ok()?;
        matches!(message.shape(), Shape::Request(_)).then(|| message.raw_id()).flatten()
    });
    ids.map(|id| error.answer(id)).collect()
}

//! The messages of a round: JSON-RPC of every form, as client and server may write it.

use culvert_tests::json_text::{Breaks, JsonText};
use fastrand::Rng;

/// Who shares the child, and so what cannot pass as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// A session has it alone.
    Nobody,
    /// All sessions share it: what the server asks is answered by the gateway.
    Clients,
    /// A base gateway has it, through the dialect that takes tidy messages only.
    BaseGateway,
    /// Stateless requests share it: what the server says must belong to one of them.
    Stateless,
}

/// What one round says.
#[derive(Debug)]
pub(super) struct Round {
    /// The client's request, its method and, where a header has to repeat it, the name in it.
    pub(super) request: String,
    pub(super) method: &'static str,
    pub(super) name: Option<&'static str>,
    /// What the server writes at it, the answer last.
    pub(super) replies: Vec<String>,
    /// The client's answer to the request that may be among them.
    pub(super) answer: Option<String>,
    /// A notification of the client.
    pub(super) notification: Option<String>,
}

/// Makes rounds.
#[derive(Debug)]
pub(super) struct Messages {
    json: JsonText,
    pub(super) seed: u64,
    pub(super) sharing: Sharing,
}

/// Methods of requests, and the member whose value a stateless request repeats in a header.
const METHODS: [(&str, Option<&str>); 6] = [
    ("tools/call", Some("name")),
    ("resources/read", Some("uri")),
    ("prompts/get", Some("name")),
    ("completion/complete", None),
    ("x-vendor/anything", None),
    ("rpc", None),
];

/// What is called, read or got.
const CALLED: [&str; 3] = ["plain", "file:///Grüße/%20?q=漢", "with \"quotes\" and \\"];

const REVISION: &str = "2026-07-28";

impl Messages {
    pub(super) fn new(seed: u64, sharing: Sharing) -> Self {
        Self { json: JsonText { random: Rng::with_seed(seed), breaks: Breaks::Any }, seed, sharing }
    }

    pub(super) fn round(&mut self) -> Round {
        self.json.breaks = Breaks::Any;
        let (method, named) = METHODS[self.json.random.usize(0..METHODS.len())];
        let name = named.map(|_| self.json.one_of(&CALLED));
        let token = self.json.random.bool().then(|| self.json.id());
        let params = self.params(token.as_deref(), named.zip(name));
        let id = if self.sharing == Sharing::BaseGateway { self.tidy_id() } else { self.json.id() };
        let request = self.message(vec![("id", id)], method, params);
        let notification = (self.sharing != Sharing::Stateless).then(|| {
            let params = self.loose_params();
            let method = self.json.one_of(&["notifications/x-vendor", "notifications/message", "n"]);
            self.message(vec![], method, params)
        });
        let asked = (self.sharing == Sharing::Nobody && self.json.once_in(3)).then(|| self.json.id());
        let answer = asked.clone().map(|id| self.answer(id));
        self.json.breaks = Breaks::NoLineFeed;
        let mut replies = Vec::new();
        if token.is_some() && self.json.random.bool() {
            let progress = self.json.one_of(&["1", "0.50", "1e400"]).to_owned();
            let params = self.json.object(vec![("progressToken", "@TOKEN@".into()), ("progress", progress)]);
            replies.push(self.message(vec![], "notifications/progress", Some(params)));
        }
        if self.json.random.bool() {
            let params = self.loose_params();
            let anything = ["notifications/message", "notifications/resources/updated", "notifications/x-vendor"];
            let only = [anything[0]];
            let methods = if self.sharing == Sharing::Stateless { &only[..] } else { &anything[..] };
            let method = self.json.one_of(methods);
            replies.push(self.message(vec![], method, params));
        }
        if let Some(id) = asked {
            let params = self.loose_params();
            let method = self.json.one_of(&["roots/list", "sampling/createMessage", "x-vendor/question"]);
            replies.push(self.message(vec![("id", id)], method, params));
        }
        replies.push(self.answer("@ID@".into()));
        Round { request, method, name, replies, answer, notification }
    }

    /// A request or notification.
    fn message(&mut self, id: Vec<(&'static str, String)>, method: &str, params: Option<String>) -> String {
        let mut members = id;
        members.push(("jsonrpc", r#""2.0""#.to_owned()));
        members.push(("method", self.json.spelled(method)));
        members.extend(params.map(|params| ("params", params)));
        self.whole(members)
    }

    /// A response.
    fn answer(&mut self, id: String) -> String {
        let outcome = if self.json.once_in(4) {
            let code = self.json.one_of(&["-32000", "7", "-32602"]).to_owned();
            let (message, data) = (self.json.text(), self.json.value());
            ("error", self.json.object(vec![("code", code), ("message", message), ("data", data)]))
        } else {
            ("result", self.json.value())
        };
        self.whole(vec![("id", id), ("jsonrpc", r#""2.0""#.to_owned()), outcome])
    }

    /// No fraction, and no number that needs more than 64 bits.
    fn tidy_id(&mut self) -> String {
        if self.json.random.bool() {
            return self.json.text();
        }
        self.json.one_of(&["0", "-7", "9007199254740993", "9223372036854775807"]).to_owned()
    }

    fn whole(&mut self, members: Vec<(&str, String)>) -> String {
        let others =
            if self.sharing != Sharing::BaseGateway && self.json.once_in(3) { self.json.random.usize(0..3) } else { 0 };
        self.json.space().to_owned() + &self.json.message(members, others)
    }

    /// The `params` of a request.
    fn params(&mut self, token: Option<&str>, called: Option<(&'static str, &str)>) -> Option<String> {
        let stateless = self.sharing == Sharing::Stateless;
        if token.is_none() && !stateless && self.json.once_in(4) {
            return self.loose_params();
        }
        let mut meta: Vec<(&str, String)> =
            token.map(|token| ("progressToken", token.to_owned())).into_iter().collect();
        if stateless {
            let client = self.json.value();
            meta.extend([
                ("io.modelcontextprotocol/protocolVersion", format!("\"{REVISION}\"")),
                ("io.modelcontextprotocol/clientInfo", client),
                ("io.modelcontextprotocol/clientCapabilities", "{}".to_owned()),
                // Asks for log messages, so that the server has something to tell.
                ("io.modelcontextprotocol/logLevel", "\"debug\"".to_owned()),
            ]);
        }
        let mut members = vec![("_meta", self.json.object(meta))];
        members.extend(called.map(|(member, name)| (member, serde_json::Value::from(name).to_string())));
        members.push(("arguments", self.json.value()));
        Some(self.json.object(members))
    }

    /// `params` that nobody reads: none, by position, or by name.
    fn loose_params(&mut self) -> Option<String> {
        match self.json.random.usize(0..4) {
            0 => None,
            1 => Some(format!("[{},{}]", self.json.value(), self.json.value())),
            _ => {
                let value = self.json.value();
                Some(self.json.object(vec![("data", value)]))
            }
        }
    }
}

//! The audit log at the gateway's end: each call of a client leaves a line, and each thing that somebody with a good
//! token was refused. Who has no good token leaves none: a flood of those would push the others out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use culvert_audit::{Code, Entry, Log, Verdict};
use culvert_protocol::about;
use culvert_protocol::message::{self, Message};
use culvert_protocol::tally::Method;
use culvert_protocol::text;

use crate::backend::Caller;

/// The longest method, and the longest name of a tool, in characters.
const LONGEST: usize = 120;

/// A call on its way, as it will be told.
#[derive(Debug)]
pub(crate) struct Trail {
    log: Arc<Log>,
    began: SystemTime,
    server: Arc<str>,
    caller: String,
    method: String,
    about: Option<String>,
    bytes: usize,
}

impl Trail {
    /// Of a request; `None` where nothing is told.
    pub(crate) fn of(log: Option<&Arc<Log>>, caller: &Caller, request: &Message<'_>) -> Option<Box<Self>> {
        let (log, server) = (log?, caller.server.as_ref()?);
        let method = request.method();
        if method == "ping" {
            return None;
        }
        let about = Method::about(&method).and_then(|member| about(request.text(), member));
        Some(Box::new(Self {
            log: log.clone(),
            began: SystemTime::now(),
            server: server.clone(),
            caller: text::clean(&caller.subject, LONGEST),
            method: text::clean(&method, LONGEST),
            about: about.map(|about| text::clean(&about, LONGEST)),
            bytes: request.text().len(),
        }))
    }

    /// The call is over, with an answer of so many bytes or none.
    pub(crate) fn end(&self, outcome: &str, code: Option<i64>, took: Duration, bytes: usize) {
        self.log.write(&Entry {
            time: self.began,
            at: "gateway",
            server: Some(&self.server),
            gateway: None,
            caller: Some(&self.caller),
            client: None,
            method: Some(&self.method),
            tool: self.about.as_deref(),
            verdict: Verdict::Allowed,
            outcome,
            code: code.map(Code::Number),
            took,
            bytes_in: self.bytes,
            bytes_out: bytes,
        });
    }
}

/// Tells that somebody was refused something, under this code.
pub(crate) fn denied(log: &Log, caller: &str, server: Option<&str>, code: &str) {
    log.write(&Entry {
        time: SystemTime::now(),
        at: "gateway",
        server: server.map(|server| text::clean(server, LONGEST)).as_deref(),
        gateway: None,
        caller: Some(&text::clean(caller, LONGEST)),
        client: None,
        method: None,
        tool: None,
        verdict: Verdict::Denied,
        outcome: "refused",
        code: Some(Code::Word(code)),
        took: Duration::ZERO,
        bytes_in: 0,
        bytes_out: 0,
    });
}

/// The number of the error that an answer carries.
pub(crate) fn code_of(answer: &Message<'_>) -> Option<i64> {
    message::member(answer.error()?, "code").ok()??.get().parse().ok()
}

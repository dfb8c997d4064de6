//! Rounds of messages between both ends, and what is compared.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use culvert_tests::http::{Request, Response};
use culvert_tests::mcp::{ACCEPT, McpSession};
use culvert_tests::own_gateway::OwnGateway;
use culvert_tests::raw_json::{member, replaced};

use super::far_end::FarEnd;
use super::messages::{Messages, Round, Sharing};

const TOKEN: [&str; 3] = ["params", "_meta", "progressToken"];

/// The client's end.
#[derive(Debug)]
pub(super) enum NearEnd {
    /// Of a session.
    Session(McpSession),
    /// Of requests that stand alone.
    Stateless(Request),
}

impl NearEnd {
    pub(super) fn stateless(gateway: &OwnGateway, server: &str, token: &str) -> Self {
        let post = gateway.request("POST", &format!("/servers/{server}/mcp"), token);
        Self::Stateless(post.header("accept", ACCEPT).header("mcp-protocol-version", "2026-07-28"))
    }

    /// The request with which a message is posted. Stateless ones repeat in headers what the message is about.
    fn post(&self, round: &Round) -> Request {
        match self {
            Self::Session(session) => session.request(),
            Self::Stateless(post) => {
                let post = post.clone().header("mcp-method", round.method);
                match round.name {
                    Some(name) => post.header("mcp-name", &format!("=?base64?{}?=", STANDARD.encode(name))),
                    None => post,
                }
            }
        }
    }
}

/// Both ends, and who makes up what they say.
#[derive(Debug)]
pub(super) struct Rounds {
    pub(super) near_end: NearEnd,
    pub(super) far_end: FarEnd,
    pub(super) messages: Messages,
}

impl Rounds {
    /// So many rounds, one after another.
    pub(super) async fn run(mut self, rounds: usize) {
        for number in 0..rounds {
            let round = self.messages.round();
            let told = format!("seed {}, round {number}, {:?}", self.messages.seed, self.messages.sharing);
            self.far_end.will_reply(&round.replies);
            self.request(&round, &told).await;
            for message in round.answer.iter().chain(&round.notification) {
                let taken = self.near_end.post(&round).json_text(message.clone()).send().await;
                assert_eq!(taken.status, 202, "{told}: {message}\n{taken:?}");
                assert_same(&self.far_end.next().await, &one_line(message), &told);
            }
        }
    }

    /// The client's request reaches the server, and all that the server says at it the client.
    async fn request(&mut self, round: &Round, told: &str) {
        let sent = self.near_end.post(round).json_text(round.request.clone());
        let mut response = tokio::spawn(async move { sent.send().await });
        let heard = tokio::select! {
            biased;
            heard = self.far_end.next() => heard,
            response = &mut response => {
                // The answer may have overtaken what the server has recorded, but then not by much.
                let heard = tokio::time::timeout(Duration::from_secs(2), self.far_end.next()).await;
                let heard = heard.unwrap_or_else(|_| panic!("{told}: not passed on: {}\n{response:?}", round.request));
                return self.compare(round, heard, response.unwrap(), told);
            }
        };
        self.compare(round, heard, response.await.unwrap(), told);
    }

    fn compare(&self, round: &Round, heard: String, response: Response, told: &str) {
        let asks = round.answer.is_some();
        let (id, token) = (part(&round.request, &["id"]), part(&round.request, &TOKEN));
        let restored = match self.messages.sharing {
            Sharing::Nobody => heard,
            Sharing::Clients | Sharing::Stateless | Sharing::BaseGateway => {
                let mut edits = vec![(member(&heard, &["id"]).unwrap(), id.unwrap_or_default())];
                edits.extend(member(&heard, &TOKEN).zip(token));
                replaced(&heard, edits)
            }
        };
        assert_same(&restored, &one_line(&round.request), told);

        let got = response.messages();
        let (id, token) = (id.unwrap_or_default(), token.unwrap_or_default());
        let said = round.replies.iter().map(|reply| one_line(&reply.replace("@ID@", id).replace("@TOKEN@", token)));
        let said: Vec<String> = said.collect();
        assert_eq!(got.len(), said.len(), "{told}, asks {asks}: {said:?}\n{response:?}");
        for (got, said) in got.iter().zip(&said) {
            assert_same(&one_line(got), said, told);
        }
    }
}

pub(super) fn part<'t>(text: &'t str, path: &[&str]) -> Option<&'t str> {
    member(text, path).map(|span| &text[span])
}

/// A message as it may stand in a line: its line breaks, which in JSON are between tokens, may be blanks. Blanks around
/// it belong to no message.
pub(super) fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ").trim_matches([' ', '\t']).to_owned()
}

pub(super) fn assert_same(got: &str, expected: &str, told: &str) {
    let got = one_line(got);
    if got != expected {
        let at = got.bytes().zip(expected.bytes()).take_while(|(one, other)| one == other).count();
        let around = |text: &str| {
            String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(60)..text.len().min(at + 60)]).into_owned()
        };
        panic!(
            "{told}: differs at byte {at}\n     got …{}…\nexpected …{}…\nwhole: {got:.2000}",
            around(&got),
            around(expected)
        );
    }
}

//! One call over Streamable HTTP: posted once, and answered once, as JSON, on a stream of events, or on what a stream
//! was taken up again with after it was cut.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::debug;

use super::calls::Call;
use super::client::Answer;
use super::driver::Purpose;
use super::events::{Event, Kind, Mark};
use super::stream::{EventStream, Held, whole};
use super::streamable::{From, Streamable};
use super::trouble::Trouble;
use crate::lines::Line;
use crate::local::Letter;

/// Tries in a row to take up a stream again that bring nothing, after which its call gets an error.
const RESUMES: u32 = 8;

/// How long a stream is read on after the answer: it ends right after it, and its connection can be used again.
const LINGER: Duration = Duration::from_secs(1);

impl Streamable {
    /// Sends a call and sees to it that it is answered. `sent` opens the gate for what comes after it.
    pub(super) async fn call(&self, call: &Call, purpose: Purpose, letter: Letter, sent: oneshot::Sender<()>) {
        let Err(trouble) = self.try_call(call, purpose, letter, sent).await else { return };
        let unbegun = purpose == Purpose::Initialize && !self.is_established();
        if trouble.is_final() || unbegun {
            return self.fail(trouble);
        }
        self.inbox.refuse(call, &trouble).await;
    }

    async fn try_call(
        &self,
        call: &Call,
        purpose: Purpose,
        letter: Letter,
        sent: oneshot::Sender<()>,
    ) -> Result<(), Trouble> {
        let credentials = letter.credentials.clone();
        let answer = match purpose {
            Purpose::Plain => self.post(letter, Some(sent)).await?,
            Purpose::Initialize => {
                let answer = self.post(letter, None).await?;
                self.learn_session(&answer);
                drop(sent);
                answer
            }
        };
        if !answer.is("text/event-stream") {
            return self.read_json(call, purpose, answer).await;
        }
        let mut pace = self.pace();
        let mut last = None;
        let mut cut = self.follow(call, purpose, answer, &mut pace, &mut last).await;
        while !call.is_answered() {
            // What cannot be taken up again is over.
            let Some(id) = &last else { return Err(cut) };
            if pace.tries() >= RESUMES {
                return Err(cut);
            }
            tokio::select! {
                () = call.answered() => return Ok(()),
                () = sleep(pace.wait()) => {}
            }
            let id = id.clone();
            cut = match self.stream(From::After(&id), credentials.as_ref()).await {
                Ok(answer) => self.follow(call, purpose, answer, &mut pace, &mut last).await,
                Err(trouble @ (Trouble::Unreachable(_) | Trouble::Broken(_))) => trouble,
                Err(trouble) => return Err(trouble),
            };
            debug!(id = %call.id, "a call's stream was cut: the local server {}", cut.words());
        }
        Ok(())
    }

    async fn read_json(&self, call: &Call, purpose: Purpose, answer: Answer<'_>) -> Result<(), Trouble> {
        let status = answer.status.as_u16();
        if let Some(message) = whole(answer, &self.inbox).await? {
            self.pass_on(purpose, message).await;
        }
        if call.is_answered() {
            return Ok(());
        }
        Err(Trouble::Nonsense(format!("answered {status} without an answer to the request")))
    }

    /// Reads a stream until it is cut or has brought the answer; returns how it was cut.
    async fn follow(
        &self,
        call: &Call,
        purpose: Purpose,
        answer: Answer<'_>,
        pace: &mut super::pace::Pace,
        last: &mut Option<http::HeaderValue>,
    ) -> Trouble {
        let ended = || Trouble::Broken("its stream ended without an answer".to_owned());
        let mut events = EventStream::new(answer, &self.inbox);
        let read = async {
            loop {
                let Held { item: event, turn } = match events.next().await {
                    Ok(Some(held)) => held,
                    Ok(None) => return ended(),
                    Err(trouble) => return trouble,
                };
                pace.heard();
                let Event { kind, mark, retry, data } = event;
                match mark {
                    Mark::Same => {}
                    Mark::After(id) => *last = Some(id),
                    Mark::Nowhere => *last = None,
                }
                if let Some(retry) = retry {
                    pace.asked(retry);
                }
                if let Some(item) = data.filter(|_| kind == Kind::Message) {
                    self.pass_on(purpose, Held { item, turn }).await;
                }
            }
        };
        tokio::select! {
            biased;
            cut = read => cut,
            () = async { call.answered().await; sleep(LINGER).await } => ended(),
        }
    }

    async fn pass_on(&self, purpose: Purpose, message: Held<Line>) {
        if let (Purpose::Initialize, Line::Whole(line)) = (purpose, &message.item) {
            self.learn_version(line);
        }
        self.inbox.deliver(message.item).await;
        drop(message.turn);
    }
}

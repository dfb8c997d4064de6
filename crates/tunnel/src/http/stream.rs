//! A stream of events as it is read: bounded, and in turn with other large messages.

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::body::Gather;
use super::client::Answer;
use super::events::{Event, Parser};
use super::inbox::{Inbox, LARGE};
use super::trouble::Trouble;
use crate::lines::Line;

/// The body of an answer, as events.
#[derive(Debug)]
pub(super) struct EventStream<'a> {
    answer: Answer<'a>,
    inbox: &'a Inbox,
    parser: Parser,
    piece: Bytes,
    turn: Option<OwnedSemaphorePermit>,
}

/// Something that was read, with the right to hold it while it is large.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) item: T,
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

impl<'a> EventStream<'a> {
    pub(super) fn new(answer: Answer<'a>, inbox: &'a Inbox) -> Self {
        Self { answer, inbox, parser: Parser::new(inbox.limit()), piece: Bytes::new(), turn: None }
    }

    /// The next event; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// [`Trouble::Broken`] when the connection is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Held<Event>>, Trouble> {
        loop {
            if let Some(item) = self.parser.next(&mut self.piece) {
                return Ok(Some(Held { item, turn: self.turn.take() }));
            }
            if self.parser.held() > LARGE && self.turn.is_none() {
                self.turn = self.inbox.large().await;
            }
            match self.answer.piece().await? {
                Some(piece) => self.piece = piece,
                None => return Ok(None),
            }
        }
    }
}

/// The body of an answer, as one message.
///
/// # Errors
/// [`Trouble::Broken`] when the connection is lost.
pub(super) async fn whole(mut answer: Answer<'_>, inbox: &Inbox) -> Result<Option<Held<Line>>, Trouble> {
    let mut gather = Gather::new(inbox.limit());
    let mut turn = None;
    while let Some(piece) = answer.piece().await? {
        gather.push(&piece);
        if gather.held() > LARGE && turn.is_none() {
            turn = inbox.large().await;
        }
    }
    Ok(gather.take().map(|item| Held { item, turn }))
}

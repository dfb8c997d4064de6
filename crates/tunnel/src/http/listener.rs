//! The stream on which a Streamable HTTP server speaks by itself. Not every server has one.

use http::StatusCode;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::driver::Next;
use super::events::{Event, Kind, Mark};
use super::stream::{EventStream, Held};
use super::streamable::{From, Streamable};
use super::trouble::Trouble;

/// Whether there has been such a stream in this conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Had {
    None,
    One,
}

/// What follows from a stream that could not be had.
enum Then {
    Again,
    Never,
    End,
}

impl Streamable {
    /// Listens until the conversation is over or the server has no such stream.
    pub(super) async fn listen(&self) -> Next {
        let mut pace = self.pace();
        let mut last = None;
        let mut had = Had::None;
        loop {
            let from = last.as_ref().map_or(From::Now, From::After);
            match self.stream(from, None).await {
                Ok(answer) => {
                    had = Had::One;
                    let mut events = EventStream::new(answer, &self.inbox);
                    while let Ok(Some(Held { item, turn })) = events.next().await {
                        pace.heard();
                        let Event { kind, mark, retry, data } = item;
                        match mark {
                            Mark::Same => {}
                            Mark::After(id) => last = Some(id),
                            Mark::Nowhere => last = None,
                        }
                        if let Some(retry) = retry {
                            pace.asked(retry);
                        }
                        if let Some(line) = data.filter(|_| kind == Kind::Message) {
                            self.inbox.deliver(line).await;
                        }
                        drop(turn);
                    }
                }
                Err(trouble) => match then(&trouble, had) {
                    Then::Again => debug!("no stream of events: the local server {}", trouble.words()),
                    Then::Never => {
                        debug!("the local server {}: it does not speak by itself", trouble.words());
                        return Next::Nothing;
                    }
                    Then::End => {
                        self.fail(trouble);
                        return Next::Nothing;
                    }
                },
            }
            sleep(pace.wait()).await;
        }
    }
}

/// What `trouble` means for the stream.
fn then(trouble: &Trouble, had: Had) -> Then {
    match trouble {
        Trouble::Unreachable(_) | Trouble::Broken(_) => Then::Again,
        // Servers without this stream say 405, or whatever their framework says to a method that it does not know.
        Trouble::SessionEnded(_) | Trouble::Status(_) | Trouble::Nonsense(_) if had == Had::None => {
            if let Trouble::Status(refusal) = trouble
                && matches!(refusal.status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
            {
                return Then::Again;
            }
            Then::Never
        }
        Trouble::Status(refusal) if refusal.status == StatusCode::METHOD_NOT_ALLOWED => Then::Never,
        Trouble::Redirect(_) | Trouble::Nonsense(_) => {
            warn!("the local server speaks by itself no more: it {}", trouble.words());
            Then::Never
        }
        Trouble::Status(_) => Then::Again,
        Trouble::Refused | Trouble::SessionEnded(_) | Trouble::ForeignEndpoint(_) | Trouble::StreamEnded => Then::End,
    }
}

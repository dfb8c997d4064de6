//! The closed loop: so many calls in flight, each answered call followed by the next,
//! every answer checked.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use crate::base::gateway::{Acks, Failure, Tunnel, text};
use crate::base::wire::{self, EchoCall, Frame, Id};
use crate::figures::Outcome;

/// When a load sends no further calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Calls(usize),
    Elapsed(Duration),
}

/// One load on one tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// The echoed argument; letters and digits only.
    pub(crate) body: &'a str,
    /// Calls in flight at any time, at most 65,535.
    pub(crate) concurrency: u16,
    pub(crate) until: Until,
    /// How long no call at all may be answered before the load counts as failed.
    pub(crate) patience: Duration,
    /// Least time between two calls: how fast a gateway hands them out decides how many
    /// a client finds waiting at once, and so what each costs it.
    pub(crate) spacing: Duration,
}

/// A call in flight, and in its id: the slot in the low 16 bits, its number above.
struct Call {
    id: Id,
    sent: Instant,
}

enum Outgoing {
    Call(Id),
    Ack,
}

impl Load<'_> {
    /// Runs the load; any wrong, repeated or missing answer fails it.
    pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        tunnel: &mut Tunnel<S>,
    ) -> Result<Outcome, Failure> {
        let call = EchoCall::new(self.body);
        let Tunnel { sink, stream, .. } = tunnel;
        // Holds at most one entry per call in flight and one ack.
        let (queue, mut todo) = mpsc::channel(usize::from(self.concurrency) + 1);
        let sending = async {
            while let Some(next) = todo.recv().await {
                // Each call is flushed by itself, as gateways do.
                let text = match next {
                    Outgoing::Call(id) => call.with(id),
                    Outgoing::Ack => wire::heartbeat_ack(),
                };
                sink.send(Message::text(text)).await?;
                busy(self.spacing);
            }
            Ok(())
        };
        let ((), outcome) = tokio::try_join!(sending, self.receive(stream, queue))?;
        Ok(outcome)
    }

    async fn receive<S>(self, stream: &mut S, queue: mpsc::Sender<Outgoing>) -> Result<Outcome, Failure>
    where
        S: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
    {
        let begun = Instant::now();
        let mut flight = Flight { load: self, begun, calls: Vec::new(), made: 0, queue, acks: Acks::default() };
        for slot in 0..self.concurrency {
            flight.launch(slot);
        }
        let mut latencies = Vec::with_capacity(1 << 16);
        let mut answered = begun;
        while latencies.len() < flight.made {
            let Ok(message) = timeout_at(answered + self.patience, stream.next()).await else {
                let calls = flight.made - latencies.len();
                return Err(Failure::Unanswered { calls, of: flight.made, patience: self.patience });
            };
            let Some(text) = text(message)? else { continue };
            match Frame::parse(&text)? {
                Frame::Response(id, answer) => {
                    answered = Instant::now();
                    let (slot, sent) = flight.land(id)?;
                    latencies.push(answered - sent);
                    if !answer.echoes(self.body) {
                        return Err(Failure::WrongAnswer(answer.excerpt()));
                    }
                    flight.launch(slot);
                }
                Frame::Heartbeat => flight.heartbeat(),
                Frame::Register | Frame::Other => {}
            }
        }
        latencies.sort_unstable();
        Ok(Outcome { latencies, elapsed: answered - begun })
    }
}

/// Spends the time as a slow gateway would, with work: timers are too coarse for this.
fn busy(time: Duration) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// The calls of one load that are in flight.
struct Flight<'a> {
    load: Load<'a>,
    begun: Instant,
    calls: Vec<Option<Call>>,
    made: usize,
    queue: mpsc::Sender<Outgoing>,
    acks: Acks,
}

impl Flight<'_> {
    /// Sends the next call of `slot`, if there is to be one.
    fn launch(&mut self, slot: u16) {
        let sent = Instant::now();
        let more = match self.load.until {
            Until::Calls(calls) => self.made < calls,
            Until::Elapsed(time) => sent - self.begun < time,
        };
        if !more {
            return;
        }
        self.made += 1;
        let id = Id(((self.made as u128) << 16) | u128::from(slot));
        let at = usize::from(slot);
        if self.calls.len() <= at {
            self.calls.resize_with(at + 1, || None);
        }
        if let Some(call) = self.calls.get_mut(at) {
            *call = Some(Call { id, sent });
        }
        // There is room: the queue is as long as there are slots.
        let _ = self.queue.try_send(Outgoing::Call(id));
    }

    /// Takes the answered call out of flight.
    fn land(&mut self, id: Id) -> Result<(u16, Instant), Failure> {
        let slot = (id.0 & u128::from(u16::MAX)) as u16;
        let call = self.calls.get_mut(usize::from(slot)).and_then(|call| call.take_if(|call| call.id == id));
        call.map(|call| (slot, call.sent)).ok_or(Failure::Stray)
    }

    /// An ack that finds no room is left out; the next heartbeat brings another.
    fn heartbeat(&mut self) {
        if self.acks.due() {
            let _ = self.queue.try_send(Outgoing::Ack);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use tokio::io::DuplexStream;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A tunnel and a peer that sends what `answer` makes of each frame's text.
    async fn tunnel(answer: impl Fn(usize, &str) -> Vec<String> + Send + 'static) -> Tunnel<DuplexStream> {
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let mut far = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
            let mut count = 0;
            while let Some(Ok(message)) = far.next().await {
                count += 1;
                for text in answer(count, message.to_text().unwrap()) {
                    far.send(Message::text(text)).await.unwrap();
                }
            }
        });
        Tunnel::new(WebSocketStream::from_raw_socket(near, Role::Server, None).await)
    }

    fn echo(frame: &str) -> String {
        let frame: serde_json::Value = serde_json::from_str(frame).unwrap();
        let payload = &frame["payload"];
        let text = &payload["params"]["arguments"]["text"];
        format!(
            r#"{{"type":"response","payload":{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"type":"text","text":{text}}}]}}}}}}"#,
            payload["id"]
        )
    }

    fn load(concurrency: u16, calls: usize) -> Load<'static> {
        Load { body: "abc", concurrency, until: Until::Calls(calls), patience: PATIENCE, spacing: Duration::ZERO }
    }

    #[tokio::test]
    async fn counts_each_call_once() {
        let mut tunnel = tunnel(|_, frame| vec![echo(frame)]).await;
        for (concurrency, calls) in [(1, 7), (8, 100), (8, 3)] {
            let outcome = load(concurrency, calls).run(&mut tunnel).await.unwrap();
            assert_eq!(outcome.latencies.len(), calls);
            assert!(outcome.latencies.is_sorted());
        }
    }

    #[tokio::test]
    async fn heartbeats_are_acknowledged_once_in_a_while() {
        // A peer that answers each heartbeat with a heartbeat, as two of them do.
        let acks = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&acks);
        let beat = || r#"{"type":"heartbeat"}"#.to_owned();
        let mut tunnel = tunnel(move |_, frame| {
            if frame.contains("heartbeat") {
                seen.fetch_add(1, Ordering::Relaxed);
                return vec![beat()];
            }
            vec![beat(), echo(frame)]
        })
        .await;
        assert_eq!(load(1, 50).run(&mut tunnel).await.unwrap().latencies.len(), 50);
        assert_eq!(acks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_large_body_does_not_block_both_directions() {
        let body = "x".repeat(1 << 20);
        let mut tunnel = tunnel(|_, frame| vec![echo(frame)]).await;
        let load =
            Load { body: &body, concurrency: 4, until: Until::Calls(8), patience: PATIENCE, spacing: Duration::ZERO };
        assert_eq!(load.run(&mut tunnel).await.unwrap().latencies.len(), 8);
    }

    #[tokio::test]
    async fn a_wrong_answer_fails_the_load() {
        let mut tunnel = tunnel(|count, frame| match count {
            5 => vec![echo(&frame.replace("abc", "abd"))],
            _ => vec![echo(frame)],
        })
        .await;
        assert!(matches!(load(1, 9).run(&mut tunnel).await, Err(Failure::WrongAnswer(said)) if said.contains("abd")));
    }

    #[tokio::test]
    async fn a_second_answer_fails_the_load() {
        let mut tunnel = tunnel(|_, frame| vec![echo(frame), echo(frame)]).await;
        assert!(matches!(load(1, 9).run(&mut tunnel).await, Err(Failure::Stray)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_answer_fails_the_load_when_patience_ends() {
        let mut tunnel = tunnel(|count, frame| if count == 3 { vec![] } else { vec![echo(frame)] }).await;
        let failure = load(2, 9).run(&mut tunnel).await.unwrap_err();
        assert!(matches!(failure, Failure::Unanswered { calls: 1, of: 9, .. }), "{failure}");
    }

    #[tokio::test]
    async fn a_closed_connection_fails_the_load() {
        let (near, far) = tokio::io::duplex(1 << 16);
        drop(far);
        let mut tunnel = Tunnel::new(WebSocketStream::from_raw_socket(near, Role::Server, None).await);
        assert!(matches!(load(1, 1).run(&mut tunnel).await, Err(Failure::Closed | Failure::Link(_))));
    }
}

//! A light tunnel: the client's end of the channels dialect over a real WebSocket, with an echo server of a few lines in
//! this process in place of children. A thousand of them fit beside the gateway that they load.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::channels::control::{Control, Grant, Offer};
use culvert_protocol::channels::{ChannelId, Event, Inbox, Mux, OUTBOX, Outbox, Side};
use culvert_protocol::envelope::{Envelope, Kind, Register, Writer};
use culvert_protocol::{ClientInfo, Labels, ServerName};
use futures_util::{SinkExt as _, StreamExt as _};
use memchr::memchr;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::trouble::Trouble;
use crate::channels::Target;
use crate::echo;

/// As the client's: what came in is acknowledged so long after its first byte.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// As the client's default.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What the driver's own buffers may hold, so that a thousand stay small.
const BUFFER: usize = 4 * 1024;

/// A registered tunnel. Dropped, its link ends.
#[derive(Debug)]
pub(super) struct LightTunnel {
    serving: JoinHandle<Trouble>,
}

impl Drop for LightTunnel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl LightTunnel {
    /// Dials the gateway, registers under `name`, and serves from then on.
    pub(super) async fn open(gateway: &Target, name: String) -> Result<Self, Trouble> {
        let url = format!("ws://{}/reverse-proxy/ws", gateway.address);
        let mut request = url.into_client_request()?;
        let bearer = gateway.bearer.as_deref().unwrap_or_default();
        let bearer = HeaderValue::try_from(format!("Bearer {bearer}")).map_err(|_| Trouble::Token)?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let socket = TcpStream::connect(gateway.address).await.map_err(tungstenite::Error::Io)?;
        socket.set_nodelay(true).map_err(tungstenite::Error::Io)?;
        let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
        let (mut link, _) = client_async_with_config(request, socket, Some(config)).await?;
        let writer = Writer::new(&name);
        let name = ServerName::new(&name).map_err(|_| Trouble::Refused(name.clone()))?;
        let (client, labels) = (ClientInfo::default(), Labels::default());
        let register = Register { name: &name, description: None, offer: Offer::ALL, client: &client, labels: &labels };
        link.send(Message::text(writer.register(&register))).await?;
        let window = granted(&mut link).await?.window;
        let (ready, registered) = oneshot::channel();
        let end = End {
            link,
            writer,
            mux: Mux::new(Side::Client, window),
            outbox: Outbox::new(OUTBOX),
            inbox: Inbox::new(OUTBOX),
            lines: HashMap::new(),
            events: Vec::new(),
            ack_at: None,
            ready: Some(ready),
        };
        let mut serving = tokio::spawn(async move {
            match end.serve().await {
                Ok(never) => never,
                Err(trouble) => trouble,
            }
        });
        tokio::select! {
            biased;
            Ok(()) = registered => Ok(Self { serving }),
            ended = &mut serving => Err(ended.unwrap_or(Trouble::Closed)),
        }
    }

    /// Whether its link still stands.
    pub(super) fn is_up(&self) -> bool {
        !self.serving.is_finished()
    }
}

async fn granted(link: &mut WebSocketStream<TcpStream>) -> Result<Grant, Trouble> {
    loop {
        let message = link.next().await.ok_or(Trouble::Closed)??;
        let Message::Text(text) = message else { continue };
        let envelope = Envelope::parse(&text).map_err(|_| Trouble::Refused(text.to_string()))?;
        if envelope.kind == Kind::RegisterAck {
            return envelope.extensions.and_then(Grant::read).ok_or(Trouble::NoChannels);
        }
    }
}

/// The client's end of one link.
struct End {
    link: WebSocketStream<TcpStream>,
    writer: Writer,
    mux: Mux,
    outbox: Outbox,
    inbox: Inbox,
    /// Of each channel, the line that is not complete yet.
    lines: HashMap<ChannelId, Vec<u8>>,
    events: Vec<Event>,
    ack_at: Option<Instant>,
    ready: Option<oneshot::Sender<()>>,
}

impl End {
    async fn serve(mut self) -> Result<Trouble, Trouble> {
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            let ack_at = self.ack_at;
            tokio::select! {
                message = self.link.next() => match message.ok_or(Trouble::Closed)?? {
                    Message::Binary(bytes) => self.take(bytes).await?,
                    Message::Text(text) => self.told(&text)?,
                    Message::Close(_) => return Err(Trouble::Closed),
                    // The library answers pings by itself, with the next write.
                    _ => self.link.flush().await?,
                },
                () = sleep_until(ack_at.unwrap_or(heartbeat)), if ack_at.is_some() => self.acknowledge().await?,
                () = sleep_until(heartbeat) => {
                    heartbeat += HEARTBEAT;
                    self.link.send(Message::text(self.writer.heartbeat())).await?;
                }
            }
            let mut filled = false;
            while let Some(message) = self.outbox.has_room().then(|| self.mux.fill()).flatten() {
                self.outbox.push(message.clone());
                self.link.feed(Message::Binary(message)).await?;
                filled = true;
            }
            if filled {
                self.link.flush().await?;
            }
        }
    }

    fn told(&mut self, text: &str) -> Result<(), Trouble> {
        match Control::parse(text) {
            Some(Control::Ack { received }) => self.outbox.acknowledge(received).map_err(Trouble::Rules)?,
            Some(Control::Close { code }) => return Err(Trouble::Refused(code)),
            _ => {}
        }
        if let Ok(envelope) = Envelope::parse(text)
            && envelope.kind == Kind::RegisterComplete
        {
            match envelope.status.as_deref() {
                Some("error") => return Err(Trouble::Refused(text.to_owned())),
                _ => _ = self.ready.take().map(|ready| ready.send(())),
            }
        }
        Ok(())
    }

    async fn take(&mut self, message: Bytes) -> Result<(), Trouble> {
        let due = self.inbox.count(message.len());
        self.ack_at.get_or_insert_with(|| Instant::now() + ACK_DELAY);
        let mut events = std::mem::take(&mut self.events);
        self.mux.receive(message, &mut events).map_err(Trouble::Rules)?;
        for event in events.drain(..) {
            match event {
                Event::Opened(id, _) => _ = self.lines.insert(id, Vec::new()),
                Event::Data(id, bytes) => {
                    self.mux.consumed(id, bytes.len() as u32);
                    self.hear(id, &bytes);
                }
                Event::Finished(id) => {
                    self.lines.remove(&id);
                    self.mux.finish(id);
                }
                Event::Reset(id, ..) => _ = self.lines.remove(&id),
            }
        }
        self.events = events;
        if due { self.acknowledge().await } else { Ok(()) }
    }

    /// Bytes of a conversation: each line that they complete is answered at once.
    fn hear(&mut self, id: ChannelId, bytes: &[u8]) {
        let Some(partial) = self.lines.get_mut(&id) else { return };
        partial.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(length) = partial.get(begin..).and_then(|rest| memchr(b'\n', rest)) {
            let mut answer = Vec::new();
            if echo::reply(partial.get(begin..begin + length).unwrap_or_default(), &mut answer) {
                self.mux.write(id, answer.into());
            }
            begin += length + 1;
        }
        partial.drain(..begin);
    }

    async fn acknowledge(&mut self) -> Result<(), Trouble> {
        self.ack_at = None;
        let received = self.inbox.acknowledge();
        Ok(self.link.send(Message::text(Control::Ack { received }.to_json())).await?)
    }
}

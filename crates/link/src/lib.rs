//! Both ends of a link: how frames get over the network, when a peer counts as gone, and how a gateway is dialled.
//!
//! Nothing here knows a child process, a catalog or MCP's HTTP front: a link carries frames, what they mean is decided
//! by the crates above.

pub mod activity;
pub mod asked;
pub mod carriage;
mod certificate;
pub mod channels;
pub mod dial;
mod handed;
pub mod identity;
pub mod outbound;
pub mod proxy;
pub mod queue;
pub mod refusal;
pub mod rest;
pub mod sse;
pub mod steps;
pub mod tcp;
pub mod tls;
pub mod websocket;

pub use carriage::{Carriage, Frame, FrameReceiver, FrameSender, LinkEnd};
pub use certificate::good_until;
pub use dial::{Dialled, Dialler, Request};
pub use outbound::{Identity, Outbound};
pub use proxy::{BadProxy, Proxy};
pub use websocket::{accept, connect};

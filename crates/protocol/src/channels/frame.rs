//! The frames of the resumable stream: `[u32 channel][u8 kind][u24 length]`, big endian, then so many bytes.

use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use thiserror::Error;

/// Bytes of a frame's head.
pub const HEAD: usize = 8;

/// A channel's number on its link. The gateway gives them out, from 1 upwards, and never twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u32);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a channel was ended out of turn. The number is on the wire; unknown ones read as [`ResetReason::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// 1: the other side is no longer interested.
    Cancelled,
    /// 2: as many channels are open as the tunnel allows.
    TooMany,
    /// 3: the child of this channel ended by itself.
    ServerExited,
    /// 4: no child could be started for it.
    ServerFailed,
    /// 5: nothing was said on it for too long.
    Idle,
    /// 6: a message was larger than the receiver takes.
    TooLarge,
    /// 7: the tunnel is being stopped.
    Stopping,
    /// Any other number.
    Other(u16),
}

impl ResetReason {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Cancelled => 1,
            Self::TooMany => 2,
            Self::ServerExited => 3,
            Self::ServerFailed => 4,
            Self::Idle => 5,
            Self::TooLarge => 6,
            Self::Stopping => 7,
            Self::Other(number) => number,
        }
    }

    fn of(number: u16) -> Self {
        match number {
            1 => Self::Cancelled,
            2 => Self::TooMany,
            3 => Self::ServerExited,
            4 => Self::ServerFailed,
            5 => Self::Idle,
            6 => Self::TooLarge,
            7 => Self::Stopping,
            other => Self::Other(other),
        }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// 1: a new channel; its header, one JSON object.
    Open(Bytes),
    /// 2: bytes of the conversation.
    Data(Bytes),
    /// 3: the receiver has room for so many bytes more.
    Credit(u32),
    /// 4: nothing more comes from this side.
    Fin,
    /// 5: over, both ways, with a reason and some words.
    Reset(ResetReason, Bytes),
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadFrame {
    /// The message ends within a frame.
    #[error("a frame is cut off")]
    CutOff,
    /// No such kind.
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
    /// A kind of fixed length has another.
    #[error("a frame of the kind {0} with a wrong length")]
    Length(u8),
}

impl Frame {
    fn kind(&self) -> u8 {
        match self {
            Self::Open(_) => 1,
            Self::Data(_) => 2,
            Self::Credit(_) => 3,
            Self::Fin => 4,
            Self::Reset(..) => 5,
        }
    }

    /// Its bytes on the wire, head included.
    pub fn size(&self) -> usize {
        HEAD + match self {
            Self::Open(bytes) | Self::Data(bytes) => bytes.len(),
            Self::Credit(_) => 4,
            Self::Fin => 0,
            Self::Reset(_, words) => 2 + words.len(),
        }
    }

    /// Appends the frame to a message.
    pub fn put(&self, channel: ChannelId, message: &mut BytesMut) {
        put_head(channel, self.kind(), self.size() - HEAD, message);
        match self {
            Self::Open(bytes) | Self::Data(bytes) => message.put_slice(bytes),
            Self::Credit(bytes) => message.put_u32(*bytes),
            Self::Fin => {}
            Self::Reset(reason, words) => {
                message.put_u16(reason.number());
                message.put_slice(words);
            }
        }
    }

    /// Takes the first frame off a message; its bytes are shared, not copied.
    ///
    /// # Errors
    /// [`BadFrame`]; the message is of no use then.
    pub fn take(message: &mut Bytes) -> Result<(ChannelId, Self), BadFrame> {
        if message.len() < HEAD {
            return Err(BadFrame::CutOff);
        }
        let channel = ChannelId(message.get_u32());
        let rest = message.get_u32();
        let (kind, length) = ((rest >> 24) as u8, (rest & 0x00ff_ffff) as usize);
        if message.len() < length {
            return Err(BadFrame::CutOff);
        }
        let mut body = message.split_to(length);
        let frame = match (kind, length) {
            (1, _) => Self::Open(body),
            (2, _) => Self::Data(body),
            (3, 4) => Self::Credit(body.get_u32()),
            (4, 0) => Self::Fin,
            (5, 2..) => Self::Reset(ResetReason::of(body.get_u16()), body),
            (3..=5, _) => return Err(BadFrame::Length(kind)),
            _ => return Err(BadFrame::Kind(kind)),
        };
        Ok((channel, frame))
    }
}

/// The head of a data frame whose `length` bytes the caller appends itself.
pub(crate) fn put_data_head(channel: ChannelId, length: usize, message: &mut BytesMut) {
    put_head(channel, 2, length, message);
}

fn put_head(channel: ChannelId, kind: u8, length: usize, message: &mut BytesMut) {
    debug_assert!(length < 1 << 24, "a frame's length has 24 bits");
    message.put_u32(channel.0);
    message.put_u32(u32::from(kind) << 24 | length as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_documented_bytes() {
        let mut message = BytesMut::new();
        Frame::Data(Bytes::from_static(b"hi")).put(ChannelId(1), &mut message);
        Frame::Credit(0x01020304).put(ChannelId(0x0a0b0c0d), &mut message);
        Frame::Reset(ResetReason::ServerExited, Bytes::from_static(b"!")).put(ChannelId(2), &mut message);
        let expected = [
            &[0, 0, 0, 1, 2, 0, 0, 2, b'h', b'i'][..],
            &[0x0a, 0x0b, 0x0c, 0x0d, 3, 0, 0, 4, 1, 2, 3, 4],
            &[0, 0, 0, 2, 5, 0, 0, 3, 0, 3, b'!'],
        ];
        assert_eq!(message, expected.concat());
    }

    #[test]
    fn what_is_put_is_taken_and_nothing_else_is_read() {
        let frames = [
            Frame::Open(Bytes::from_static(b"{}")),
            Frame::Data(Bytes::new()),
            Frame::Credit(7),
            Frame::Fin,
            Frame::Reset(ResetReason::Other(900), Bytes::from_static(b"why")),
        ];
        let mut message = BytesMut::new();
        for frame in &frames {
            let before = message.len();
            frame.put(ChannelId(9), &mut message);
            assert_eq!(message.len() - before, frame.size());
        }
        let mut message = message.freeze();
        for frame in frames {
            assert_eq!(Frame::take(&mut message), Ok((ChannelId(9), frame)));
        }
        assert!(message.is_empty());
    }

    #[test]
    fn broken_frames_are_named() {
        let take = |bytes: &'static [u8]| Frame::take(&mut Bytes::from_static(bytes)).unwrap_err();
        assert_eq!(take(&[0, 0, 0]), BadFrame::CutOff);
        assert_eq!(take(&[0, 0, 0, 1, 2, 0, 0, 2, b'h']), BadFrame::CutOff);
        assert_eq!(take(&[0, 0, 0, 1, 9, 0, 0, 0]), BadFrame::Kind(9));
        assert_eq!(take(&[0, 0, 0, 1, 3, 0, 0, 1, 0]), BadFrame::Length(3));
        assert_eq!(take(&[0, 0, 0, 1, 4, 0, 0, 1, 0]), BadFrame::Length(4));
    }
}

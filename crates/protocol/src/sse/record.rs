//! The client's half of a link over SSE + POST: the body of a POST is a row of records, `[u8 kind][u32 length]`, big
//! endian, then so many bytes. A body without any is a ping.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use thiserror::Error;

use super::MAX_MESSAGE;

/// Bytes of a record's head.
pub const HEAD: usize = 5;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// 1: a text message, in UTF-8.
    Text(Bytes),
    /// 2: a binary message.
    Binary(Bytes),
    /// 3: the client closes the connection; code and reason as in a WebSocket's close frame.
    Close(u16, Bytes),
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadRecord {
    /// The body ends within a record.
    #[error("a record is cut off")]
    CutOff,
    /// No such kind.
    #[error("a record of the unknown kind {0}")]
    Kind(u8),
    /// A message over the limit.
    #[error("a record of {0} bytes, and {MAX_MESSAGE} are the most")]
    TooLong(usize),
    /// A close without a code.
    #[error("a close without a code")]
    Close,
    /// A text message that is none.
    #[error("a text that is no UTF-8")]
    Utf8,
}

impl Record {
    /// Appends the record to a body.
    pub fn put(&self, body: &mut BytesMut) {
        match self {
            Self::Text(bytes) => put_head(1, bytes.len(), body),
            Self::Binary(bytes) => put_head(2, bytes.len(), body),
            Self::Close(_, reason) => put_head(3, 2 + reason.len(), body),
        }
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => body.put_slice(bytes),
            Self::Close(code, reason) => {
                body.put_u16(*code);
                body.put_slice(reason);
            }
        }
    }

    /// Its bytes on the wire, head included.
    pub fn size(&self) -> usize {
        HEAD + match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
            Self::Close(_, reason) => 2 + reason.len(),
        }
    }

    /// Takes the first record off a body; its bytes are shared, not copied.
    ///
    /// # Errors
    /// [`BadRecord`]; the rest of the body is of no use then.
    pub fn take(body: &mut Bytes) -> Result<Self, BadRecord> {
        if body.len() < HEAD {
            return Err(BadRecord::CutOff);
        }
        let (kind, length) = (body.get_u8(), body.get_u32() as usize);
        if length > MAX_MESSAGE {
            return Err(BadRecord::TooLong(length));
        }
        if body.len() < length {
            return Err(BadRecord::CutOff);
        }
        let mut bytes = body.split_to(length);
        match kind {
            1 if std::str::from_utf8(&bytes).is_err() => Err(BadRecord::Utf8),
            1 => Ok(Self::Text(bytes)),
            2 => Ok(Self::Binary(bytes)),
            3 if length < 2 => Err(BadRecord::Close),
            3 => Ok(Self::Close(bytes.get_u16(), bytes)),
            kind => Err(BadRecord::Kind(kind)),
        }
    }
}

fn put_head(kind: u8, length: usize, body: &mut BytesMut) {
    body.put_u8(kind);
    body.put_u32(length as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_record() -> impl Strategy<Value = Record> {
        prop_oneof![
            any::<String>().prop_map(|text| Record::Text(text.into())),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Record::Binary(bytes.into())),
            (any::<u16>(), "[a-z.]{0,20}").prop_map(|(code, reason)| Record::Close(code, reason.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(records in prop::collection::vec(any_record(), 0..10)) {
            let mut body = BytesMut::new();
            for record in &records {
                let before = body.len();
                record.put(&mut body);
                prop_assert_eq!(body.len() - before, record.size());
            }
            let mut body = body.freeze();
            for record in records {
                prop_assert_eq!(Record::take(&mut body), Ok(record));
            }
            prop_assert!(body.is_empty());
        }

        #[test]
        fn nothing_that_a_peer_sends_is_a_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut body = Bytes::from(body);
            while !body.is_empty() && Record::take(&mut body).is_ok() {}
        }
    }

    #[test]
    fn broken_records_are_named() {
        let take = |bytes: &'static [u8]| Record::take(&mut Bytes::from_static(bytes)).unwrap_err();
        assert_eq!(take(&[1, 0, 0]), BadRecord::CutOff);
        assert_eq!(take(&[2, 0, 0, 0, 2, b'h']), BadRecord::CutOff);
        assert_eq!(take(&[9, 0, 0, 0, 0]), BadRecord::Kind(9));
        assert_eq!(take(&[2, 0, 2, 0, 1]), BadRecord::TooLong(MAX_MESSAGE + 1));
        assert_eq!(take(&[3, 0, 0, 0, 1, 0]), BadRecord::Close);
        assert_eq!(take(&[1, 0, 0, 0, 1, 0xff]), BadRecord::Utf8);
    }
}

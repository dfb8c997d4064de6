//! Room for what comes in pieces. Doubling, as vectors do, holds up to twice what a long message needs, and the allocator
//! keeps that for later.

use std::mem::take;

use bytes::{Bytes, BytesMut};

/// From this length on, in bytes, a buffer grows by an eighth.
const LONG: usize = 64 * 1024;

/// Gives `buffer` room for `more` bytes behind those that it has.
pub fn make_room(buffer: &mut BytesMut, more: usize) {
    let length = buffer.len();
    if buffer.capacity() - length >= more {
        return;
    }
    if length + more < LONG {
        buffer.reserve(more);
        return;
    }
    // Only a vector can be told exactly how far to grow, and it often can where it is. Neither step to and fro copies.
    let mut whole = Vec::from(take(buffer));
    whole.reserve_exact(more.max(length / 8));
    *buffer = BytesMut::from(Bytes::from(whole));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_takes_little_more_than_its_length() {
        let mut buffer = BytesMut::new();
        let mut grown = 0;
        for piece in 0..1_100 {
            let before = buffer.capacity();
            make_room(&mut buffer, 1_000);
            buffer.extend_from_slice(&[piece as u8; 1_000]);
            grown += usize::from(buffer.capacity() != before);
        }
        assert!(buffer.capacity() <= 1_100_000 / 8 * 9 + 1_000, "{}", buffer.capacity());
        assert!(grown < 40, "{grown} times");
        assert!(buffer.chunks(1_000).enumerate().all(|(piece, bytes)| bytes == [piece as u8; 1_000]));
    }

    #[test]
    fn what_others_hold_of_the_same_memory_stays_theirs() {
        let mut buffer = BytesMut::from(&vec![7; 100_000][..]);
        let front = buffer.split_to(30_000).freeze();
        make_room(&mut buffer, 100_000);
        buffer.extend_from_slice(&[8; 100_000]);
        assert_eq!((buffer[0], buffer[69_999], buffer[70_000], buffer.len()), (7, 7, 8, 170_000));
        assert!(front.iter().all(|byte| *byte == 7));
    }
}

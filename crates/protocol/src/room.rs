//! Room for a message that comes in pieces. A long one is gathered in memory of its own, which the system has back as soon as
//! the message is gone: an allocator would keep it for later, in each of its arenas.

use std::fmt;
use std::mem::take;

use bytes::{Bytes, BytesMut};
use memmap2::MmapMut;

/// Up to this length, in bytes, a message is gathered in the allocator's memory.
const SHORT: usize = 128 * 1024;

/// The room that a longer one gets first, in bytes. What it does not fill is never made. A bit less than a huge page, as Linux
/// might fill all of one.
const FIRST: usize = 2 * 1024 * 1024 - 64 * 1024;

/// The pieces of one message so far.
#[derive(Debug, Default)]
pub struct Room {
    /// All of it, or nothing beside `long`.
    short: BytesMut,
    long: Option<Long>,
}

impl Room {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.long.as_ref().map_or(self.short.len(), |long| long.length)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in it.
    pub fn as_slice(&self) -> &[u8] {
        self.long.as_ref().map_or(&self.short, |long| long.as_ref())
    }

    /// Puts one more piece behind the others.
    pub fn push(&mut self, piece: &[u8]) {
        let length = self.len() + piece.len();
        if let Some(long) = &mut self.long
            && long.takes(piece)
        {
            return;
        }
        if length > SHORT
            && let Some(mut longer) = Long::of(length)
        {
            // Each has room for both.
            let _ = longer.takes(self.as_slice()) && longer.takes(piece);
            *self = Self { short: BytesMut::new(), long: Some(longer) };
            return;
        }
        if let Some(long) = self.long.take() {
            // The system gave no more: it may yet do so for the allocator.
            self.short = BytesMut::from(long.as_ref());
        }
        self.short.extend_from_slice(piece);
    }

    /// The message, whole. Nothing is left in here.
    pub fn take(&mut self) -> Bytes {
        match self.long.take() {
            Some(long) => Bytes::from_owner(long),
            None => take(&mut self.short).freeze(),
        }
    }
}

/// Memory from the system for one message.
struct Long {
    map: MmapMut,
    length: usize,
}

impl Long {
    /// Room for at least `length` bytes, if the system has it.
    fn of(length: usize) -> Option<Self> {
        let mut room = FIRST;
        while room < length {
            // Copied into the next, a message is copied once at most for each time that it grew eightfold.
            room = room.checked_mul(8)?;
        }
        Some(Self { map: MmapMut::map_anon(room).ok()?, length: 0 })
    }

    /// Takes a piece, if there is room for it.
    fn takes(&mut self, piece: &[u8]) -> bool {
        let Some(free) = self.map.get_mut(self.length..).and_then(|free| free.get_mut(..piece.len())) else {
            return false;
        };
        free.copy_from_slice(piece);
        self.length += piece.len();
        true
    }
}

impl AsRef<[u8]> for Long {
    fn as_ref(&self) -> &[u8] {
        &self.map[..self.length]
    }
}

impl fmt::Debug for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn pieces_make_the_message_and_leave_nothing(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100_000), 0..60),
        ) {
            let mut room = Room::default();
            for _ in 0..2 {
                pieces.iter().for_each(|piece| room.push(piece));
                let whole = pieces.concat();
                prop_assert_eq!(room.len(), whole.len());
                prop_assert!(room.as_slice() == whole);
                prop_assert!(room.take() == whole);
                prop_assert!(room.is_empty());
            }
        }
    }

    #[test]
    fn a_piece_may_be_longer_than_the_room_there_is() {
        let mut room = Room::default();
        room.push(&[1; 200_000]);
        room.push(&vec![2; 5 * FIRST]);
        let message = room.take();
        assert_eq!((message.len(), message[199_999], message[200_000]), (200_000 + 5 * FIRST, 1, 2));
        assert!(message[200_000..].iter().all(|byte| *byte == 2));
    }

    #[test]
    fn what_was_taken_stays_as_it_is_while_the_next_one_comes() {
        let mut room = Room::default();
        room.push(&[7; 300_000]);
        let first = room.take();
        room.push(&[8; 300_000]);
        let part = first.slice(100_000..200_000);
        drop(first);
        assert!(part.iter().all(|byte| *byte == 7) && room.as_slice().iter().all(|byte| *byte == 8));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_long_message_gives_its_memory_back() {
        let resident = || {
            let all = std::fs::read_to_string("/proc/self/statm").unwrap();
            all.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        let mut room = Room::default();
        let message = |room: &mut Room| {
            (0..1_500).for_each(|_| room.push(&[1; 10_000]));
            room.take()
        };
        drop(message(&mut room));
        let before = resident();
        let all: Vec<Bytes> = (0..4).map(|_| message(&mut room)).collect();
        let during = resident();
        drop(all);
        let after = resident();
        assert!(during > before + 50_000_000, "{before} {during}: they were there");
        assert!(after < before + 10_000_000, "{before} {after}: they are gone");
    }
}

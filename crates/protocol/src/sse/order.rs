//! Puts POSTs back in the order of their numbers: several are under way at once, and one may come twice, because its
//! answer was lost.

use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use super::AHEAD;

/// What has come in and what is waited for. Holds fewer than [`AHEAD`] bodies.
#[derive(Debug, Default)]
pub struct Order {
    next: u64,
    early: BTreeMap<u64, Bytes>,
}

/// A number that no client may have come to yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("POST {number} came while {next} is waited for")]
pub struct TooFar {
    /// The number.
    pub number: u64,
    /// The one that is waited for.
    pub next: u64,
}

impl Order {
    /// Takes the body of POST `number` and gives the bodies whose turn it is now. None: it waits for one before it, or
    /// has come before.
    ///
    /// # Errors
    /// [`TooFar`]: the client broke the rules.
    pub fn take(&mut self, number: u64, body: Bytes) -> Result<Vec<Bytes>, TooFar> {
        let next = self.next;
        if number >= next.saturating_add(AHEAD) {
            return Err(TooFar { number, next });
        }
        if number < next {
            return Ok(Vec::new());
        }
        self.early.entry(number).or_insert(body);
        let mut ready = Vec::new();
        while let Some(body) = self.early.remove(&self.next) {
            self.next += 1;
            ready.push(body);
        }
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_body_has_its_turn_once_whatever_comes_late_or_twice(picks in prop::collection::vec(any::<u64>(), 0..300)) {
            let (mut order, mut got) = (Order::default(), Vec::new());
            for pick in picks {
                let next = got.len() as u64;
                // From what was long answered to the last that may be under way.
                let number = (next + AHEAD - 1).saturating_sub(pick % (2 * AHEAD));
                got.extend(order.take(number, Bytes::from(number.to_string())).unwrap());
                prop_assert!(order.early.len() < AHEAD as usize);
            }
            let expected: Vec<_> = (0..got.len()).map(|number| Bytes::from(number.to_string())).collect();
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_number_beyond_what_may_be_under_way_is_refused() {
        let mut order = Order::default();
        assert_eq!(order.take(AHEAD, Bytes::new()), Err(TooFar { number: AHEAD, next: 0 }));
        assert_eq!(order.take(u64::MAX, Bytes::new()), Err(TooFar { number: u64::MAX, next: 0 }));
        assert_eq!(order.take(0, Bytes::new()).unwrap().len(), 1);
        assert_eq!(order.take(AHEAD, Bytes::new()), Ok(vec![]));
    }
}

//! The calls in flight on one conversation over HTTP. Here an answer may come on several streams, or on none: the table
//! is what makes it exactly one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use culvert_protocol::message::Id;
use culvert_protocol::rpc_error::{INVALID_REQUEST, RpcError};
use tokio_util::sync::CancellationToken;

/// One call, for the task that works on it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: Id,
    /// The id as its caller spelled it.
    pub(super) raw_id: Box<str>,
    answered: CancellationToken,
    cancelled: CancellationToken,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<Id, Call>);

impl Calls {
    /// Takes a call in.
    ///
    /// # Errors
    /// The answer to one whose id is in flight.
    pub(super) fn open(&mut self, id: Id, raw_id: &str) -> Result<Call, RpcError> {
        let call = Call {
            id: id.clone(),
            raw_id: raw_id.into(),
            answered: CancellationToken::new(),
            cancelled: CancellationToken::new(),
        };
        match self.0.entry(id) {
            Entry::Vacant(free) => Ok(free.insert(call).clone()),
            Entry::Occupied(_) => {
                let why = format!("a request with the id {raw_id} is still in flight");
                Err(RpcError::new(INVALID_REQUEST, "message.id_in_flight", why))
            }
        }
    }

    /// The answer to the call with this id is here. Returns whether anybody waits for it.
    pub(super) fn answered(&mut self, id: &Id) -> bool {
        self.0.remove(id).map(|call| call.answered.cancel()).is_some()
    }

    /// Its caller does not wait any more.
    pub(super) fn cancelled(&self, id: &Id) {
        if let Some(call) = self.0.get(id) {
            call.cancelled.cancel();
        }
    }

    /// Ends a call if it is still open, and returns whether it was. A later call may have the same id.
    pub(super) fn close(&mut self, call: &Call) -> bool {
        !call.is_answered() && self.answered(&call.id)
    }
}

impl Call {
    /// Whether it has its answer.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.is_cancelled()
    }

    /// Completes when it has its answer, on whatever stream that came.
    pub(super) async fn answered(&self) {
        self.answered.cancelled().await;
    }

    /// Completes when its caller does not wait any more.
    pub(super) async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_answered_once_and_its_id_is_free_again() {
        let mut calls = Calls::default();
        let first = calls.open(Id::Integer(1), "1").unwrap();
        assert_eq!(calls.open(Id::Integer(1), "1").unwrap_err().code(), "message.id_in_flight");
        assert!(calls.answered(&Id::Integer(1)) && first.is_answered());
        assert!(!calls.answered(&Id::Integer(1)));
        let second = calls.open(Id::Integer(1), "1").unwrap();
        assert!(!calls.close(&first), "what is left of the first does not end the second");
        assert!(!second.is_answered());
        assert!(calls.close(&second) && second.is_answered());
    }
}

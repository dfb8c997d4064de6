//! A gateway as configured: an address, and maybe a token of its own.

use std::fmt;

use culvert_protocol::Secret;

use crate::document::RawGateway;
use crate::value::{BadValue, addresses};

/// A gateway as configured. `Debug` shows nothing of its token.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenGateway {
    /// Its address, not checked yet.
    pub address: String,
    /// A reference to the token for this gateway alone, or that token.
    pub token: Option<Secret>,
}

impl fmt::Debug for GivenGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may be wrong enough to have a password in it.
        f.debug_struct("GivenGateway").field("token", &self.token).finish_non_exhaustive()
    }
}

impl From<String> for GivenGateway {
    fn from(address: String) -> Self {
        Self { address, token: None }
    }
}

impl GivenGateway {
    /// Every gateway in a text, without tokens: one, or several with blanks or commas between them.
    pub fn all_in(text: &str) -> Vec<Self> {
        addresses(text).into_iter().map(Self::from).collect()
    }

    /// The gateways of one item in a list.
    pub(crate) fn of(raw: RawGateway) -> Result<Vec<Self>, BadValue> {
        let token = match raw.token.map(Secret::new) {
            Some(token) if token.is_empty() => return Err(BadValue::Empty),
            token => token,
        };
        let gateways = addresses(&raw.address).into_iter().map(|address| Self { address, token: token.clone() });
        let gateways: Vec<_> = gateways.collect();
        // A token beside no address would go nowhere.
        if gateways.is_empty() && token.is_some() { Err(BadValue::Empty) } else { Ok(gateways) }
    }
}

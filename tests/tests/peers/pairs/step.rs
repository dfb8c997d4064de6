//! One tool call that a client is to make, and what must come of it.

use serde_json::{Value, json};

use super::findings::Call;
use super::payload::sha256;

/// Where a call that is given up has got to: the server is surely at it then.
const GIVEN_UP_AT: u32 = 3;

#[derive(Debug)]
pub(crate) struct Step {
    /// As the programs in `clients` take it.
    pub(crate) call: Value,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    /// The tool says exactly this.
    Says(String),
    /// The tool says this among other things, near the beginning.
    Holds(String),
    /// The tool fails, with a text that holds this and has at least as many bytes.
    Fails(String, usize),
    /// The tool says exactly this after it has told of each of so many steps, in order.
    Steps(String, u32),
    /// Instead of a result there is an error, which says this.
    Raises(&'static str),
    /// The client gives the call up.
    GivenUp,
}

impl Step {
    pub(crate) fn says(tool: &str, arguments: Value, text: impl Into<String>) -> Self {
        Self { call: json!({"tool": tool, "arguments": arguments}), expected: Expected::Says(text.into()) }
    }

    pub(crate) fn holds(tool: &str, arguments: Value, text: impl Into<String>) -> Self {
        Self { call: json!({"tool": tool, "arguments": arguments}), expected: Expected::Holds(text.into()) }
    }

    pub(crate) fn fails(tool: &str, arguments: Value, text: impl Into<String>, bytes: usize) -> Self {
        Self { call: json!({"tool": tool, "arguments": arguments}), expected: Expected::Fails(text.into(), bytes) }
    }

    pub(crate) fn steps(tool: &str, arguments: Value, count: u32, text: impl Into<String>) -> Self {
        let call = json!({"tool": tool, "arguments": arguments, "progress": true});
        Self { call, expected: Expected::Steps(text.into(), count) }
    }

    pub(crate) fn given_up(tool: &str, arguments: Value) -> Self {
        let call = json!({"tool": tool, "arguments": arguments, "cancel_at": GIVEN_UP_AT});
        Self { call, expected: Expected::GivenUp }
    }

    /// The same call, of which nothing but an error can come.
    pub(crate) fn but_raises(self, text: &'static str) -> Self {
        Self { expected: Expected::Raises(text), ..self }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        matches!(self.expected, Expected::GivenUp)
    }

    /// Whether it shows without progress and without giving up.
    pub(crate) fn needs_only_an_answer(&self) -> bool {
        !matches!(self.expected, Expected::Steps(..) | Expected::GivenUp)
    }

    /// # Panics
    /// When something else came of it.
    pub(crate) fn judge(&self, found: &Call, who: &str) {
        let told: String = format!("{who}: {} gave {found:?}", self.call).chars().take(1500).collect();
        assert_eq!(found.raised.is_some(), matches!(self.expected, Expected::Raises(_)), "{told}");
        assert_eq!(found.cancelled, self.is_given_up(), "{told}");
        assert_eq!(found.failed, matches!(self.expected, Expected::Fails(..)), "{told}");
        let in_order = |count: u32| (1..=count).map(f64::from).collect::<Vec<_>>();
        let told_of: Vec<f64> = found.progress.iter().map(|(done, _)| *done).collect();
        match &self.expected {
            Expected::Says(text) => Self::same(text, found, &told),
            Expected::Holds(text) => assert!(found.text.contains(text), "{text:?} is missing: {told}"),
            Expected::Fails(text, bytes) => {
                assert!(found.text.contains(text) && found.bytes >= *bytes, "{text:?}, {bytes} bytes: {told}");
            }
            Expected::Steps(text, count) => {
                Self::same(text, found, &told);
                assert_eq!(told_of, in_order(*count), "{told}");
                assert!(found.progress.iter().all(|(_, total)| *total == Some(f64::from(*count))), "{told}");
            }
            Expected::Raises(text) => {
                assert!(
                    found.raised.as_deref().is_some_and(|raised| raised.contains(text)),
                    "{text:?} is missing: {told}"
                );
            }
            // What was under way when it gave up may still have come.
            Expected::GivenUp => assert!(told_of.starts_with(&in_order(GIVEN_UP_AT)), "{told}"),
        }
    }

    fn same(text: &str, found: &Call, told: &str) {
        let expected: String = text.chars().take(100).collect();
        assert_eq!(found.bytes, text.len(), "not {expected:?} …: {told}");
        assert_eq!(found.sha256, sha256(text.as_bytes()), "not {expected:?} …: {told}");
    }
}

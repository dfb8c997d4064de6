//! The methods that calls are counted by: a closed list, so that no peer can make figures without end.

/// The methods of MCP that have figures of their own, in order.
const NAMES: [&str; 19] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tools/call",
    "tools/list",
];

/// A method of MCP, or all others together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(u8);

impl Method {
    /// How many there are.
    pub const COUNT: usize = NAMES.len() + 1;

    /// Any that is not on the list.
    pub const OTHER: Self = Self(NAMES.len() as u8);

    /// The method of this name.
    pub fn of(name: &str) -> Self {
        // The list is shorter than a byte can count.
        NAMES.binary_search(&name).map_or(Self::OTHER, |at| Self(at as u8))
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// Its name; `other` for [`OTHER`](Self::OTHER).
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("other")
    }

    /// Its place among all, below [`COUNT`](Self::COUNT).
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The member of `params` that says what a call is about.
    pub fn about(name: &str) -> Option<&'static str> {
        match name {
            "tools/call" | "prompts/get" => Some("name"),
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some("uri"),
            _ => None,
        }
    }

    /// Whether a call stays open for as long as its caller wants to hear more: nobody waits for its end.
    pub fn is_endless(name: &str) -> bool {
        name == "subscriptions/listen"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_has_its_own_place() {
        assert!(NAMES.is_sorted());
        for name in NAMES {
            assert_eq!(Method::of(name).name(), name);
        }
        for other in ["", "tools/calls", "x"] {
            assert_eq!(Method::of(other), Method::OTHER);
        }
        assert_eq!(Method::all().count(), Method::COUNT);
        assert_eq!(Method::all().last().map(Method::name), Some("other"));
    }
}

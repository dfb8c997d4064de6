//! The revisions of MCP that Culvert speaks, and what its own requests say of their sender in either kind.

/// The revisions that begin with `initialize`, oldest first.
pub const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The newest of them: what Culvert asks for itself.
pub const NEWEST_LEGACY: &str = LEGACY[LEGACY.len() - 1];

/// The stateless revision in which Culvert speaks itself.
pub const MODERN: &str = "2026-07-28";

/// The member of `_meta` in which a stateless request names its revision.
pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The member of `_meta` in which it names its sender's program.
pub const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";

/// The member of `_meta` in which it says what its sender can do.
pub const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The member of `_meta` in which it asks for log messages.
pub const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// The member of `_meta` by which a message belongs to a subscription.
pub const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The `params` of an `initialize` of our own, JSON. No capabilities: what the server asks is answered by no client.
/// `program` and `version` are plain words.
pub fn initialize_params(program: &str, version: &str) -> String {
    let client = client(program, version);
    format!(r#"{{"protocolVersion":"{NEWEST_LEGACY}","capabilities":{{}},"clientInfo":{client}}}"#)
}

/// The `_meta` of a stateless request of our own, JSON. All three are plain words.
pub fn own_meta(revision: &str, program: &str, version: &str) -> String {
    let client = client(program, version);
    format!(r#"{{"{META_VERSION}":"{revision}","{META_CLIENT}":{client},"{META_CAPABILITIES}":{{}}}}"#)
}

fn client(program: &str, version: &str) -> String {
    format!(r#"{{"name":"{program}","version":"{version}"}}"#)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_we_say_of_ourselves_is_json_with_the_members_that_the_revisions_want() {
        let client = json!({"name": "p", "version": "1.2"});
        let params: Value = serde_json::from_str(&initialize_params("p", "1.2")).unwrap();
        assert_eq!(params, json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}));
        let meta: Value = serde_json::from_str(&own_meta(MODERN, "p", "1.2")).unwrap();
        assert_eq!(meta, json!({META_VERSION: "2026-07-28", META_CLIENT: client, META_CAPABILITIES: {}}));
    }

    #[test]
    fn revisions_are_in_the_order_of_time() {
        assert!(LEGACY.is_sorted() && NEWEST_LEGACY < MODERN);
    }
}

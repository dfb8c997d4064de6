//! Ready entries for MCP clients: a command line, or JSON for a file of theirs.

use culvert_protocol::Secret;
use serde_json::json;

use crate::shown::Client;

/// What stands where a token has to be put by hand.
pub(crate) const PLACEHOLDER: &str = "YOUR_TOKEN";

/// The entry of a server for a client.
pub(crate) fn entry(client: Client, name: &str, url: &str, token: Option<&Secret>) -> Secret {
    let bearer = format!("Bearer {}", token.map_or(PLACEHOLDER, Secret::expose));
    let headers = json!({ "Authorization": bearer });
    let pretty = |value: serde_json::Value| serde_json::to_string_pretty(&value).unwrap_or_default();
    let quoted = |text: &str| shell_words::quote(text).into_owned();
    let text = match client {
        Client::ClaudeCode => format!(
            "claude mcp add --transport http {} {} --header {}",
            quoted(name),
            quoted(url),
            quoted(&format!("Authorization: {bearer}"))
        ),
        Client::Cursor => pretty(json!({ "mcpServers": { name: { "url": url, "headers": headers } } })),
        Client::VsCode => pretty(json!({ "servers": { name: { "type": "http", "url": url, "headers": headers } } })),
        Client::McpJson => {
            pretty(json!({ "mcpServers": { name: { "type": "http", "url": url, "headers": headers } } }))
        }
        Client::Curl => {
            let hello = json!({
                "jsonrpc": "2.0", "id": 1, "method": "initialize",
                "params": {
                    "protocolVersion": "2025-06-18", "capabilities": {},
                    "clientInfo": { "name": "curl", "version": "1" }
                }
            });
            [
                format!("curl {}", quoted(url)),
                format!("-H {}", quoted(&format!("Authorization: {bearer}"))),
                "-H 'Content-Type: application/json'".to_owned(),
                "-H 'Accept: application/json, text/event-stream'".to_owned(),
                format!("-d {}", quoted(&hello.to_string())),
            ]
            .join(" \\\n  ")
        }
    };
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const URL: &str = "http://127.0.0.1:4444/servers/my%20git/mcp";

    #[test]
    fn files_of_clients_are_json_as_they_read_it() {
        let token = Secret::new("e30.e30.sig");
        for (client, list) in
            [(Client::Cursor, "mcpServers"), (Client::VsCode, "servers"), (Client::McpJson, "mcpServers")]
        {
            let json: Value = serde_json::from_str(entry(client, "my git", URL, Some(&token)).expose()).unwrap();
            let one = &json[list]["my git"];
            assert_eq!(one["url"], URL);
            assert_eq!(one["headers"]["Authorization"], "Bearer e30.e30.sig");
        }
    }

    #[test]
    fn command_lines_are_quoted_as_a_shell_reads_them() {
        let words = shell_words::split(entry(Client::ClaudeCode, "my git", URL, None).expose()).unwrap();
        assert_eq!(words[..7], ["claude", "mcp", "add", "--transport", "http", "my git", URL]);
        assert_eq!(words[7..], ["--header", "Authorization: Bearer YOUR_TOKEN"]);
        let words = shell_words::split(&entry(Client::Curl, "git", URL, None).expose().replace("\\\n", "")).unwrap();
        assert_eq!((words[1].as_str(), words.len()), (URL, 10));
        assert!(serde_json::from_str::<Value>(&words[9]).is_ok());
    }
}

//! An MCP server with one tool, which says back what it is told. The end of its input does not end it.

use std::io::{self, BufRead as _, Write as _};
use std::thread;

use crate::family::{self, Done};

/// Shows up, begins a process of its own, and answers for as long as it is let.
///
/// # Errors
/// The system's.
pub(crate) fn serve() -> Done {
    let _watched = family::show_up("server")?;
    family::have_a_child()?;
    for line in io::stdin().lock().lines() {
        if let Some(answer) = answer(&line?) {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{answer}")?;
            stdout.flush()?;
        }
    }
    loop {
        thread::park();
    }
}

/// What is answered to a message; nothing to one without an id. Read by eye: who asks is known here.
fn answer(message: &str) -> Option<String> {
    let id = value(message, "\"id\":")?;
    let result = match value(message, "\"method\":")? {
        "\"initialize\"" => {
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}"#
                .to_owned()
        }
        "\"tools/list\"" => r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#.to_owned(),
        "\"tools/call\"" => {
            let text = value(message, "\"text\":").unwrap_or("\"\"");
            format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#)
        }
        "\"ping\"" => "{}".to_owned(),
        _ => {
            let error = r#"{"code":-32601,"message":"no such method"}"#;
            return Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
        }
    };
    Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

/// The number, or the string without escapes, after `key`.
fn value<'a>(message: &'a str, key: &str) -> Option<&'a str> {
    let rest = message.split_once(key)?.1.trim_start();
    let end = match rest.strip_prefix('"') {
        Some(string) => string.find('"')? + 2,
        None => rest.find([',', '}'])?,
    };
    Some(&rest[..end])
}

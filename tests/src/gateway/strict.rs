//! What the strict gateway takes: the members of its envelopes and the JSON-RPC messages in them, and nothing beside.

use serde_json::{Map, Value};

/// Judges one frame of a client.
///
/// # Errors
/// The breach, in words.
pub fn judge(text: &str) -> Result<Value, String> {
    let frame: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let members = frame.as_object().ok_or("not an object")?;
    let kind = members.get("type").and_then(Value::as_str).ok_or("no type")?;
    let allowed: &[&str] = match kind {
        "register" => &["type", "sessionId", "server", "extensions", "client", "labels"],
        "unregister" | "heartbeat" => &["type", "sessionId"],
        "response" | "notification" => &["type", "sessionId", "payload"],
        other => return Err(format!("a client sends no {other:?}")),
    };
    only(members, allowed)?;
    if !members.get("sessionId").is_none_or(Value::is_string) {
        return Err("sessionId is no text".into());
    }
    match kind {
        "register" => register(members.get("server").ok_or("register without server")?)?,
        "response" => response(members.get("payload").ok_or("response without payload")?)?,
        "notification" => notification(members.get("payload").ok_or("notification without payload")?)?,
        _ => {}
    }
    Ok(frame)
}

fn only(members: &Map<String, Value>, allowed: &[&str]) -> Result<(), String> {
    match members.keys().find(|name| !allowed.contains(&name.as_str())) {
        Some(foreign) => Err(format!("a foreign member {foreign:?}")),
        None => Ok(()),
    }
}

/// ContextForge takes names of 1 to 128 letters, digits, `_`, `.`, `-` and spaces.
fn register(server: &Value) -> Result<(), String> {
    let server = server.as_object().ok_or("server is no object")?;
    only(server, &["name", "description", "protocol"])?;
    let name = server.get("name").and_then(Value::as_str).ok_or("a server without a name")?;
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ' ');
    if !(1..=128).contains(&name.chars().count()) || !name.chars().all(fits) {
        return Err(format!("the name {name:?} is refused"));
    }
    if !server.get("description").is_none_or(Value::is_string) {
        return Err("the description is no text".into());
    }
    Ok(())
}

fn message(payload: &Value) -> Result<&Map<String, Value>, String> {
    let members = payload.as_object().ok_or("the payload is no object (a batch?)")?;
    match members.get("jsonrpc").and_then(Value::as_str) {
        Some("2.0") => Ok(members),
        _ => Err("jsonrpc is not 2.0".into()),
    }
}

fn response(payload: &Value) -> Result<(), String> {
    let members = message(payload)?;
    only(members, &["jsonrpc", "id", "result", "error"])?;
    match members.get("id") {
        Some(Value::String(_)) => {}
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {}
        other => return Err(format!("the id of a response is {other:?}")),
    }
    match (members.get("result"), members.get("error")) {
        (Some(_), None) => Ok(()),
        (None, Some(error)) => {
            let has_code = error.get("code").is_some_and(Value::is_i64);
            let has_message = error.get("message").is_some_and(Value::is_string);
            if has_code && has_message { Ok(()) } else { Err("an error without code or message".into()) }
        }
        _ => Err("a response has a result or an error, never both or neither".into()),
    }
}

fn notification(payload: &Value) -> Result<(), String> {
    let members = message(payload)?;
    only(members, &["jsonrpc", "method", "params"])?;
    if !members.get("method").is_some_and(Value::is_string) {
        return Err("a notification without a method".into());
    }
    match members.get("params") {
        None | Some(Value::Object(_) | Value::Array(_)) => Ok(()),
        Some(other) => Err(format!("params are {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn clean_frames_pass() {
        for frame in [
            r#"{"type":"register","sessionId":"s","server":{"name":"a b_c.d-1","protocol":"mcp"}}"#,
            r#"{"type":"heartbeat","sessionId":"s"}"#,
            r#"{"type":"response","sessionId":"s","payload":{"jsonrpc":"2.0","id":"a","result":null}}"#,
            r#"{"type":"response","payload":{"jsonrpc":"2.0","id":-1,"error":{"code":-32601,"message":"no"}}}"#,
            r#"{"type":"notification","payload":{"jsonrpc":"2.0","method":"notifications/x"}}"#,
        ] {
            judge(frame).unwrap_or_else(|breach| panic!("{breach}: {frame}"));
        }
    }

    #[test]
    fn rich_frames_are_breaches() {
        let response = |payload: &str| format!(r#"{{"type":"response","sessionId":"s","payload":{payload}}}"#);
        for frame in [
            response(r#"{"jsonrpc":"2.0","id":"a","result":{},"extra":1}"#),
            response(r#"{"jsonrpc":"2.0","id":null,"result":{}}"#),
            response(r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#),
            response(r#"{"jsonrpc":"2.0","id":"a","result":{},"error":{"code":1,"message":"m"}}"#),
            response(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#),
            response(r#"[{"jsonrpc":"2.0","id":"a","result":{}}]"#),
            response(r#"{"id":"a","result":{}}"#),
            r#"{"type":"notification","payload":{"jsonrpc":"2.0","method":"n","params":null}}"#.into(),
            r#"{"type":"register","server":{"name":"a@b"}}"#.into(),
            r#"{"type":"request","payload":{"jsonrpc":"2.0","id":1,"method":"ping"}}"#.into(),
            r#"{"type":"heartbeat","timestamp":"now"}"#.into(),
        ] {
            assert!(judge(&frame).is_err(), "{frame}");
        }
    }
}

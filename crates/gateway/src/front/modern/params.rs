//! Arguments of a tool that clients repeat in headers (`x-mcp-header`, 2026-07-28): both must say the same.
//!
//! Which ones they are stands in the server's list of tools, so it is asked for that: once a minute at most for as long
//! as nothing contradicts, and again before anything is refused. Where there is no list, nothing is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use culvert_protocol::message::Message;
use http::header::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::super::refusal::Refusal;
use super::check;
use crate::shared::Shared;

/// How long a list may be relied on.
const FRESH: Duration = Duration::from_secs(60);

/// How long the server may take to list its tools.
const LIMIT: Duration = Duration::from_secs(10);

/// The most pages of a list.
const MAX_PAGES: usize = 50;

/// What a client must repeat, by tool.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    known: Mutex<Option<(Instant, Arc<Tools>)>>,
}

type Tools = HashMap<String, Vec<Param>>;

/// An argument that stands in a header too.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Param {
    /// Its place in the arguments.
    path: Vec<String>,
    header: HeaderName,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Truth,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tools: Vec<Tool>,
    #[serde(rename = "nextCursor")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(rename = "inputSchema", default)]
    schema: Value,
}

impl Repeated {
    /// Checks a `tools/call` for `child`.
    pub(super) async fn check(&self, headers: &HeaderMap, call: &Message<'_>, child: &Shared) -> Result<(), Refusal> {
        let Some((tool, arguments)) = called(call) else { return Ok(()) };
        if arguments.is_empty() && !headers.keys().any(|name| name.as_str().starts_with("mcp-param-")) {
            return Ok(());
        }
        // If they disagree, the list may have changed since.
        if let Some(tools) = self.fresh()
            && let Some(Ok(())) = tools.get(&tool).map(|params| agree(params, headers, &arguments))
        {
            return Ok(());
        }
        let meta = call.param(&["_meta"]).ok().flatten().map_or("{}", |meta| meta.get());
        let listed = timeout(LIMIT, list(child, meta)).await.ok().flatten();
        let Some(tools) = listed.map(Arc::new) else {
            tracing::debug!("no list of tools: the headers that repeat arguments go unchecked");
            return Ok(());
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), tools.clone()));
        tools.get(&tool).map_or(Ok(()), |params| agree(params, headers, &arguments))
    }

    fn fresh(&self) -> Option<Arc<Tools>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(since, _)| since.elapsed() < FRESH).map(|(_, tools)| tools.clone())
    }
}

/// The tool that is called, and its arguments.
fn called(call: &Message<'_>) -> Option<(String, Map<String, Value>)> {
    if call.method() != "tools/call" {
        return None;
    }
    let tool = serde_json::from_str(call.param(&["name"]).ok()??.get()).ok()?;
    let arguments = match call.param(&["arguments"]).ok()? {
        Some(arguments) => serde_json::from_str(arguments.get()).ok()?,
        None => Map::new(),
    };
    Some((tool, arguments))
}

/// All tools, as somebody with this `_meta` sees them.
async fn list(child: &Shared, meta: &str) -> Option<Tools> {
    let (mut tools, mut cursor) = (Tools::new(), None::<String>);
    for _ in 0..MAX_PAGES {
        let cursor_member = cursor.map(|cursor| format!(r#","cursor":{}"#, Value::from(cursor)));
        let params = format!(r#"{{"_meta":{meta}{}}}"#, cursor_member.unwrap_or_default());
        let page: Page = serde_json::from_str(&child.request_as("tools/list", &params, LIMIT).await.ok()?).ok()?;
        tools.extend(page.tools.into_iter().map(|tool| (tool.name, params_of(&tool.schema))));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Some(tools),
        }
    }
    None
}

/// The arguments of a schema that are to be repeated. They can only stand in plain nested objects.
fn params_of(schema: &Value) -> Vec<Param> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), schema)];
    while let Some((path, schema)) = open.pop() {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let mut path: Vec<String> = path.clone();
            path.push(name.clone());
            if let Some(header) = property.get("x-mcp-header").and_then(Value::as_str)
                && let Ok(header) = HeaderName::from_bytes(format!("mcp-param-{header}").as_bytes())
                && let Some(kind) = kind(property)
            {
                found.push(Param { path: path.clone(), header, kind });
            }
            open.push((path, property));
        }
    }
    found
}

fn kind(property: &Value) -> Option<Kind> {
    match property.get("type")?.as_str()? {
        "string" => Some(Kind::Text),
        "integer" => Some(Kind::Integer),
        "boolean" => Some(Kind::Truth),
        _ => None,
    }
}

/// Whether headers and arguments say the same.
fn agree(params: &[Param], headers: &HeaderMap, arguments: &Map<String, Value>) -> Result<(), Refusal> {
    for Param { path, header, kind } in params {
        let said = check::one(headers, header)?;
        let (first, rest) = path.split_first().map_or(("", path.as_slice()), |(first, rest)| (first, rest));
        let value = rest.iter().try_fold(arguments.get(first), |value, name| Some(value?.get(name)));
        let value = value.flatten().filter(|value| !value.is_null());
        let told = |what: &str| Err(Refusal::header_mismatch(&format!("the header {header} {what}")));
        match (said, value) {
            (None, None) => {}
            (None, Some(_)) => return told("is missing, and the argument that it repeats is there"),
            (Some(_), None) => return told("is there, and the argument that it repeats is not"),
            (Some(said), Some(value)) => match check::decoded(said) {
                None => return told("cannot be read"),
                Some(said) if !is(&said, value, *kind) => return told("does not say what the argument says"),
                Some(_) => {}
            },
        }
    }
    Ok(())
}

fn is(said: &str, value: &Value, kind: Kind) -> bool {
    match (kind, value) {
        // 42.0 and 42 are the same number.
        (Kind::Integer, Value::Number(number)) => {
            let (whole, fraction) = said.split_once('.').unwrap_or((said, "0"));
            let zero = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
            let number = number.to_string();
            let (body, rest) = number.split_once('.').unwrap_or((&number, "0"));
            zero && rest.bytes().all(|digit| digit == b'0')
                && whole.parse::<i64>().is_ok_and(|whole| body.parse() == Ok(whole))
        }
        (_, Value::String(text)) => said == text,
        (_, Value::Bool(truth)) => said == if *truth { "true" } else { "false" },
        (_, Value::Number(number)) => said == number.to_string(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use serde_json::json;

    fn schema() -> Value {
        json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
            "deep": {"type": "object", "properties": {"on": {"type": "boolean", "x-mcp-header": "On"}}},
            "rate": {"type": "number", "x-mcp-header": "Rate"},
            "plain": {"type": "string"},
            "list": {"type": "array", "items": {"properties": {"x": {"type": "string", "x-mcp-header": "X"}}}},
        }})
    }

    fn agrees(lines: &[(&'static str, &'static str)], arguments: Value) -> bool {
        let headers: HeaderMap = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        agree(&params_of(&schema()), &headers, arguments.as_object().unwrap()).is_ok()
    }

    #[test]
    fn each_repeated_argument_is_found_where_it_may_stand() {
        let mut names: Vec<_> = params_of(&schema()).into_iter().map(|param| param.header.to_string()).collect();
        names.sort();
        assert_eq!(names, ["mcp-param-count", "mcp-param-on", "mcp-param-region"]);
    }

    #[test]
    fn headers_and_arguments_must_say_the_same() {
        let region = |value| [("mcp-param-region", value)];
        assert!(agrees(&[], json!({"plain": "x"})) && agrees(&[], json!({"region": null})));
        assert!(agrees(&region("Hello"), json!({"region": "Hello"})));
        assert!(agrees(&region("=?base64?SGVsbG8=?="), json!({"region": "Hello"})));
        assert!(agrees(&region("SGVsbG8="), json!({"region": "SGVsbG8="})));
        for (header, value) in
            [("other", "Hello"), ("=?base64?SGVsbG8?=", "Hello"), ("=?base64?SGVs!!!bG8=?=", "Hello")]
        {
            assert!(!agrees(&region(header), json!({"region": value})), "{header}");
        }
        assert!(!agrees(&[], json!({"region": "x"})) && !agrees(&region("x"), json!({})));
        assert!(!agrees(&[region("x")[0], region("x")[0]], json!({"region": "x"})));
        for (said, number, same) in [
            ("42", json!(42), true),
            ("42.0", json!(42), true),
            ("42", json!(42.0), true),
            ("41", json!(42), false),
            ("42.5", json!(42), false),
            ("42.", json!(42), false),
        ] {
            assert_eq!(agrees(&[("mcp-param-count", said)], json!({"count": number})), same, "{said}");
        }
        assert!(agrees(&[("mcp-param-on", "true")], json!({"deep": {"on": true}})));
        assert!(!agrees(&[("mcp-param-on", "True")], json!({"deep": {"on": true}})));
        assert!(agrees(&[("mcp-param-unknown", "x")], json!({})), "what no schema knows is ignored");
    }
}

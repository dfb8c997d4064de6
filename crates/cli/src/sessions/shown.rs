//! A session as gateways tell of it, and as a row of a table.

use culvert_protocol::text;
use serde_json::Value;

/// The most characters of one cell: what stands there comes from others.
const WIDEST: usize = 48;

/// One session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: String,
    /// The server's name.
    pub(super) name: Option<String>,
    /// All that the gateway told.
    pub(super) raw: Value,
}

impl Session {
    /// What a gateway told of one.
    pub(super) fn read(raw: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let name = text(&raw["server_info"]["name"]).or_else(|| text(&raw["name"]));
        Self { id: text(&raw["session_id"]).unwrap_or_default(), name, raw: raw.clone() }
    }

    fn cells(&self) -> [String; 9] {
        let raw = &self.raw;
        let one = |name: &str| match &raw[name] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let labels = raw["labels"].as_object().map(|labels| {
            let each = labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
            each.collect::<Vec<_>>().join(",")
        });
        let client = [one("client_version"), one("client")].into_iter().find(|text| !text.is_empty());
        [
            self.name.clone().unwrap_or_default(),
            self.id.clone(),
            one("user"),
            one("host"),
            client.unwrap_or_default(),
            moment(&one("connected_at")),
            moment(&one("last_activity")),
            one("calls"),
            labels.unwrap_or_default(),
        ]
        .map(|cell| {
            let cell = text::clean(&cell, WIDEST);
            if cell.is_empty() { "-".to_owned() } else { cell }
        })
    }
}

/// A time without the parts of a second, as people read it.
fn moment(text: &str) -> String {
    let Some((date, time)) = text.split_once('T') else { return text.to_owned() };
    let time: String = time.chars().take(8).collect();
    format!("{date} {time}")
}

const HEADS: [&str; 9] = ["SERVER", "SESSION", "OWNER", "HOST", "CLIENT", "SINCE", "LAST SEEN", "CALLS", "LABELS"];

/// The sessions as lines; columns in which no session has anything are left out.
pub(super) fn table(sessions: &[Session]) -> Vec<String> {
    if sessions.is_empty() {
        return vec!["no sessions".to_owned()];
    }
    let rows: Vec<_> = sessions.iter().map(Session::cells).collect();
    let told: Vec<usize> = (0..HEADS.len()).filter(|column| rows.iter().any(|row| row[*column] != "-")).collect();
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([HEADS[column].len()]).max().unwrap_or_default()
    };
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells = told.iter().map(|column| format!("{:<width$}", cell(*column), width = width(*column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(&|column| HEADS[column].to_owned());
    std::iter::once(head).chain(rows.iter().map(|row| line(&|column| row[column].clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_gateway_tells_is_a_row_and_what_none_tells_no_column() {
        let ours = json!({
            "session_id": "a1", "server_info": {"name": "git\u{1b}[2J"}, "connected_at": "2026-11-22T10:00:00Z",
            "last_activity": "2026-11-22T10:05:09Z", "user": "me", "calls": 12, "host": "edge", "client": "culvert/0.1.0",
            "client_version": "0.1.0", "labels": {"site": "north", "team": "tools"},
        });
        let theirs = json!({
            "session_id": "b2", "server_info": {"name": "time"}, "connected_at": "2026-11-22T10:00:00.123456+00:00",
            "last_activity": "2026-11-22T10:05:10.5+00:00", "user": "admin@example.com",
        });
        let table = |list: &[&Value]| super::table(&list.iter().map(|raw| Session::read(raw)).collect::<Vec<_>>());
        assert_eq!(
            table(&[&ours, &theirs]),
            [
                "SERVER   SESSION  OWNER              HOST  CLIENT  SINCE                LAST SEEN            CALLS  LABELS",
                "git [2J  a1       me                 edge  0.1.0   2026-11-22 10:00:00  2026-11-22 10:05:09  12     \
                 site=north,team=tools",
                "time     b2       admin@example.com  -     -       2026-11-22 10:00:00  2026-11-22 10:05:10  -      -",
            ]
        );
        assert_eq!(table(&[&theirs])[0], "SERVER  SESSION  OWNER              SINCE                LAST SEEN");
        assert_eq!(table(&[&json!(7)]), ["", ""], "nonsense is no reason to fail");
        assert_eq!(table(&[]), ["no sessions"]);
    }
}

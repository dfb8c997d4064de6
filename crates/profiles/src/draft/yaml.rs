//! Keys and values as lines of YAML that mean nothing else to any reader of YAML.

use std::fmt::Write as _;

use crate::document::Raw;
use crate::key::Key;

/// The lines of one key, the last one ended.
pub(super) fn member(key: Key, raw: &Raw) -> String {
    let mut out = String::from(key.name());
    out.push(':');
    match raw {
        Raw::Text(text) => {
            out.push(' ');
            out.push_str(&of_key(key, text));
            out.push('\n');
        }
        Raw::List(list) if list.is_empty() => out.push_str(" []\n"),
        Raw::List(list) => {
            out.push('\n');
            for text in list {
                let _ = writeln!(out, "  - {}", quoted(text));
            }
        }
        Raw::Map(map) if map.is_empty() => out.push_str(" {}\n"),
        Raw::Map(map) => {
            out.push('\n');
            for (name, text) in map {
                let _ = writeln!(out, "  {}: {}", quoted(name), quoted(text));
            }
        }
        Raw::Gateways(all) if all.is_empty() => out.push_str(" []\n"),
        Raw::Gateways(all) => {
            out.push('\n');
            for gateway in all {
                match &gateway.token {
                    None => _ = writeln!(out, "  - {}", quoted(&gateway.address)),
                    Some(token) => {
                        let _ = writeln!(out, "  - url: {}\n    token: {}", quoted(&gateway.address), quoted(token));
                    }
                }
            }
        }
    }
    out
}

/// Numbers and words of a fixed choice stand without quotes, as people write them.
fn of_key(key: Key, text: &str) -> String {
    let about = key.about();
    let is_plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let is_choice = about.unit.is_some() || about.default.is_some() || key == Key::Id;
    if is_plain && is_choice && !text.starts_with('-') { text.to_owned() } else { quoted(text) }
}

/// A double-quoted scalar.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What YAML takes for a line break, a byte order mark or no character at all.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

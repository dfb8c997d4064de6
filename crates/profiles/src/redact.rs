//! Text made fit to be handed to strangers: secrets that are known are taken out wherever they stand, and what looks
//! like one by its name or form is taken out too. Better one too many.

use culvert_protocol::Secret;

use crate::import::secrecy::{is_secrets_name, looks_like_token};

/// What stands in a secret's place.
const GONE: &str = "[redacted]";

/// Known values that are shorter are left to what names and forms tell: they would be found in half of all words.
const SHORTEST: usize = 4;

/// Takes secrets out of text.
#[derive(Debug, Default)]
pub struct Redactor {
    /// The longest first: one may be part of another.
    known: Vec<Secret>,
}

/// Words that a secret stands behind.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

impl Redactor {
    /// Takes out these, and whatever looks secret.
    pub fn new(known: impl IntoIterator<Item = Secret>) -> Self {
        let mut known: Vec<_> = known.into_iter().filter(|secret| secret.expose().len() >= SHORTEST).collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { known }
    }

    /// `text` without secrets. Line breaks stay.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            // As it stands in JSON; there, it may be another text.
            let quoted = serde_json::to_string(secret.expose()).unwrap_or_default();
            let escaped = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            if escaped.len() >= SHORTEST {
                text = text.replace(escaped, GONE);
            }
            text = text.replace(secret.expose(), GONE);
        }
        text.split_inclusive('\n').map(|text| line(&with_bare_addresses(text))).collect()
    }
}

/// A line, word by word. What is between two words tells whether one names the other.
fn line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let (mut rest, mut named) = (line, false);
    while let Some(first) = rest.chars().next() {
        let of_word = is_of_word(first);
        let end = rest.find(|c| is_of_word(c) != of_word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        if !of_word {
            out.push_str(piece);
            continue;
        }
        // A colon ends a name, and is part of an address.
        let word = piece.trim_end_matches([':', '.', '!', '?']);
        let tail = &piece[word.len()..];
        if word.is_empty() {
            out.push_str(piece);
            continue;
        }
        let is_scheme = SCHEMES.contains(&word.to_ascii_lowercase().as_str());
        let is_gone = word == GONE.trim_matches(['[', ']']);
        let is_secret = (named || looks_like_token(word)) && !is_scheme && !is_gone;
        out.push_str(if is_secret { GONE } else { word });
        out.push_str(tail);
        let follows = tail.contains(':') || rest.trim_start_matches(['"', '\'', ' ']).starts_with([':', '=']);
        let is_flag = word.starts_with("--") && rest.starts_with(' ');
        named = is_scheme || (is_secrets_name(word) && (follows || is_flag));
    }
    out
}

/// The text with its URLs bare: an equals sign in one must not be taken for one between words.
fn with_bare_addresses(text: &str) -> String {
    let ends_address = |c: char| c.is_whitespace() || "\"'`<>()[]{},;".contains(c);
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let begin = rest[..at].rfind(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).map_or(0, |at| at + 1);
        let begin = (begin..=at).find(|begin| rest.is_char_boundary(*begin)).unwrap_or(at);
        let end = rest[at..].find(ends_address).map_or(rest.len(), |length| at + length);
        out.push_str(&rest[..begin]);
        out.push_str(&address(&rest[begin..end]));
        rest = &rest[end..];
    }
    out + rest
}

/// A URL without user, password, query and fragment.
fn address(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (path, cut) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], "?[redacted]"),
        None => (rest, ""),
    };
    let (authority, path) = path.find('/').map_or((path, ""), |at| path.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{GONE}@{host}{path}{cut}"),
        None => format!("{scheme}://{authority}{path}{cut}"),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.+/~%@:?&#".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> String {
        Redactor::default().text(text)
    }

    #[test]
    fn what_looks_secret_is_taken_out() {
        for (text, without) in [
            ("Authorization: Bearer hunter2", "Authorization: Bearer [redacted]"),
            ("--api-key hunter2 --verbose", "--api-key [redacted] --verbose"),
            ("--api-key=hunter2", "--api-key=[redacted]"),
            (r#"{"password": "hunter2", "user": "me"}"#, r#"{"password": "[redacted]", "user": "me"}"#),
            ("GITHUB_TOKEN=hunter2 next", "GITHUB_TOKEN=[redacted] next"),
            ("password: hunter2", "password: [redacted]"),
            ("got ghp_abcdefghij from it", "got [redacted] from it"),
            ("postgres://me:hunter2@db:5432/x", "postgres://[redacted]@db:5432/x"),
            ("see https://h/p?code=hunter2.", "see https://h/p?[redacted]."),
        ] {
            let told = plain(text);
            assert!(!told.contains("hunter2"), "{text}: {told}");
            // A whole word that looks secret may be taken out at once.
            assert!(told == without || told.contains("[redacted]"), "{text}: {told}");
        }
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl";
        assert_eq!(plain(&format!("sent {jwt}, refused")), "sent [redacted], refused");
    }

    #[test]
    fn what_is_harmless_stays() {
        for text in [
            "online as \"git\" at https://gateway.example.com/team, 12 tools\n",
            "the command \"uvx\" was not found in PATH [command.not_found]\n  → Check the spelling.\n",
            "uvx mcp-server-git --repository /srv/code --depth 3",
            "2026-11-22T18:40:31.041433Z WARN culvert_tunnel::child: started pid=28015",
            "the token is good for 6 days, for mcpgateway-api",
        ] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn known_secrets_are_taken_out_wherever_they_stand() {
        let redactor = Redactor::new(["two words\"", "abc", "longer-value", "long"].map(Secret::new));
        assert_eq!(redactor.text("xlonger-valuey"), "x[redacted]y");
        assert_eq!(redactor.text("say two words\" twice"), "say [redacted] twice");
        assert_eq!(redactor.text(r#"{"a":"two words\""}"#), r#"{"a":"[redacted]"}"#);
        assert_eq!(redactor.text("abc"), "abc", "too short to be told from words");
    }

    proptest! {
        #[test]
        fn a_known_secret_never_comes_through(before in ".{0,20}", secret in "[!-~]{4,40}", after in ".{0,20}") {
            let told = Redactor::new([Secret::new(&secret)]).text(&format!("{before}{secret}{after}"));
            // Unless the words around it, or what stands in its place, hold it themselves.
            prop_assume!(!before.contains(&secret) && !after.contains(&secret) && !GONE.contains(&secret));
            prop_assert!(!told.replace(GONE, "\u{0}").contains(&secret), "{told}");
        }
    }
}

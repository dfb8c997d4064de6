//! JSON texts of every kind that the grammar allows (RFC 8259), by a seed: what a message may look like that passes
//! untouched.

use fastrand::Rng;

/// Numbers that do not survive being read and written again.
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "7",
    "-12",
    "0.1000",
    "1.0",
    "-0.0e-0",
    "1e400",
    "-1E+400",
    "1E5",
    "5e-324",
    "9007199254740993",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "3.14159265358979323846264338327950288",
];

/// Parts of strings, as spelled between the quotes.
const PARTS: [&str; 30] = [
    "a",
    "Zz 09",
    "/",
    "'",
    "{",
    "}]",
    ",:",
    "é",
    "漢字",
    "😀",
    "\u{7f}",
    "\u{2028}\u{2029}",
    "\u{feff}",
    "\u{10ffff}",
    r"\\",
    r#"\""#,
    r"\/",
    r"\n",
    r"\r\n",
    r"\t\b\f",
    r"\u0000",
    r"\u001F",
    r"\u00e9",
    r"\uFFFF",
    r"\uffff",
    r"\u2028",
    r"\ud83d\ude00",
    r"\uD83D\uDE00",
    r"\u007f\u0080",
    r"data: \nid: 7\n\n",
];

/// Halves of surrogate pairs: the grammar allows them, though they are no text.
const HALVES: [&str; 3] = [r"\ud800", r"\uDfFf", r"\ude00\ud83d"];

/// Names of members that mean something at the top of a message, and nothing inside.
const NAMES: [&str; 10] =
    ["id", "jsonrpc", "method", "params", "result", "error", "_meta", "progressToken", "requestId", "subscriptionId"];

/// Which line breaks may stand between tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// Any, as in an HTTP body.
    Any,
    /// No line feed, as in a line.
    NoLineFeed,
}

/// Writes them.
#[derive(Debug)]
pub struct JsonText {
    /// What decides.
    pub random: Rng,
    /// Which line breaks it uses.
    pub breaks: Breaks,
}

impl JsonText {
    /// Whether something that happens once in `times` happens now.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.random.usize(0..times) == 0
    }

    /// One of several.
    pub fn one_of<'o>(&mut self, of: &[&'o str]) -> &'o str {
        of[self.random.usize(0..of.len())]
    }

    /// Some value.
    pub fn value(&mut self) -> String {
        match self.random.usize(0..40) {
            0 => self.deep(),
            1 => self.long(),
            _ => self.nested(3),
        }
    }

    /// Some object with members of these names and values among others, in any order.
    pub fn object(&mut self, members: Vec<(&str, String)>) -> String {
        let known = members.into_iter().map(|(name, value)| (self.spelled(name), value)).collect();
        let others = self.random.usize(0..3);
        self.object_of(known, others)
    }

    /// Exactly these members, in any order, with any space between.
    pub fn message(&mut self, members: Vec<(&str, String)>, others: usize) -> String {
        let known = members.into_iter().map(|(name, value)| (self.spelled(name), value)).collect();
        self.object_of(known, others)
    }

    /// A string that is text: no half of a pair.
    pub fn text(&mut self) -> String {
        let parts: String = (0..self.random.usize(0..6)).map(|_| self.one_of(&PARTS)).collect();
        format!("\"{parts}\"")
    }

    /// A number or a string, as ids and tokens are.
    pub fn id(&mut self) -> String {
        if self.random.bool() { self.one_of(&NUMBERS).to_owned() } else { self.text() }
    }

    /// A string of a member's name or a method, now and then with an escape in it.
    pub fn spelled(&mut self, plain: &str) -> String {
        let place = self.random.usize(0..plain.len());
        let letter = plain[place..].chars().next().filter(|letter| letter.is_ascii() && self.once_in(6));
        match letter {
            Some(letter) => {
                format!("\"{}\\u{:04x}{}\"", &plain[..place], u32::from(letter), &plain[place + 1..])
            }
            None => format!("\"{plain}\""),
        }
    }

    /// Space between tokens.
    pub fn space(&mut self) -> &'static str {
        match (self.random.usize(0..24), self.breaks) {
            (0, _) => " ",
            (1, _) => "\t ",
            (2, _) => "\r",
            (3, Breaks::Any) => "\n",
            (4, Breaks::Any) => "\r\n",
            _ => "",
        }
    }

    fn nested(&mut self, depth: usize) -> String {
        match self.random.usize(0..if depth == 0 { 5 } else { 8 }) {
            0 => self.one_of(&["true", "false", "null"]).to_owned(),
            1 | 2 => self.one_of(&NUMBERS).to_owned(),
            3 | 4 => self.string(),
            5 => self.array(depth - 1),
            _ => {
                let (named, others) = (self.random.usize(0..3), self.random.usize(0..3));
                let known = (0..named).map(|_| (self.name(), self.nested(depth - 1))).collect();
                self.object_of(known, others)
            }
        }
    }

    fn string(&mut self) -> String {
        if !self.once_in(8) {
            return self.text();
        }
        let text = self.text();
        let half = self.one_of(&HALVES);
        // Before the closing quote, so that no text behind it makes it whole.
        text[..text.len() - 1].to_owned() + half + "\""
    }

    fn name(&mut self) -> String {
        let name = self.one_of(&NAMES);
        self.spelled(name)
    }

    fn array(&mut self, depth: usize) -> String {
        let values: Vec<String> = (0..self.random.usize(0..4))
            .map(|_| self.space().to_owned() + &self.nested(depth) + self.space())
            .collect();
        format!("[{}{}]", values.join(","), if values.is_empty() { self.space() } else { "" })
    }

    /// These and some others, with names that mean nothing anywhere; one of those may be there twice.
    fn object_of(&mut self, mut members: Vec<(String, String)>, others: usize) -> String {
        for _ in 0..others {
            let name = self.string();
            let again = self.once_in(4).then(|| (name.clone(), self.nested(1)));
            let value = self.nested(1);
            members.push((name, value));
            members.extend(again);
        }
        self.random.shuffle(&mut members);
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| [self.space(), &name, self.space(), ":", self.space(), &value, self.space()].concat())
            .collect();
        format!("{{{}{}}}", members.join(","), if members.is_empty() { self.space() } else { "" })
    }

    fn deep(&mut self) -> String {
        let levels = self.random.usize(100..5000);
        let (mut before, mut after) = (String::new(), String::new());
        for _ in 0..levels {
            let is_array = self.random.bool();
            before += if is_array { "[" } else { r#"{"id":"# };
            after.push(if is_array { ']' } else { '}' });
        }
        let after: String = after.chars().rev().collect();
        before + &self.nested(0) + &after
    }

    fn long(&mut self) -> String {
        let times = self.random.usize(1000..20_000);
        let part = self.one_of(&PARTS);
        format!("\"{}\"", part.repeat(times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;

    #[test]
    fn all_of_it_is_json() {
        for seed in 0..500 {
            let mut json = JsonText { random: Rng::with_seed(seed), breaks: Breaks::Any };
            let value = json.value();
            let text = json.message(vec![("id", json_id(seed)), ("params", value)], 3);
            assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "seed {seed}: {text}");
        }
    }

    fn json_id(seed: u64) -> String {
        JsonText { random: Rng::with_seed(seed), breaks: Breaks::NoLineFeed }.id()
    }
}

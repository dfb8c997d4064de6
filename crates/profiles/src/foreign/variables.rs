//! `${…}` in other clients' files: variables of the environment, folders, and inputs that the client would ask for.

/// Something that a text leaves open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Open {
    /// An environment variable that is not set.
    Variable(String),
    /// An input that the client asks its user for, by its id.
    Input(String),
    /// A folder or the like that only the client knows, such as `workspaceFolder`.
    Place(String),
}

/// What is known without asking anybody.
pub(crate) struct Known<'a> {
    /// The environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Folders by the names that clients give them.
    pub(crate) places: &'a dyn Fn(&str) -> Option<String>,
}

/// A text with what is known filled in, and what is open still to be. No `Debug`: it may hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Template(Vec<Segment>);

#[derive(Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    /// Something open, as it stands in the text.
    Open(Open, String),
}

impl Template {
    /// Reads a text. What is filled in is never looked at again: it may hold braces of its own.
    pub(crate) fn read(text: &str, known: &Known<'_>) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            template.push(&rest[..at]);
            rest = &rest[at..];
            let Some(end) = rest.find('}') else { break };
            let (inner, default) = match rest[2..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&rest[2..end], None),
            };
            match meaning(inner) {
                Some(Meaning::Text(text)) => template.push(text),
                Some(Meaning::Open(what)) => {
                    let found = match &what {
                        Open::Variable(name) => (known.variable)(name),
                        Open::Place(name) => (known.places)(name),
                        Open::Input(_) => None,
                    };
                    match found.or_else(|| default.map(str::to_owned)) {
                        Some(value) => template.push(&value),
                        None => template.0.push(Segment::Open(what, rest[..=end].to_owned())),
                    }
                }
                // A program's own braces.
                None => template.push(&rest[..=end]),
            }
            rest = &rest[end + 1..];
        }
        template.push(rest);
        template
    }

    /// A text that is taken as it is.
    pub(crate) fn plain(text: &str) -> Self {
        Self(vec![Segment::Text(text.to_owned())])
    }

    fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Segment::Text(before)) => before.push_str(text),
            _ => self.0.push(Segment::Text(text.to_owned())),
        }
    }

    /// What is open.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Open> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Open(what, _) => Some(what),
            Segment::Text(_) => None,
        })
    }

    /// The text with these answers to what is open. What has none stays as it stood.
    pub(crate) fn filled(&self, answer: &dyn Fn(&Open) -> Option<String>) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Open(what, shown) => answer(what).unwrap_or_else(|| shown.clone()),
        };
        self.0.iter().map(segment).collect()
    }
}

/// The variable that is the whole of `text`, such as `${env:NAME}` or `${NAME}`.
pub(crate) fn only_variable(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    match meaning(inner)? {
        Meaning::Open(Open::Variable(name)) => Some(name),
        _ => None,
    }
}

enum Meaning<'a> {
    Open(Open),
    Text(&'a str),
}

fn meaning(inner: &str) -> Option<Meaning<'_>> {
    const PLACES: [&str; 8] = [
        "workspaceFolder",
        "workspaceFolderBasename",
        "workspaceRoot",
        "userHome",
        "cwd",
        "CLAUDE_PROJECT_DIR",
        "CLAUDE_PLUGIN_ROOT",
        "extensionPath",
    ];
    let is_name = |name: &str| {
        let mut chars = name.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    Some(match inner.split_once(':') {
        Some(("env", name)) if is_name(name) => Meaning::Open(Open::Variable(name.to_owned())),
        Some(("input" | "promptString", id)) if !id.is_empty() => Meaning::Open(Open::Input(id.to_owned())),
        Some(("workspaceFolder", _)) => Meaning::Open(Open::Place("workspaceFolder".to_owned())),
        Some(_) => return None,
        None if PLACES.contains(&inner) => Meaning::Open(Open::Place(inner.to_owned())),
        None if matches!(inner, "/" | "pathSeparator") => Meaning::Text(std::path::MAIN_SEPARATOR_STR),
        None if is_name(inner) => Meaning::Open(Open::Variable(inner.to_owned())),
        None => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(text: &str) -> (String, Vec<Open>) {
        let known = Known {
            variable: &|name| (name == "HOME").then(|| "/home/ann".to_owned()),
            places: &|name| (name == "userHome").then(|| "${HOME}".to_owned()),
        };
        let template = Template::read(text, &known);
        let answer = |open: &Open| (*open == Open::Input("known".to_owned())).then(|| "${HOME}".to_owned());
        (template.filled(&answer), template.open().cloned().collect())
    }

    #[test]
    fn what_is_known_is_filled_in_once() {
        assert_eq!(fill("${HOME}/x${env:HOME}").0, "/home/ann/x/home/ann");
        assert_eq!(fill("${NOPE:-/tmp}/${userHome}").0, "/tmp/${HOME}");
        assert_eq!(fill("${input:known}").0, "${HOME}");
        assert_eq!(fill("${a b} $HOME {x} ${"), ("${a b} $HOME {x} ${".to_owned(), vec![]));
    }

    #[test]
    fn what_is_open_is_told_and_stays() {
        let text = "${env:NOPE} ${input:key} ${workspaceFolder}";
        let open =
            vec![Open::Variable("NOPE".into()), Open::Input("key".into()), Open::Place("workspaceFolder".into())];
        assert_eq!(fill(text), (text.to_owned(), open));
    }

    #[test]
    fn a_variable_alone_is_told_from_a_mixture() {
        assert_eq!(only_variable("${env:TOKEN}").as_deref(), Some("TOKEN"));
        assert_eq!(only_variable(" ${TOKEN} ").as_deref(), Some("TOKEN"));
        for text in ["Bearer ${TOKEN}", "${input:x}", "${TOKEN:-x}", "TOKEN"] {
            assert_eq!(only_variable(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[${}:a-zé-]{0,40}") {
            fill(&text);
        }
    }
}

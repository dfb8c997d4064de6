//! A command line, split into words as the platform's own shell would, with no expansion of any kind.

use thiserror::Error;

/// Whose quoting rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// POSIX shells: both kinds of quotes, backslash escapes.
    Unix,
    /// Windows programs: double quotes; a backslash is an ordinary character unless quotes follow.
    Windows,
}

impl Platform {
    /// The one this was built for.
    pub fn here() -> Self {
        if cfg!(windows) { Self::Windows } else { Self::Unix }
    }
}

/// Why a command line cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadCommand {
    /// No word in it.
    #[error("it is empty")]
    Empty,
    /// A quote without its partner.
    #[error("a quotation mark is never closed")]
    Unclosed,
    /// A NUL ends texts early in every system call.
    #[error("it holds a NUL character")]
    Nul,
}

/// The words of a command line.
///
/// # Errors
/// [`BadCommand`].
pub fn split(line: &str, platform: Platform) -> Result<Vec<String>, BadCommand> {
    if line.contains('\0') {
        return Err(BadCommand::Nul);
    }
    let words = match platform {
        Platform::Unix => shell_words::split(line).map_err(|_| BadCommand::Unclosed)?,
        Platform::Windows => split_windows(line)?,
    };
    if words.first().is_none_or(String::is_empty) { Err(BadCommand::Empty) } else { Ok(words) }
}

/// The rules of the Microsoft C runtime: `2n` backslashes and a quote are `n` backslashes and the quote's own meaning,
/// one more makes the quote literal; any other backslash is itself, so that `C:\tools` survives.
fn split_windows(line: &str) -> Result<Vec<String>, BadCommand> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let mut run = 1;
                while chars.next_if_eq(&'\\').is_some() {
                    run += 1;
                }
                let word = word.get_or_insert_default();
                let before_quote = chars.peek() == Some(&'"');
                word.extend(std::iter::repeat_n('\\', if before_quote { run / 2 } else { run }));
                if before_quote && run % 2 == 1 {
                    word.extend(chars.next());
                }
            }
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if quoted {
        return Err(BadCommand::Unclosed);
    }
    words.extend(word);
    Ok(words)
}

/// The first word that only means something to a shell, and so will not do what its author expects.
pub(crate) fn shell_word(words: &[String]) -> Option<&str> {
    const OPERATORS: [&str; 10] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1", "2>/dev/null"];
    let assignment = words.first().filter(|word| {
        word.split_once('=')
            .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    });
    assignment
        .or_else(|| words.iter().find(|word| OPERATORS.contains(&word.as_str()) || word.starts_with("~/")))
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unix(line: &str) -> Result<Vec<String>, BadCommand> {
        split(line, Platform::Unix)
    }

    fn windows(line: &str) -> Result<Vec<String>, BadCommand> {
        split(line, Platform::Windows)
    }

    #[test]
    fn unix_commands_split_as_in_a_shell_and_nothing_is_expanded() {
        assert_eq!(
            unix("uvx mcp-server-filesystem --directory '/my files' $HOME *.md").unwrap(),
            ["uvx", "mcp-server-filesystem", "--directory", "/my files", "$HOME", "*.md"]
        );
        assert_eq!(unix(r#"a "b \"c\"" d\ e ''"#).unwrap(), ["a", "b \"c\"", "d e", ""]);
        assert_eq!(unix("uvx 'oops"), Err(BadCommand::Unclosed));
        assert_eq!(unix(" \n"), Err(BadCommand::Empty));
        assert_eq!(unix("''"), Err(BadCommand::Empty));
        assert_eq!(unix("a\0b"), Err(BadCommand::Nul));
    }

    #[test]
    fn windows_paths_survive() {
        assert_eq!(
            windows(r#""C:\Program Files\node.exe" C:\srv\index.js --dir "D:\my files\\" it's"#).unwrap(),
            [r"C:\Program Files\node.exe", r"C:\srv\index.js", "--dir", r"D:\my files\", "it's"]
        );
        assert_eq!(windows(r#"a "{\"k\": 1}" """#).unwrap(), ["a", r#"{"k": 1}"#, ""]);
        assert_eq!(windows(r"\\host\share\x.exe").unwrap(), [r"\\host\share\x.exe"]);
        assert_eq!(windows(r#"a "b"#), Err(BadCommand::Unclosed));
        assert_eq!(windows("  "), Err(BadCommand::Empty));
    }

    #[test]
    fn what_only_a_shell_understands_is_noticed() {
        let found = |line: &str| shell_word(&unix(line).unwrap()).map(str::to_owned);
        assert_eq!(found("uvx a | tee log").as_deref(), Some("|"));
        assert_eq!(found("KEY=1 uvx a").as_deref(), Some("KEY=1"));
        assert_eq!(found("uvx a ~/notes").as_deref(), Some("~/notes"));
        assert_eq!(found("uvx a --x=1"), None);
    }

    /// Quotes a word as the runtime's documentation asks for it.
    fn quoted(word: &str) -> String {
        let mut out = String::from('"');
        let mut run = 0;
        for c in word.chars() {
            if c == '\\' {
                run += 1;
                continue;
            }
            out.extend(std::iter::repeat_n('\\', if c == '"' { 2 * run + 1 } else { run }));
            run = 0;
            out.push(c);
        }
        out.extend(std::iter::repeat_n('\\', 2 * run));
        out.push('"');
        out
    }

    proptest! {
        #[test]
        fn quoted_words_come_back_on_both_platforms(
            program in "[ -~äß\n]{1,12}", args in prop::collection::vec("[ -~äß\n]{0,12}", 0..6)
        ) {
            let words: Vec<_> = std::iter::once(program).chain(args).collect();
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(&windows(&line).unwrap(), &words);
            prop_assert_eq!(&unix(&shell_words::join(&words)).unwrap(), &words);
        }
    }
}

//! stderr, shared by talk and log: whole lines, and on a terminal one line of progress that is rewritten in place and
//! never left behind.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use culvert_profiles::LogLevel;
use tracing_subscriber::fmt::MakeWriter;

/// Progress is cut here, in characters, so that it does not wrap: a wrapped line cannot be erased as one.
const PROGRESS_WIDTH: usize = 78;

/// How a line of talk is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    /// The reason for which the program ends.
    Error,
    /// What had better be otherwise.
    Warning,
    /// What happens.
    Info,
}

/// Whether the far side can rewrite a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Escape sequences work; colours only where wanted.
    Screen(Colours),
    /// A file or a pipe: whole lines only.
    Lines,
}

/// Whether colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// Yes.
    On,
    /// No: `NO_COLOR` is set.
    Off,
}

/// Where talk and log lines go. Clones share it.
#[derive(Clone)]
pub(crate) struct Terminal {
    inner: Arc<Mutex<Inner>>,
    kind: Kind,
    speaker: &'static str,
}

struct Inner {
    out: Box<dyn Write + Send>,
    level: LogLevel,
    progress: String,
}

impl Terminal {
    /// stderr, with what the environment says about it. Each line of talk begins with `speaker`.
    pub(crate) fn stderr(speaker: &'static str) -> Self {
        let plain = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let kind = match io::stderr().is_terminal() && !plain {
            true => Kind::Screen(if no_colour { Colours::Off } else { Colours::On }),
            false => Kind::Lines,
        };
        Self { speaker, ..Self::new(Box::new(io::stderr()), kind) }
    }

    fn new(out: Box<dyn Write + Send>, kind: Kind) -> Self {
        let inner = Inner { out, level: LogLevel::Info, progress: String::new() };
        Self { inner: Arc::new(Mutex::new(inner)), kind, speaker: "culvert" }
    }

    /// The same, with another word before each line.
    pub(crate) fn speaking_as(&self, speaker: &'static str) -> Self {
        Self { speaker, ..self.clone() }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether colours may be used.
    pub(crate) fn has_colours(&self) -> bool {
        self.kind == Kind::Screen(Colours::On)
    }

    /// From here on says only what `level` lets through; the error that ends the program always comes.
    pub(crate) fn set_level(&self, level: LogLevel) {
        self.lock().level = level;
    }

    /// Says something in a line of its own, or in several.
    pub(crate) fn say(&self, mood: Mood, text: &str) {
        let mut inner = self.lock();
        let needed = match mood {
            Mood::Error => LogLevel::Critical,
            Mood::Warning => LogLevel::Warning,
            Mood::Info => LogLevel::Info,
        };
        if inner.level < needed {
            return;
        }
        let (colour, word) = match mood {
            Mood::Error => ("\x1b[31m", ""),
            Mood::Warning => ("\x1b[33m", "warning: "),
            Mood::Info => ("\x1b[1m", ""),
        };
        let line = match self.has_colours() {
            true => format!("{colour}{}:\x1b[0m {word}{text}\n", self.speaker),
            false => format!("{}: {word}{text}\n", self.speaker),
        };
        inner.line(line.as_bytes());
    }

    /// Shows `text` as the line of progress in place of the one before; an empty one erases it. Without a screen
    /// nothing is shown.
    pub(crate) fn progress(&self, text: &str) {
        if self.kind == Kind::Lines {
            return;
        }
        let mut inner = self.lock();
        let text: String = if inner.level < LogLevel::Info { String::new() } else { text.to_owned() };
        if inner.progress != text {
            inner.erase();
            inner.progress = text.chars().take(PROGRESS_WIDTH).collect();
            inner.draw();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while writing leaves at worst half a line behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Writes a whole line above the progress. A closed stderr has no one to complain to.
    fn line(&mut self, line: &[u8]) {
        self.erase();
        let _ = self.out.write_all(line);
        self.draw();
    }

    fn erase(&mut self) {
        if !self.progress.is_empty() {
            let _ = self.out.write_all(b"\r\x1b[K");
        }
    }

    fn draw(&mut self) {
        if !self.progress.is_empty() {
            let _ = self.out.write_all(self.progress.as_bytes());
        }
        let _ = self.out.flush();
    }
}

/// One line of the log: the subscriber hands it over in one piece.
pub(crate) struct LogLine<'a>(MutexGuard<'a, Inner>);

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Terminal {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine(self.lock())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What was written, for tests.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        pub(crate) fn terminal(&self, kind: Kind) -> Terminal {
            Terminal::new(Box::new(self.clone()), kind)
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn progress_makes_room_for_lines_and_comes_back() {
        let written = Written::default();
        let terminal = written.terminal(Kind::Screen(Colours::Off));
        terminal.progress("starting 1 s");
        terminal.progress("starting 1 s");
        terminal.make_writer().write_all(b"log\n").unwrap();
        terminal.progress("");
        terminal.say(Mood::Info, "online");
        assert_eq!(written.text(), "starting 1 s\r\x1b[Klog\nstarting 1 s\r\x1b[Kculvert: online\n");
    }

    #[test]
    fn progress_never_wraps() {
        let written = Written::default();
        written.terminal(Kind::Screen(Colours::Off)).progress(&"x".repeat(500));
        assert_eq!(written.text().len(), PROGRESS_WIDTH);
    }

    #[test]
    fn files_get_whole_lines_without_escapes() {
        let written = Written::default();
        let terminal = written.terminal(Kind::Lines);
        terminal.progress("starting");
        terminal.say(Mood::Warning, "careful");
        assert_eq!(written.text(), "culvert: warning: careful\n");
    }

    #[test]
    fn the_level_quiets_talk_but_not_the_last_error() {
        let written = Written::default();
        let terminal = written.terminal(Kind::Screen(Colours::On));
        terminal.set_level(LogLevel::Critical);
        terminal.say(Mood::Info, "a");
        terminal.say(Mood::Warning, "b");
        terminal.progress("c");
        terminal.say(Mood::Error, "d");
        assert_eq!(written.text(), "\x1b[31mculvert:\x1b[0m d\n");
    }
}

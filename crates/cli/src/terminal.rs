//! stderr, shared by talk and log: whole lines, and on a terminal one line of progress that is rewritten in place and
//! never left behind.

mod escapes;

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use culvert_profiles::LogLevel;
use tracing_subscriber::fmt::MakeWriter;

use crate::moment;
use crate::writer::{Weight, Writer};

/// How long the end of the program waits for a slow reader of stderr.
const FAREWELL: Duration = Duration::from_secs(2);

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

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// An object of JSON each.
    Json,
}

/// Where talk and log lines go. Clones share it.
#[derive(Clone)]
pub(crate) struct Terminal {
    writer: Writer,
    /// The position of the level in [`LogLevel::ALL`].
    level: Arc<AtomicU8>,
    /// Whether lines are JSON.
    json: Arc<AtomicBool>,
    kind: Kind,
    speaker: &'static str,
    /// The tunnel that is spoken of, as the log's own lines name it.
    tunnel: Option<Arc<serde_json::Value>>,
    lane: usize,
}

impl Terminal {
    /// stderr, with what the environment says about it. Each line of talk begins with `culvert`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn stderr() -> io::Result<Self> {
        let plain = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let kind = match io::stderr().is_terminal() && !plain && escapes::are_understood() {
            true => Kind::Screen(if no_colour { Colours::Off } else { Colours::On }),
            false => Kind::Lines,
        };
        Ok(Self::new(Writer::start(io::stderr())?, kind))
    }

    fn new(writer: Writer, kind: Kind) -> Self {
        let level = Arc::new(AtomicU8::new(LogLevel::Info as u8));
        Self { writer, level, json: Arc::default(), kind, speaker: "culvert", tunnel: None, lane: 0 }
    }

    /// The same, with another word before each line.
    pub(crate) fn speaking_as(&self, speaker: &'static str) -> Self {
        Self { speaker, ..self.clone() }
    }

    /// The same, where lines of JSON say that they are about this tunnel.
    pub(crate) fn about(&self, server: &str, gateway: &str) -> Self {
        let span = serde_json::json!({"name": "tunnel", "server": server, "gateway": gateway});
        Self { tunnel: Some(Arc::new(span)), ..self.clone() }
    }

    /// The same, with a part of the line of progress to itself.
    pub(crate) fn in_lane(&self, lane: usize) -> Self {
        Self { lane, ..self.clone() }
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
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// From here on writes in this format.
    pub(crate) fn set_format(&self, format: Format) {
        self.json.store(format == Format::Json, Ordering::Relaxed);
    }

    /// How lines are written now.
    pub(crate) fn format(&self) -> Format {
        if self.json.load(Ordering::Relaxed) { Format::Json } else { Format::Human }
    }

    fn lets_through(&self, level: LogLevel) -> bool {
        self.level.load(Ordering::Relaxed) >= level as u8
    }

    /// Says something in a line of its own, or in several.
    pub(crate) fn say(&self, mood: Mood, text: &str) {
        let (needed, weight, colour, word) = match mood {
            Mood::Error => (LogLevel::Critical, Weight::LastWord, "\x1b[31m", ""),
            Mood::Warning => (LogLevel::Warning, Weight::News, "\x1b[33m", "warning: "),
            Mood::Info => (LogLevel::Info, Weight::News, "\x1b[1m", ""),
        };
        if !self.lets_through(needed) {
            return;
        }
        let line = match self.has_colours() {
            _ if self.format() == Format::Json => self.json_line(mood, text),
            true => format!("{colour}{}:\x1b[0m {word}{text}\n", self.speaker),
            false => format!("{}: {word}{text}\n", self.speaker),
        };
        self.writer.line(line.as_bytes(), weight);
    }

    fn json_line(&self, mood: Mood, text: &str) -> String {
        let level = match mood {
            Mood::Error => "ERROR",
            Mood::Warning => "WARN",
            Mood::Info => "INFO",
        };
        let mut line = serde_json::json!({
            "timestamp": moment::now(), "level": level, "target": self.speaker, "fields": {"message": text},
        });
        if let Some(tunnel) = &self.tunnel {
            line["span"] = serde_json::Value::clone(tunnel);
        }
        format!("{line}\n")
    }

    /// Shows `text` as progress in place of what was shown before; an empty one erases it. Without a screen nothing is
    /// shown.
    pub(crate) fn progress(&self, text: &str) {
        if self.kind != Kind::Lines && self.format() == Format::Human {
            self.writer.progress(self.lane, if self.lets_through(LogLevel::Info) { text } else { "" });
        }
    }

    /// Leaves the screen clean, with all said that was to be said, unless nobody reads it.
    pub(crate) fn finish(&self) {
        self.writer.finish(FAREWELL);
    }
}

/// One line of the log: the subscriber hands it over in one piece.
pub(crate) struct LogLine<'a>(&'a Writer);

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.line(line, Weight::News);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Terminal {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine(&self.writer)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::writer::tests::Written;

    impl Written {
        pub(crate) fn terminal(&self, kind: Kind) -> Terminal {
            Terminal::new(self.writer.clone(), kind)
        }
    }

    #[test]
    fn talk_and_log_share_the_screen_with_progress() {
        let written = Written::default();
        let terminal = written.terminal(Kind::Screen(Colours::Off));
        terminal.progress("starting 1 s");
        assert_eq!(written.text(), "starting 1 s");
        terminal.make_writer().write_all(b"log\n").unwrap();
        assert_eq!(written.text(), "starting 1 s\r\x1b[Klog\nstarting 1 s");
        terminal.progress("");
        terminal.say(Mood::Info, "online");
        assert!(written.text().ends_with("\r\x1b[Kculvert: online\n"));
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

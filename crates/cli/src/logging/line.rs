//! One line of the log for people. What a local server wrote comes under the server's name, as the server wrote it;
//! all else as the library writes it.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::LOCAL_SERVER;

/// The way lines are written.
pub(super) struct Lines {
    others: Format,
}

impl Lines {
    /// Lines that name the part of the program that tells, or do not.
    pub(super) fn new(others: Format) -> Self {
        Self { others }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if event.metadata().target() != LOCAL_SERVER {
            return self.others.format_event(context, writer, event);
        }
        let mut said = Said::default();
        event.record(&mut said);
        SystemTime.format_time(&mut writer)?;
        writeln!(writer, " {:>5} {}: {}", event.metadata().level(), said.server, said.line)
    }
}

/// Who wrote what.
#[derive(Default)]
struct Said {
    server: String,
    line: String,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "server" {
            value.clone_into(&mut self.server);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // To a string nothing fails to be written.
            let _ = write!(self.line, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing::{info, info_span};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_server_wrote_comes_under_its_name_and_nothing_else_does() {
        let written = Written::default();
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || to.clone())
            .with_ansi(false)
            .event_format(Lines::new(Format::default().with_target(false)))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let _tunnel = info_span!("tunnel", server = "git", gateway = "https://gw.example.com").entered();
            info!(target: "server", server = "git", "{}", "ready server=\"x\"");
            info!("the link broke");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_once("  ").unwrap().1).collect();
        let ours = "INFO tunnel{server=\"git\" gateway=\"https://gw.example.com\"}: the link broke";
        assert_eq!(lines, ["INFO git: ready server=\"x\"", ours]);
    }

    #[test]
    fn no_value_begins_a_line_of_its_own_or_steers_the_terminal() {
        let written = Written::default();
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || to.clone())
            .with_ansi(false)
            .event_format(Lines::new(Format::default().with_target(false)))
            .fmt_fields(super::super::fields::fields())
            .finish();
        let evil = "me\n2026-01-01T00:00:00Z  INFO all is well \u{1b}[31m";
        tracing::subscriber::with_default(subscriber, || {
            let _tunnel = info_span!("tunnel", server = %evil).entered();
            info!(owner = %evil, quoted = evil, number = 7, "{evil}");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(char::is_control), "{text}");
        let shown = "me 2026-01-01T00:00:00Z INFO all is well [31m";
        assert!(text.contains(&format!("server={shown}}}: {shown} owner={shown} quoted=")), "{text}");
        assert!(text.trim_end().ends_with("number=7"), "{text}");
    }
}

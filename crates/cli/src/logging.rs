//! The log: what the crates tell, as lines on stderr, at the level asked for; what other crates tell only from warnings
//! up.

mod fields;
mod line;

use culvert_profiles::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Format as Common;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::terminal::{Format, Terminal};

/// What begins the names of our own crates.
const OURS: &str = "culvert";

/// What begins the names of the engine.
const ENGINE: &str = "culvert_tunnel";

/// The name under which the engine passes on what a local server writes to its stderr.
const LOCAL_SERVER: &str = "server";

/// Whether what the engine does is told elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// In words, beside the log, so that the log need not repeat it.
    Told,
    /// Not on stderr.
    Heard,
}

/// Starts the log. To be called once.
pub(crate) fn start(level: LogLevel, engine: Engine, terminal: &Terminal) {
    let lines = tracing_subscriber::fmt::layer().with_writer(terminal.clone());
    let registry = tracing_subscriber::registry().with(filter(level, engine));
    // A second start is a second start of the whole program: the first log stays.
    let _ = match terminal.format() {
        Format::Json => registry.with(lines.json().with_current_span(true).with_span_list(false)).try_init(),
        Format::Human => {
            // Who says it matters to those who look into the program.
            let ours = line::Lines::new(Common::default().with_target(level >= LogLevel::Debug));
            let lines = lines.with_ansi(terminal.has_colours()).event_format(ours);
            registry.with(lines.fmt_fields(fields::fields())).try_init()
        }
    };
}

fn filter(level: LogLevel, engine: Engine) -> Targets {
    let level = match level {
        LogLevel::Critical => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let engine = match (engine, level) {
        // Whoever looks closer wants both.
        (Engine::Told, LevelFilter::INFO) => LevelFilter::WARN,
        _ => level,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OURS, level)
        .with_target(ENGINE, engine)
        .with_target(LOCAL_SERVER, level)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn our_crates_follow_the_level_and_others_do_not() {
        let debug = filter(LogLevel::Debug, Engine::Told);
        assert!(debug.would_enable("culvert_tunnel::engine", &Level::DEBUG));
        assert!(debug.would_enable("server", &Level::INFO));
        assert!(!debug.would_enable("culvert_link", &Level::TRACE));
        assert!(!debug.would_enable("rustls", &Level::INFO));
        assert!(debug.would_enable("rustls", &Level::WARN));
        let quiet = filter(LogLevel::Critical, Engine::Heard);
        assert!(!quiet.would_enable("culvert_link", &Level::ERROR));
        assert!(!quiet.would_enable("rustls", &Level::ERROR));
    }

    #[test]
    fn the_log_does_not_repeat_what_is_told() {
        let told = filter(LogLevel::Info, Engine::Told);
        assert!(!told.would_enable("culvert_tunnel::channels", &Level::INFO));
        assert!(told.would_enable("culvert_tunnel::channels", &Level::WARN));
        assert!(told.would_enable("server", &Level::INFO));
        assert!(filter(LogLevel::Info, Engine::Heard).would_enable("culvert_tunnel::channels", &Level::INFO));
    }
}

//! What the YAML and JSON readers have to say, in this format's own words.

use std::path::Path;
use std::sync::Arc;

use culvert_protocol::text;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

use super::place;
use crate::error::ConfigError;
use crate::origin::Place;

/// What the reader was looking for when it failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Syntax,
    Shape,
}

pub(super) fn yaml_error(error: &serde_saphyr::Error, file: &Arc<Path>, stage: Stage) -> ConfigError {
    use serde_saphyr::Error as Yaml;
    let inner = error.without_snippet();
    let at = inner.location().map_or_else(|| Place::new(file, 0, 0), |location| place(location, file));
    let inner = match inner {
        Yaml::AliasError { .. } => None,
        inner => Some(inner),
    };
    let detail = match inner {
        Some(Yaml::DuplicateMappingKey { key: Some(key), .. }) => {
            format!("the key {:?} stands here for the second time", text::clean(key, 60))
        }
        Some(
            Yaml::Budget { .. } | Yaml::AliasReplayLimitExceeded { .. } | Yaml::AliasExpansionLimitExceeded { .. },
        ) => "the file is nested too deep, too long, or repeats itself too often".to_owned(),
        Some(Yaml::MultipleDocuments { .. }) => "a second document begins here; one file holds one".to_owned(),
        Some(Yaml::Unexpected { expected, .. }) if stage == Stage::Shape => match *expected {
            expected if expected.contains("string") => "one text or number is expected here".to_owned(),
            expected if expected.contains("sequence") => "a list is expected here".to_owned(),
            expected if expected.contains("mapping") => "keys with values are expected here".to_owned(),
            expected => text::clean(&format!("{expected} is expected here"), 200),
        },
        Some(Yaml::NullIntoString { .. }) => "a value is missing here; write \"\" for an empty one".to_owned(),
        Some(inner) if stage == Stage::Syntax => text::clean(&UserMessageFormatter.format_message(inner), 200),
        _ => "something else is expected here".to_owned(),
    };
    ConfigError::Syntax { at, detail }
}

pub(super) fn json_syntax(error: &serde_json::Error, file: &Arc<Path>) -> ConfigError {
    let whole = error.to_string();
    let detail = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(detail, _)| detail);
    let at = Place::new(file, error.line() as u64, error.column() as u64);
    ConfigError::Syntax { at, detail: text::clean(detail, 200) }
}

//! What stays the same while the app runs.

use crate::shown::{Facts, OptionKey, Platform};

/// The command of "Try it": a small server that needs nothing but `uvx`.
pub(crate) const TRY: &str = "uvx mcp-server-time";

/// The facts of an app of this version.
pub fn facts(version: &str) -> Facts {
    let default = |option: OptionKey| (option, option.key().about().default.unwrap_or_default().to_owned());
    Facts {
        version: version.to_owned(),
        platform: Platform::here(),
        defaults: OptionKey::ALL.into_iter().map(default).collect(),
        try_command: TRY.to_owned(),
    }
}

//! The layer of environment variables.

use crate::document::Raw;
use crate::error::ConfigError;
use crate::key::Key;
use crate::origin::Origin;
use crate::settings::Settings;
use crate::surroundings::Surroundings;

/// What the environment says about the keys that `higher` leaves open. A variable that a flag overrides is not looked
/// at: its value could be wrong without doing harm.
pub(crate) fn settings(higher: &Settings, surroundings: &Surroundings<'_>) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    for key in Key::ALL {
        let Some(name) = key.about().variable else { continue };
        if higher.origin(key).is_some() {
            continue;
        }
        if let Some(value) = surroundings.variable(name) {
            settings.set(key, Raw::Text(value), Origin::Variable(name))?;
        }
    }
    Ok(settings)
}

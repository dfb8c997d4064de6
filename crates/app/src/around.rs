//! What is so around the profiles: the built-in gateway, the keychain, the icon, the user's choices.

use tokio::sync::watch;

use crate::shown::{Gateway, Keychain, Settings, Tray};

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) gateway: Gateway,
    pub(crate) gateway_port: u16,
    pub(crate) keychain: Keychain,
    pub(crate) tray: Tray,
    pub(crate) settings: Settings,
    /// Counts changes that are kept elsewhere: files, shares, agreements.
    pub(crate) elsewhere: u64,
}

/// Changes `around`; whoever follows it hears of it only where something is different.
pub(crate) fn change(around: &watch::Sender<Around>, change: impl FnOnce(&mut Around)) {
    around.send_if_modified(|now| {
        let before = now.clone();
        change(now);
        *now != before
    });
}

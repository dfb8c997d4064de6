//! The secrets that a bundle must not hold, as far as they can be had without asking anybody.

use std::time::Duration;

use culvert_profiles::{Loaded, Prompt, SecretRef, SecretSources, looks_secret};
use culvert_protocol::{Secret, secret};
use culvert_tunnel::LocalServer;
use tokio::time::timeout;

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Every secret that the configuration refers to, and the values of variables that hold or look like one. A locked
/// keychain stays locked, and no command is run: of those, only what looks secret is known.
pub async fn known_secrets(loaded: &Loaded, sources: &SecretSources) -> Vec<Secret> {
    let mut known = Vec::new();
    let own = loaded.hidden.iter().map(String::as_str).chain(secret::VARIABLES);
    known.extend(own.filter_map(|name| std::env::var(name).ok()).map(Secret::new));
    for tunnel in loaded.profiles.iter().flat_map(|profile| &profile.tunnels) {
        if let LocalServer::Stdio(command) = &tunnel.config.server {
            let variables = command.env.iter().filter_map(|(name, value)| Some((name, value.to_str()?)));
            let secret = variables.filter(|(name, value)| looks_secret(name, value));
            known.extend(secret.map(|(_, value)| Secret::new(value)));
        }
        for reference in tunnel.secrets.all().filter(|reference| !matches!(reference, SecretRef::Command(_))) {
            if let Ok(Ok(secret)) = timeout(PATIENCE, sources.read(reference, Prompt::Never)).await {
                known.push(secret);
            }
        }
    }
    known
}

//! What a change of configuration comes to for each tunnel. Nothing is started or stopped here.

use std::collections::{BTreeMap, BTreeSet};

use culvert_tunnel::TunnelConfig;

use crate::load::{Loaded, is_everybodys};
use crate::profile::{Broken, Profile, ProfileTunnel, TunnelKey};
use crate::secret::SecretRef;

/// What is to be done about one tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Unchanged,
    /// Only where its token comes from has changed: it is handed the new one while it runs.
    TokenOnly,
    /// Labels, the tool policy, the audit log or the way to start have changed, and maybe the token: all are applied
    /// while it runs.
    Live,
    /// Anything else has changed: it starts anew.
    Restart,
    /// It is new.
    Added,
    /// It is no more.
    Removed,
}

/// A tunnel and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which tunnel.
    pub tunnel: TunnelKey,
    /// What to do.
    pub change: Change,
}

/// What makes `new` of `old`: a step for each tunnel of either, by key. Places do not count: a line that has moved is
/// no change.
pub fn compare(old: &[Profile], new: &[Profile]) -> Vec<Step> {
    let (old, new) = (by_key(old), by_key(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).cloned().collect();
    let step = |tunnel: TunnelKey| {
        let change = match (old.get(&tunnel), new.get(&tunnel)) {
            (Some(old), Some(new)) => change(*old, *new),
            (None, _) => Change::Added,
            (Some(_), None) => Change::Removed,
        };
        Step { tunnel, change }
    };
    keys.into_iter().map(step).collect()
}

type Tunnel<'a> = (&'a Profile, &'a ProfileTunnel);

fn by_key(profiles: &[Profile]) -> BTreeMap<TunnelKey, Tunnel<'_>> {
    let tunnels = |profile| Profile::tunnel_keys(profile).map(move |(key, tunnel)| (key, (profile, tunnel)));
    profiles.iter().flat_map(tunnels).collect()
}

fn change((old_profile, old): Tunnel<'_>, (new_profile, new): Tunnel<'_>) -> Change {
    let same_secrets = old.secrets.env.as_ref().map(|env| &env.value) == new.secrets.env.as_ref().map(|env| &env.value)
        && old.secrets.headers.as_ref().map(|all| &all.value) == new.secrets.headers.as_ref().map(|all| &all.value)
        && old.secrets.of_way().eq(new.secrets.of_way());
    let token = |tunnel: &ProfileTunnel| tunnel.secrets.token.as_ref().map(|token| token.value.clone());
    if !same_secrets || !is_same(&old.config, &new.config) {
        Change::Restart
    } else if old_profile.labels != new_profile.labels
        || old_profile.start != new_profile.start
        || old_profile.audit_log != new_profile.audit_log
        || old.config.policy != new.config.policy
    {
        Change::Live
    } else if token(old) != token(new) {
        Change::TokenOnly
    } else {
        Change::Unchanged
    }
}

/// Whether both run alike, labels aside. Every field is named, so that a new one is not forgotten.
fn is_same(old: &TunnelConfig, new: &TunnelConfig) -> bool {
    let TunnelConfig {
        name,
        description,
        server,
        forward_auth,
        gateway,
        outbound,
        retry,
        keepalive,
        max_message,
        start_timeout,
        request_timeout,
        transport,
        children,
        policy: _,
        labels: _,
        host,
        probe_interval,
        drain,
    } = old;
    *name == new.name
        && *description == new.description
        && *server == new.server
        && *forward_auth == new.forward_auth
        && gateway.to_string() == new.gateway.to_string()
        && *outbound == new.outbound
        && *retry == new.retry
        && *keepalive == new.keepalive
        && *max_message == new.max_message
        && *start_timeout == new.start_timeout
        && *request_timeout == new.request_timeout
        && *transport == new.transport
        && *children == new.children
        && *host == new.host
        && *probe_interval == new.probe_interval
        && *drain == new.drain
}

impl Loaded {
    /// The same, with the last good version of each profile that is broken now. What is broken stays listed as such.
    #[must_use]
    pub fn keeping(mut self, old: &[Profile]) -> Self {
        for profile in old {
            let is_there = self.profiles.iter().any(|new| new.key == profile.key);
            if !is_there && self.broken.iter().any(|broken| may_be(broken, profile)) {
                let secrets = profile.tunnels.iter().flat_map(|tunnel| tunnel.secrets.all());
                self.hidden.extend(secrets.filter_map(|secret| match secret {
                    SecretRef::Env(name) if !is_everybodys(name) => Some(name.clone()),
                    _ => None,
                }));
                self.profiles.push(profile.clone());
            }
        }
        self
    }
}

/// Whether `broken` may be what has become of `profile`. Where its name cannot be told, it may: better a tunnel too
/// long up than one down for a typing error elsewhere.
fn may_be(broken: &Broken, profile: &Profile) -> bool {
    let file = |place: &Option<crate::Place>| place.as_ref().map(|place| place.file.clone());
    if file(&broken.place) != file(&profile.place) {
        return false;
    }
    match (&broken.id, &broken.name) {
        (Some(id), _) if profile.id.is_some() => profile.id == Some(*id),
        (_, None) => true,
        (_, Some(name)) => name == profile.name.as_str() || name.contains('{'),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::command::Platform;
    use crate::{ConfigFile, Surroundings, loaded};

    fn read(content: &str) -> Loaded {
        let surroundings = Surroundings {
            variable: &|_| None,
            secret_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            host: "laptop-7".to_owned(),
            folder: "/".into(),
            platform: Platform::Unix,
        };
        let file = ConfigFile::parse(content, Path::new("c.yaml")).unwrap();
        loaded(Default::default(), Some(file), &surroundings).unwrap()
    }

    fn steps(old: &str, new: &str) -> Vec<(String, Change)> {
        let all = compare(&read(old).profiles, &read(new).profiles);
        all.into_iter().map(|step| (format!("{} {}", step.tunnel.profile, step.tunnel.gateway), step.change)).collect()
    }

    #[test]
    fn each_tunnel_is_judged_by_itself() {
        let old = "servers:\n- {name: a, command: x, gateway: [https://g1, https://g2], token: env:A}\n\
                   - {name: b, command: x, gateway: https://g1}\n- {name: c, command: x, gateway: https://g1}\n";
        let new = "# moved\nservers:\n- {name: c, command: x y, gateway: https://g1}\n\
                   - {name: a, command: x, gateway: [{url: https://g1, token: env:B}, https://g3, https://g2], token: env:A}\n\
                   - {name: d, command: x, gateway: https://g1}\n";
        let expected = [
            ("a https://g1", Change::TokenOnly),
            ("a https://g2", Change::Unchanged),
            ("a https://g3", Change::Added),
            ("b https://g1", Change::Removed),
            ("c https://g1", Change::Restart),
            ("d https://g1", Change::Added),
        ];
        assert_eq!(steps(old, new), expected.map(|(tunnel, change)| (tunnel.to_owned(), change)));
    }

    #[test]
    fn what_changes_decides() {
        let old = "name: a\ncommand: x\ngateway: https://g\nid: 6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f\n";
        for (more, change) in [
            ("", Change::Unchanged),
            ("log_level: DEBUG", Change::Unchanged),
            ("token: env:A", Change::TokenOnly),
            ("labels: {a: b}", Change::Live),
            ("start: never", Change::Live),
            ("tools_deny: ['write_*']", Change::Live),
            ("prompts: off", Change::Live),
            ("hold_changed_tools: on", Change::Live),
            ("audit_log: /a.log", Change::Live),
            ("start: never\ntoken: env:A", Change::Live),
            ("labels: {a: b}\nkeepalive: 5", Change::Restart),
            ("env: {A: b}", Change::Restart),
            ("secret_env: {A: 'env:B'}", Change::Restart),
            ("description: new", Change::Restart),
            ("max_sessions: 3", Change::Restart),
            ("transport: ws", Change::Restart),
            ("request_timeout: 7", Change::Restart),
            ("probe_interval: 7", Change::Restart),
            ("drain: 0", Change::Restart),
            ("ca_cert: /ca.pem", Change::Restart),
            ("client_cert: /me.pem", Change::Restart),
            ("proxy: 'http://p:3128'", Change::Restart),
            ("proxy: 'env:P'", Change::Restart),
        ] {
            assert_eq!(steps(old, &format!("{old}{more}")).remove(0).1, change, "{more}");
        }
        let renamed = old.replace("name: a", "name: b");
        assert_eq!(steps(old, &renamed).into_iter().map(|(_, change)| change).collect::<Vec<_>>(), [Change::Restart]);
    }

    #[test]
    fn a_broken_entry_keeps_its_last_good_version() {
        let good = read(
            "servers:\n- {name: a, command: x, gateway: https://g, token: env:A}\n- {name: b, command: x, gateway: https://g}\n\
                         - {name: c, command: x, gateway: https://g}\n",
        );
        let now =
            read("servers:\n- {name: a, command: x, keepalive: 0}\n- {name: c, command: x, gateway: https://g}\n");
        let kept = now.keeping(&good.profiles);
        let names: Vec<_> = kept.profiles.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["c", "a"], "b was taken out");
        assert_eq!(kept.broken.len(), 1);
        assert!(kept.hidden.contains("A"), "its token stays hidden from the others' processes");
        let changes: Vec<_> = compare(&good.profiles, &kept.profiles).into_iter().map(|step| step.change).collect();
        assert_eq!(changes, [Change::Unchanged, Change::Removed, Change::Unchanged]);
        let nameless = read("servers:\n- {command: x, keepalive: 0}\n").keeping(&good.profiles);
        assert_eq!(nameless.profiles.len(), 3);
    }

    proptest! {
        #[test]
        fn nothing_changes_by_itself_and_there_and_back_mirror(old in "[a-d]{0,4}", new in "[a-d]{0,4}") {
            let file = |names: &str| {
                let entries = names.chars().enumerate().map(|(at, name)| {
                    format!("- {{name: {name}, command: x{}, gateway: https://g{at}}}\n", at % 2)
                });
                read(&format!("servers:\n- {{name: z, command: z, gateway: https://g}}\n{}", entries.collect::<String>())).profiles
            };
            let (old, new) = (file(&old), file(&new));
            prop_assert!(compare(&old, &old).iter().all(|step| step.change == Change::Unchanged));
            let there = compare(&old, &new).into_iter().map(|step| match step.change {
                Change::Added => Change::Removed,
                Change::Removed => Change::Added,
                same => same,
            });
            prop_assert!(there.eq(compare(&new, &old).into_iter().map(|step| step.change)));
        }
    }
}

//! Which tools of a local server the user has approved: kept in the state folder, apart from configuration.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use culvert_protocol::tool_policy::{Approved, Definition, Digest};
use culvert_tunnel::LocalServer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::atomic;
use crate::profile::{Profile, ProfileId};

/// The largest file that is read, in bytes: 64 MiB.
const LARGEST: u64 = 64 << 20;

/// How many digits of its fingerprint tell one local server of a profile from another.
const OF_A_SERVER: usize = 16;

/// The file of one profile's local server. Another command or URL is another server, with a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedFile(pub PathBuf);

/// What is in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<T> {
    /// Whose they are, for people who look.
    profile: String,
    /// Each tool as it was approved.
    approved: Vec<T>,
    /// Changed tools that are to stay back, by digest.
    #[serde(default)]
    kept_back: Vec<KeptBack>,
}

/// Whose it is.
#[derive(Deserialize)]
struct About {
    profile: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptBack {
    name: String,
    digest: String,
}

impl ApprovedFile {
    /// That of a profile's local server, in the folder of all of them.
    pub fn of(folder: &Path, profile: &Profile) -> Self {
        let server = profile.tunnels.first().map(|tunnel| identity(&tunnel.config.server)).unwrap_or_default();
        let id = Definition::fingerprint(&format!("{}\n{server}", profile.key)).to_string();
        Self(folder.join(format!("{}-{}.json", stem(profile.key.as_str()), &id[..OF_A_SERVER])))
    }

    /// Removes the files of a profile that is no more, known by this key, under each local server that it had. What
    /// cannot be removed is left: ids do not come again.
    pub fn forget(folder: &Path, key: &str) {
        let begin = format!("{}-", stem(key));
        let is_its = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let server = name.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(".json"));
            server.is_some_and(|id| id.len() == OF_A_SERVER && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        // Two names may begin a file alike; two ids never do.
        let has_id = key.parse::<ProfileId>().is_ok();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| is_its(&entry.path())) {
            let is_named_so = || {
                let about = File::open(entry.path())
                    .ok()
                    .map(|file| serde_json::from_reader::<_, About>(BufReader::new(file.take(LARGEST))));
                about.is_some_and(|about| about.is_ok_and(|about| about.profile == key))
            };
            if has_id || is_named_so() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// What it says; `None` where it is not there.
    ///
    /// # Errors
    /// The system's, and `InvalidData` for what cannot be understood: then nothing counts as approved.
    pub fn read(&self) -> io::Result<Option<Approved>> {
        let mut text = Vec::new();
        match File::open(&self.0) {
            Ok(file) => file.take(LARGEST + 1).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if text.len() as u64 > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let content: Content<Box<RawValue>> = serde_json::from_slice(&text)?;
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut approved = Approved::default();
        for tool in &content.approved {
            approved.approve(Definition::parse(tool.get()).ok_or_else(invalid)?);
        }
        for KeptBack { name, digest } in &content.kept_back {
            approved.keep_back(name, Digest::parse(digest).ok_or_else(invalid)?);
        }
        Ok(Some(approved))
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, profile: &str, approved: &Approved) -> io::Result<()> {
        let content = Content {
            profile: profile.to_owned(),
            approved: approved
                .tools()
                .map(|tool| RawValue::from_string(tool.text().to_owned()))
                .collect::<Result<_, _>>()?,
            kept_back: approved
                .kept_back()
                .map(|(name, digest)| KeptBack { name: name.to_owned(), digest: digest.to_string() })
                .collect(),
        };
        let mut text = serde_json::to_vec(&content)?;
        text.push(b'\n');
        atomic::write(&self.0, &text)
    }
}

/// What the files of a profile begin with.
fn stem(key: &str) -> String {
    key.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '-' }).take(40).collect()
}

/// What makes a local server the same one: its command with arguments and folder, or its URL. Variables and headers,
/// which may be secrets, are not looked at.
fn identity(server: &LocalServer) -> String {
    match server {
        LocalServer::Stdio(command) => {
            let words: Vec<_> = [&command.program].into_iter().chain(&command.args).collect();
            format!("{}\n{}", serde_json::json!(words), command.cwd.as_deref().unwrap_or(Path::new("")).display())
        }
        LocalServer::StreamableHttp { url, .. } | LocalServer::Sse { url, .. } => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigFile, Surroundings, loaded};

    fn profile(yaml: &str) -> Profile {
        let surroundings = Surroundings {
            variable: &|_| None,
            secret_file: &|_| Err(io::ErrorKind::NotFound.into()),
            host: "h".to_owned(),
            folder: "/".into(),
            platform: crate::Platform::Unix,
        };
        let file = ConfigFile::parse(yaml, Path::new("a.yaml")).unwrap();
        loaded(Default::default(), Some(file), &surroundings).unwrap().profiles.remove(0)
    }

    fn tool(text: &str) -> Definition {
        Definition::parse(text).unwrap()
    }

    #[test]
    fn approvals_are_remembered_to_the_letter() {
        let folder = tempfile::tempdir().unwrap();
        let file = ApprovedFile(folder.path().join("state/approved/a.json"));
        assert_eq!(file.read().unwrap(), None);
        let deep = format!(r#"{{"name":"deep","inputSchema":{}{}}}"#, "[".repeat(300), "]".repeat(300));
        let mut approved =
            Approved::all([tool(r#"{"name":"a\u0007b","description":"é","inputSchema":{"x":1.5}}"#), tool(&deep)]);
        approved.keep_back("c", tool(r#"{"name":"c"}"#).digest());
        file.write("git", &approved).unwrap();
        assert_eq!(file.read().unwrap(), Some(approved));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_and_no_empty_list() {
        let folder = tempfile::tempdir().unwrap();
        let file = ApprovedFile(folder.path().join("a.json"));
        for text in ["", "{", "[]", r#"{"profile":"a","approved":[7]}"#, r#"{"profile":"a","approved":[],"more":1}"#] {
            std::fs::write(&file.0, text).unwrap();
            assert!(file.read().is_err(), "{text:?}");
        }
    }

    #[test]
    fn another_command_is_another_server() {
        let of = |yaml: &str| ApprovedFile::of(Path::new("/s"), &profile(yaml)).0;
        let one = of("name: a\ncommand: x y\ngateway: https://g\n");
        assert_eq!(one, of("name: a\ncommand: x y\ngateway: https://other\nkeepalive: 5\nenv: {A: b}\n"));
        assert!(one.to_str().unwrap().starts_with("/s/a-"), "{one:?}");
        for other in [
            "name: b\ncommand: x y\ngateway: https://g\n",
            "name: a\ncommand: x z\ngateway: https://g\n",
            "name: a\ncommand: x y\ncwd: /tmp\ngateway: https://g\n",
            "name: a\nlocal_streamable_http: 'http://127.0.0.1:1/mcp'\ngateway: https://g\n",
        ] {
            assert_ne!(one, of(other), "{other}");
        }
    }

    #[test]
    fn a_profile_is_forgotten_with_all_its_servers_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let id = "6a868d2a-a382-46b3-833b-89f73ca7bb7d";
        let of = |yaml: &str| {
            let profile = profile(yaml);
            let file = ApprovedFile::of(folder.path(), &profile);
            file.write(profile.name.as_str(), &Approved::default()).unwrap();
            file.0
        };
        let known =
            |name: &str, server: &str| of(&format!("id: {id}\nname: {name}\ncommand: {server}\ngateway: https://g\n"));
        let (one, renamed, other) = (known("a", "x"), known("b", "x"), known("b", "y"));
        assert_eq!(one, renamed, "by another name it is the same profile");
        let by_hand = |name: &str| of(&format!("name: {name}\ncommand: x\ngateway: https://g\n"));
        let (plain, alike, longer) = (by_hand("my a"), by_hand("my-a"), by_hand("my a-b"));
        ApprovedFile::forget(folder.path(), id);
        assert!(!one.exists() && !other.exists());
        ApprovedFile::forget(folder.path(), "my a");
        assert!(!plain.exists() && alike.exists() && longer.exists());
        ApprovedFile::forget(&folder.path().join("nowhere"), id);
    }
}

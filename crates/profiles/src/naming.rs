//! A name for a server that was given none: what its command or address is about, and the host. The same at each start,
//! different on two machines.

use std::net::IpAddr;
use std::path::Path;

use culvert_protocol::ServerName;
use culvert_tunnel::{LocalServer, StdioCommand};

use crate::package::{Subject, subject};
use crate::surroundings::Surroundings;

/// Words that name no server in particular.
const GENERIC: [&str; 33] = [
    "",
    "mcp",
    "server",
    "mcp-server",
    "server-mcp",
    "index",
    "main",
    "app",
    "cli",
    "run",
    "start",
    "serve",
    "stdio",
    "sse",
    "api",
    "v1",
    "--main--",
    "src",
    "dist",
    "build",
    "lib",
    "bin",
    "out",
    "target",
    "release",
    "debug",
    "node-modules",
    "scripts",
    "venv",
    ".venv",
    "latest",
    ".",
    "..",
];

/// Half of what a name may have: as much for the server as for the host, with a hyphen between them.
const HALF: usize = ServerName::MAX / 2 - 1;

/// The name made from a command or an address, and the host, such as `git-laptop-7`.
pub fn made_name(server: &LocalServer, surroundings: &Surroundings<'_>) -> ServerName {
    let server = match server {
        LocalServer::Stdio(command) => of_command(command, surroundings),
        LocalServer::StreamableHttp { url, .. } | LocalServer::Sse { url, .. } => of_address(&url.to_string()),
    };
    let parts = [server.unwrap_or_else(|| "server".to_owned()), surroundings.short_host()];
    let parts: Vec<_> = parts.iter().filter_map(|part| ServerName::from_lossy(part)).collect();
    let cut = |name: &ServerName| name.as_str().chars().take(HALF).collect::<String>();
    ServerName::from_lossy(&parts.iter().map(cut).collect::<Vec<_>>().join("-").to_lowercase())
        .or_else(|| ServerName::from_lossy("server"))
        .unwrap_or_else(|| unreachable!("\"server\" is a server name"))
}

/// What a URL is about: the last telling part of its path, else its host, else the port that keeps two servers of one
/// machine apart.
fn of_address(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('?').next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_bare = host.starts_with('[') || host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost");
    // `notes.example.com` is about notes, `mcp.example.com` about example.
    let labels: Vec<_> = if is_bare { Vec::new() } else { host.split('.').take(2).collect() };
    last_telling(labels.into_iter().rev().chain(path.split('/'))).or_else(|| port.map(|port| format!("server-{port}")))
}

fn of_command(command: &StdioCommand, surroundings: &Surroundings<'_>) -> Option<String> {
    let words: Vec<_> = std::iter::once(&command.program).chain(&command.args).cloned().collect();
    let folder = match &command.cwd {
        Some(cwd) => surroundings.folder.join(cwd),
        None => surroundings.folder.clone(),
    };
    subject(&words).and_then(|subject| telling(&subject, &folder))
}

/// The most telling word of what a command is about.
fn telling(subject: &Subject<'_>, folder: &Path) -> Option<String> {
    match *subject {
        Subject::Package(package) => last_telling(package_parts(package)),
        Subject::Module(module) => last_telling(module.split('.')),
        Subject::Image(image) => last_telling(image_parts(image)),
        Subject::Container(name) => last_telling([name]),
        Subject::File { path, folder: changed } => {
            let path = path.replace('\\', "/");
            let folder = changed.map_or_else(|| folder.to_path_buf(), |changed| folder.join(changed));
            // A path with a folder in it, or a script, is found from the folder; a bare program is found in PATH.
            let from_folder = !path.starts_with('/') && (path.contains('/') || path.contains('.') || changed.is_some());
            let folder = if from_folder { folder.to_string_lossy().into_owned() } else { String::new() };
            let (rest, name) = path.rsplit_once('/').unwrap_or(("", &path));
            last_telling(folder.split(['/', '\\']).chain(rest.split('/')).chain([stem(name)])).or_else(|| {
                let name = plain(stem(name));
                (!name.is_empty()).then_some(name)
            })
        }
    }
}

/// `@scope/name@1.2`, `name[extra]==1.2`, `git+https://host/owner/name.git@ref`: scope or owner, then name.
fn package_parts(package: &str) -> Vec<&str> {
    let package = package.split(['#', '[', '=', '<', '>', '~', '!']).next().unwrap_or(package);
    let package = package.rsplit_once("://").map_or(package, |(_, path)| path.split_once('/').map_or(path, |(_, p)| p));
    let (scope, name) = package.rsplit_once('/').unwrap_or(("", package));
    let name = name.split('@').next().unwrap_or(name);
    let scope = scope.rsplit('/').next().unwrap_or(scope).trim_start_matches('@');
    vec![scope, stem(name)]
}

/// `registry/owner/name:tag@digest`: owner, then name.
fn image_parts(image: &str) -> Vec<&str> {
    let image = image.split('@').next().unwrap_or(image);
    let (owner, name) = image.rsplit_once('/').unwrap_or(("", image));
    let name = name.split(':').next().unwrap_or(name);
    vec![owner.rsplit('/').next().unwrap_or(owner), name]
}

fn last_telling<'a>(parts: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().map(core).collect();
    parts.into_iter().rev().find(|part| !GENERIC.contains(&part.as_str()))
}

/// A file name without the extension of a script.
fn stem(name: &str) -> &str {
    const EXTENSIONS: [&str; 14] =
        [".py", ".pyz", ".js", ".mjs", ".cjs", ".ts", ".mts", ".rb", ".sh", ".pl", ".php", ".jar", ".exe", ".git"];
    EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension)).unwrap_or(name)
}

/// A name without what only says that it is an MCP server.
fn core(name: &str) -> String {
    let mut name = plain(name);
    for prefix in ["mcp-server-", "server-", "mcp-"] {
        if let Some(rest) = name.strip_prefix(prefix).filter(|rest| !GENERIC.contains(rest)) {
            name = rest.to_owned();
            break;
        }
    }
    for suffix in ["-mcp-server", "-server-mcp", "-mcp", "-server"] {
        if let Some(rest) = name.strip_suffix(suffix).filter(|rest| !GENERIC.contains(rest)) {
            name = rest.to_owned();
            break;
        }
    }
    name
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace('_', "-").trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::Platform;

    fn named(line: &str, host: &str) -> String {
        let mut words = line.split(' ').map(str::to_owned);
        let command =
            StdioCommand { program: words.next().unwrap_or_default(), args: words.collect(), ..Default::default() };
        let surroundings = Surroundings {
            variable: &|_| None,
            secret_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            host: host.to_owned(),
            folder: "/home/ann/weather".into(),
            platform: Platform::Unix,
        };
        made_name(&LocalServer::Stdio(command), &surroundings).as_str().to_owned()
    }

    #[test]
    fn names_say_what_the_command_is_about() {
        for (line, name) in [
            ("uvx mcp-server-git --repository x", "git"),
            ("npx -y @modelcontextprotocol/server-filesystem /d", "filesystem"),
            ("npx -y @modelcontextprotocol/server-everything@2025.1.1", "everything"),
            ("npx @playwright/mcp@latest", "playwright"),
            ("npx -y @acme/mcp-server", "acme"),
            ("npx -y github-mcp-server", "github"),
            ("uvx --from git+https://github.com/ann/tool.git mcp-tool", "tool"),
            ("uvx git+https://github.com/ann/notes-mcp.git@main", "notes"),
            ("uvx mcp-server-fetch[all]==1.2", "fetch"),
            ("python -m mcp_server_time --local-timezone UTC", "time"),
            ("python -m weather.server", "weather"),
            ("docker run -i --rm mcp/postgres", "postgres"),
            ("docker run -i ghcr.io/github/github-mcp-server:v1@sha256:00", "github"),
            ("docker run -i ghcr.io/acme/mcp-server", "acme"),
            ("docker run -i localhost:5000/notes", "notes"),
            ("/a/b/server.py", "b"),
            ("python3 /srv/forecast/src/main.py", "forecast"),
            ("node dist/index.js", "weather"),
            ("./server", "weather"),
            ("uv --directory /srv/tides run server.py", "tides"),
            ("uv run server.py", "weather"),
            ("/usr/local/bin/mcp-server-git", "git"),
            ("mcp-server-git", "git"),
            ("my_tool", "my-tool"),
            ("server", "server"),
            ("mcp", "mcp"),
            (r"C:\tools\Weather.exe", "weather"),
            ("sh -c x", "sh"),
        ] {
            assert_eq!(named(line, "h"), format!("{name}-h"), "{line}");
        }
    }

    #[test]
    fn addresses_say_what_they_are_about() {
        for (url, about) in [
            ("http://127.0.0.1:8000/mcp", Some("server-8000")),
            ("http://localhost:3001/sse", Some("server-3001")),
            ("http://[::1]:3001/", Some("server-3001")),
            ("http://[::1]/mcp", None),
            ("http://localhost", None),
            ("http://localhost:8000/notes/mcp", Some("notes")),
            ("https://mcp.example.com/mcp", Some("example")),
            ("https://notes.example.com/mcp?…", Some("notes")),
            ("http://mcp-server-git:8000/api/v1/sse", Some("git")),
        ] {
            assert_eq!(of_address(url).as_deref(), about, "{url}");
        }
    }

    #[test]
    fn the_host_keeps_two_machines_apart() {
        assert_eq!(named("uvx mcp-server-git", "Laptop-7.corp.example"), "git-laptop-7");
        assert_ne!(named("uvx mcp-server-git", "a"), named("uvx mcp-server-git", "b"));
        assert_eq!(named("uvx mcp-server-git", ""), "git");
        assert_eq!(named("/", "h"), "server-h");
        assert_eq!(named("日本", "h"), "h");
    }

    #[test]
    fn long_parts_leave_room_for_each_other() {
        let name = named(&format!("uvx {}", "p".repeat(300)), &"h".repeat(300));
        assert_eq!(name, format!("{}-{}", "p".repeat(HALF), "h".repeat(HALF)));
    }

    proptest! {
        #[test]
        fn any_command_on_any_host_gets_the_same_name_twice(words in prop::collection::vec(".{0,20}", 0..6), host in ".{0,80}") {
            let line = words.join(" ");
            let name = named(&line, &host);
            prop_assert!(ServerName::new(&name).is_ok());
            prop_assert_eq!(named(&line, &host), name);
        }
    }
}

//! Where a secret could show: processes, files, the local socket, figures.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use culvert_tests::Culvert;
use culvert_tests::http::Request;
use culvert_tests::processes::Process;
use serde_json::Value;

use super::marks::Marks;

/// The arguments of every process of this `culvert`, once it runs.
pub(super) fn arguments(marks: &Marks, what: &str, culvert: &Culvert) {
    for process in culvert.processes() {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        marks.nowhere_in(&format!("the arguments of {what}: {}", process.command), line);
    }
}

/// What a local server inherits: no secret but `own`, and no descriptor but its pipes and what it opened itself.
pub(super) fn inherited(marks: &Marks, server: &Process, own: &[&str], opened: &[&Path]) {
    let pid = server.pid;
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    marks.nowhere_in_but(&format!("the environment of {}", server.command), &environment, own);
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let Ok(leads_to) = fs::read_link(descriptor.path()) else { continue };
        let number: u32 = descriptor.file_name().to_str().unwrap().parse().unwrap();
        // What the one who starts these tests leaves open, all that he starts have.
        if fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|own| own == leads_to) {
            continue;
        }
        let is_pipe = leads_to.to_str().is_some_and(|name| name.starts_with("pipe:") || name.starts_with("socket:"));
        assert!(
            number <= 2 && is_pipe || opened.contains(&leads_to.as_path()),
            "{} holds {number}, {}",
            server.command,
            leads_to.display()
        );
    }
}

/// Every file below `folder`, but for those where the user put the secret.
pub(super) fn files(marks: &Marks, folder: &Path, given: &[PathBuf]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(marks, &path, given);
        } else if path.is_file() && !given.contains(&path) {
            marks.nowhere_in(&path.display().to_string(), fs::read(&path).unwrap_or_default());
        }
    }
}

/// Every answer of the local socket, and the events of one that follows.
pub(super) fn socket(marks: &Marks, path: &Path, profile: &str) {
    let questions = [
        r#"{"ask":"status"}"#.to_owned(),
        r#"{"ask":"logs"}"#.to_owned(),
        r#"{"ask":"reload"}"#.to_owned(),
        format!(r#"{{"ask":"reconnect","profiles":["{profile}"]}}"#),
        format!(r#"{{"ask":"up","profiles":["{profile}"]}}"#),
        r#"{"ask":"down","profiles":["nobody"]}"#.to_owned(),
        format!(r#"{{"ask":"tools","profile":"{profile}"}}"#),
        format!(r#"{{"ask":"decide","profile":"{profile}","decisions":[]}}"#),
        r#"{"ask":"what"}"#.to_owned(),
    ];
    let open = |question: &str| {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        writeln!(stream, "{question}").unwrap();
        BufReader::new(stream)
    };
    let answer = |from: &mut BufReader<UnixStream>| {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        line
    };
    let mut follower = open(r#"{"ask":"follow"}"#);
    marks.nowhere_in("the first report", answer(&mut follower));
    for question in questions {
        marks.nowhere_in(&format!("the answer to {question}"), answer(&mut open(&question)));
    }
    marks.nowhere_in("a report of a change", answer(&mut follower));
}

/// Health and figures, with the bearer and without; `token` must open them.
pub(super) async fn figures(marks: &Marks, address: SocketAddr, token: &str) {
    for path in ["/healthz", "/readyz", "/metrics"] {
        let open = Request::new("GET", address, path).bearer(token).send().await;
        assert!(open.status == 200 || path == "/readyz", "{open:?}");
        marks.nowhere_in(path, format!("{open:?}"));
        let shut = Request::new("GET", address, path).send().await;
        marks.nowhere_in(&format!("{path}, for anybody"), format!("{shut:?}"));
        assert!(path != "/metrics" || shut.status == 401, "{shut:?}");
    }
}

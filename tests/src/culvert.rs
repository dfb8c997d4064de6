//! The built `culvert`, driven from outside: its command line, its events, its words, and its end.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::built;
use crate::fixture::Fixture;
use crate::gateway::FakeGateway;
use crate::processes::{self, Process};
use crate::watched::{PATIENCE, Watched};

/// How long `culvert` may take to end once it was asked to, or once it has said why it ends.
const FAREWELL: Duration = Duration::from_secs(20);

/// A command line that is being put together. Its environment holds a private home and nothing else of the tester's
/// but `PATH`.
#[derive(Debug)]
pub struct CulvertCommand {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    home: TempDir,
    fixtures: Vec<Fixture>,
    mark: String,
}

impl CulvertCommand {
    /// Any program, in the same private surroundings.
    pub fn program(program: impl Into<OsString>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let mark = uuid::Uuid::new_v4().to_string();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let environment = vec![
            ("PATH".into(), path),
            ("HOME".into(), home.path().into()),
            ("XDG_STATE_HOME".into(), home.path().join("state").into()),
            ("XDG_CONFIG_HOME".into(), home.path().join("config").into()),
            (processes::MARK.into(), mark.clone().into()),
        ];
        Self { program: program.into(), arguments: vec![], environment, home, fixtures: vec![], mark }
    }

    /// `culvert` with no arguments yet.
    pub fn bare() -> Self {
        Self::program(built::culvert())
    }

    /// `culvert run --json`.
    pub fn run() -> Self {
        Self::bare().arg("run").arg("--json")
    }

    /// `culvert run --json` of this server through this gateway, under the name `fixture`.
    pub fn tunnel(fixture: &Fixture, gateway: &FakeGateway) -> Self {
        Self::run()
            .server(fixture)
            .args(["--gateway", &gateway.url(), "--server-name", "fixture"])
            // The first wait of a retry; the default of a second would only make the tests slow.
            .args(["--reconnect-delay", "0.05"])
    }

    /// `--local-stdio` with this server, whose record then lives as long as the process.
    #[must_use]
    pub fn server(mut self, fixture: &Fixture) -> Self {
        self.fixtures.push(fixture.clone());
        self.arg("--local-stdio").arg(fixture.command())
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().into()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().into()));
        self
    }

    /// Puts a folder in front of `PATH`.
    #[must_use]
    pub fn path_first(self, folder: &Path) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let joined = std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path)));
        self.env("PATH", joined.expect("a path"))
    }

    /// Gives it a configuration file with these keys.
    #[must_use]
    pub fn config(self, keys: &Value) -> Self {
        let path = self.write("config.yaml", &keys.to_string());
        self.arg("--config").arg(path)
    }

    /// Has it started by another program, which is given the whole command line after these words.
    #[must_use]
    pub fn through(mut self, words: &[&str]) -> Self {
        let (first, rest) = words.split_first().expect("a program");
        let program = std::mem::replace(&mut self.program, first.into());
        let before = rest.iter().map(OsString::from).chain([program]);
        self.arguments.splice(0..0, before);
        self
    }

    /// The folder it runs in, which is its home as well.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file into the folder that it runs in.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Starts it.
    pub fn start(self) -> Culvert {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{:?} does not start: {error}", self.program));
        let (out, err) = (Arc::default(), Arc::default());
        let readers = [
            read_lines(child.stdout.take().expect("piped"), Arc::clone(&out)),
            read_lines(child.stderr.take().expect("piped"), Arc::clone(&err)),
        ];
        Culvert { child, out, err, readers, _held: (self.home, self.fixtures), mark: self.mark }
    }

    /// Starts it and waits for its end.
    pub async fn finish(self) -> Finished {
        self.start().end().await
    }
}

fn read_lines(pipe: impl AsyncRead + Unpin + Send + 'static, lines: Arc<Watched<Vec<String>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            lines.change(|lines| lines.push(text));
            line.clear();
        }
    })
}

/// A running `culvert`. However the test ends, its whole process tree ends too.
#[derive(Debug)]
pub struct Culvert {
    child: Child,
    out: Arc<Watched<Vec<String>>>,
    err: Arc<Watched<Vec<String>>>,
    readers: [JoinHandle<()>; 2],
    /// Folders that it uses: they go when it has gone.
    _held: (TempDir, Vec<Fixture>),
    mark: String,
}

/// How a `culvert` ended. No process of its was left then.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// All lines of stdout.
    pub out: Vec<String>,
    /// All of stderr.
    pub err: String,
}

impl Finished {
    /// Stdout as JSON events.
    pub fn events(&self) -> Vec<Value> {
        self.out.iter().map(|line| parse(line)).collect()
    }

    /// The last event, which must be `failed`.
    pub fn failure(&self) -> Value {
        let last = self.events().pop().unwrap_or_else(|| panic!("no event at all; stderr: {}", self.err));
        assert_eq!(last["event"], "failed", "the last event tells why it ended: {last}");
        last
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("stdout is data, one JSON event a line: {error}: {line}"))
}

impl Culvert {
    /// The first event for which `is_it` holds, once it is there.
    pub async fn event(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.event_number(what, 1, is_it).await
    }

    /// The event with this number (from one) for which `is_it` holds, once it is there.
    pub async fn event_number(&self, what: &str, number: usize, is_it: impl Fn(&Value) -> bool) -> Value {
        let find = |lines: &Vec<String>| lines.iter().map(|line| parse(line)).filter(&is_it).nth(number - 1);
        let wanted = format!("event {what} number {number}");
        tokio::select! {
            found = self.out.until(&wanted, find) => found,
            () = self.gone() => match find(&self.out.look()) {
                Some(found) => found,
                None => panic!("culvert ended before the event {what}:\n{}", self.words()),
            },
        }
    }

    /// The first `online` event.
    pub async fn online(&self) -> Value {
        self.event("online", |event| event["event"] == "online").await
    }

    /// The first `waiting` status whose cause has this code.
    pub async fn waiting(&self, code: &str) -> Value {
        self.event(&format!("waiting for {code}"), |event| {
            event["status"] == "waiting" && event["cause"]["code"] == code
        })
        .await
    }

    /// The notice with this code, once it is there.
    pub async fn notice(&self, code: &str) -> Value {
        self.event(&format!("notice {code}"), |event| event["event"] == "notice" && event["code"] == code).await
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        self.out.look().iter().map(|line| parse(line)).collect()
    }

    /// How many lines it has written to stdout so far.
    pub fn out_len(&self) -> usize {
        self.out.look().len()
    }

    /// Whether it has nothing more to say.
    pub fn has_ended(&self) -> bool {
        self.readers.iter().all(JoinHandle::is_finished)
    }

    /// What it has said on stderr so far.
    pub fn words(&self) -> String {
        self.err.look().join("\n")
    }

    /// Waits until stderr holds this text.
    pub async fn says(&self, text: &str) {
        self.err.until(text, |lines| lines.iter().any(|line| line.contains(text)).then_some(())).await;
    }

    /// Waits until so many lines of stderr hold this text.
    pub async fn says_number(&self, text: &str, number: usize) {
        let said = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).count() >= number;
        self.err.until(text, |lines| said(lines).then_some(())).await;
    }

    /// Its process and all below it.
    pub fn processes(&self) -> Vec<Process> {
        processes::marked(&self.mark)
    }

    /// Its own process.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> i32 {
        self.child.id().and_then(|pid| i32::try_from(pid).ok()).expect("it still runs")
    }

    /// The living processes of the fixture.
    pub fn servers(&self) -> Vec<Process> {
        let is_server =
            |process: &Process| process.command.split(' ').next().is_some_and(|p| p.ends_with("stdio-fixture"));
        self.processes().into_iter().filter(is_server).collect()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("a signal can be sent");
    }

    /// Sends a signal to each of its processes whose command line begins with these words, whatever folder the program
    /// lies in.
    pub fn signal_each(&self, begins: &str, signal: Signal) {
        for process in self.processes() {
            let (program, arguments) = process.command.split_once(' ').unwrap_or((&process.command, ""));
            let name = program.rsplit('/').next().unwrap_or_default();
            if format!("{name} {arguments}").starts_with(begins) {
                let _ = kill(Pid::from_raw(process.pid), signal);
            }
        }
    }

    /// Asks it to end with SIGTERM. It must end as asked and leave no process.
    pub async fn stop(self) -> Finished {
        self.signal(Signal::SIGTERM);
        let finished = self.end().await;
        assert_eq!(finished.code, Some(0), "ended as asked: {finished:#?}");
        finished
    }

    /// Waits for its end. It must leave no process.
    pub async fn end(self) -> Finished {
        self.end_within(PATIENCE + FAREWELL).await
    }

    /// Waits this long for its end, for what has much to do before. It must leave no process.
    pub async fn end_within(mut self, patience: Duration) -> Finished {
        let status = match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status.expect("it can be waited for"),
            Err(_) => panic!("it does not end:\n{}\n{}", self.out.look().join("\n"), self.words()),
        };
        processes::assert_none_left(&self.mark);
        for reader in &mut self.readers {
            reader.await.expect("reading does not fail");
        }
        Finished { code: status.code(), out: self.out.look().clone(), err: self.words() }
    }

    /// Ends when its stdout does: it has nothing more to say.
    async fn gone(&self) {
        while !self.has_ended() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Culvert {
    fn drop(&mut self) {
        processes::end_all(&self.mark);
        if std::thread::panicking() {
            eprintln!("--- culvert's stdout\n{}", self.out.look().join("\n"));
            eprintln!("--- culvert's stderr\n{}", self.err.look().join("\n"));
        }
    }
}

//! A secret that a program prints: run without a shell, bounded in time and output, and ended with all that it started.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use culvert_protocol::{Secret, text};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::{Zeroize as _, Zeroizing};

use super::file;
use super::group::Group;
use super::problem::{LARGEST, SecretError};

/// How long a program may take: a login in a browser or a touch of a key counts.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// How long one has after SIGTERM.
const GRACE: Duration = Duration::from_secs(1);

/// How long what an ended program still had in its pipes is waited for: a grandchild may hold them open.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// How much of the end of stderr is kept, in bytes.
const STDERR_TAIL: usize = 4 << 10;

/// The shortest text that is taken for the secret when it turns up in stderr too: shorter ones are in every sentence.
const TELLING: usize = 4;

/// Runs `words`, a program and its arguments, and returns the first line that it prints. It sees no terminal on its
/// stdin, and none of the variables `hidden`.
///
/// # Errors
/// [`SecretError`]: it does not start, fails, takes longer than `limit`, or prints no secret.
pub(super) async fn run(words: &[String], hidden: &[String], limit: Duration) -> Result<Secret, SecretError> {
    let (program, arguments) = words.split_first().ok_or_else(|| SecretError::Empty("the command".to_owned()))?;
    let shown = text::clean(program, 100);
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for name in hidden {
        process.env_remove(name);
    }
    Group::prepare(&mut process);
    let mut child = process.spawn().map_err(|error| refused(&shown, &error))?;
    let group = Group::led_by(&child);
    let mut said = Said::default();
    let ended = timeout(limit, said.gather(&mut child)).await;
    if ended.is_err() {
        group.ask_to_end();
        let _ = timeout(GRACE, child.wait()).await;
    }
    drop(group);
    match ended {
        Err(_) => Err(SecretError::CommandSilent { program: shown, limit, words: said.last_words() }),
        Ok(Err(error)) => Err(refused(&shown, &error)),
        Ok(Ok(status)) if said.out.len() <= LARGEST && !status.success() => {
            Err(SecretError::CommandFailed { program: shown, how: describe(status), words: said.last_words() })
        }
        Ok(Ok(_)) => said.secret(&shown),
    }
}

fn refused(program: &str, error: &io::Error) -> SecretError {
    let detail = match error.kind() {
        io::ErrorKind::NotFound => "there is no such program in PATH".to_owned(),
        io::ErrorKind::PermissionDenied => "the file may not be executed".to_owned(),
        _ => text::clean(&error.to_string(), 200),
    };
    SecretError::CommandRefused { program: program.to_owned(), detail }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was killed by signal {signal}");
    }
    status.code().map_or_else(|| "ended".to_owned(), |code| format!("exited with code {code}"))
}

/// What a program has printed so far. Wiped when dropped.
struct Said {
    out: Zeroizing<Vec<u8>>,
    /// The end of stderr.
    err: Zeroizing<Vec<u8>>,
}

impl Default for Said {
    fn default() -> Self {
        // Room for all from the beginning: a buffer that grows leaves copies behind.
        let room = |bytes| Zeroizing::new(Vec::with_capacity(bytes));
        Self { out: room(LARGEST + 1), err: room(2 * STDERR_TAIL) }
    }
}

impl Said {
    /// Listens until the program has ended.
    async fn gather(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (out, err) = (&mut self.out, &mut self.err);
        let pipes = async { tokio::join!(first_of(stdout, out), last_of(stderr, err)) };
        tokio::pin!(pipes);
        tokio::select! {
            _ = &mut pipes => child.wait().await,
            status = child.wait() => {
                let _ = timeout(LAST_OUTPUT, pipes).await;
                status
            }
        }
    }

    /// The first line: password stores put notes below it.
    fn secret(&self, program: &str) -> Result<Secret, SecretError> {
        let line = match self.out.len() {
            ..=LARGEST => self.out.split(|byte| *byte == b'\n').next().unwrap_or_default(),
            _ => &self.out,
        };
        file::secret(line, || format!("what the command {program} prints"))
    }

    /// The last line of stderr that says something, without the secret should it be in it.
    fn last_words(&self) -> String {
        let mut words = String::from_utf8_lossy(&self.err).into_owned();
        let line = words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let secret = self.secret("").ok().filter(|secret| secret.expose().len() >= TELLING);
        let told = match secret {
            Some(secret) => text::clean(&line.replace(secret.expose(), "…"), 200),
            None => text::clean(line, 200),
        };
        words.zeroize();
        told
    }
}

/// Reads up to one byte more than any secret has. Then the pipe is closed, which ends who goes on writing.
async fn first_of(pipe: Option<impl AsyncRead + Unpin>, out: &mut Vec<u8>) {
    let Some(pipe) = pipe else { return };
    let mut pipe = pipe.take(LARGEST as u64 + 1);
    while pipe.read_buf(out).await.is_ok_and(|read| read > 0) {}
}

/// Reads all and keeps the end.
async fn last_of(pipe: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = Zeroizing::new([0; STDERR_TAIL]);
    while let Ok(read @ 1..) = pipe.read(chunk.as_mut_slice()).await {
        tail.extend_from_slice(&chunk[..read]);
        let surplus = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn run_for(limit: Duration, words: &[&str], hidden: &[&str]) -> Result<String, SecretError> {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        run(&own(words), &own(hidden), limit).await.map(|secret| secret.expose().to_owned())
    }

    async fn sh(script: &str) -> Result<String, SecretError> {
        run_for(LIMIT, &["sh", "-c", script], &[]).await
    }

    fn lives(pid: &str) -> bool {
        // A zombie waits for its new parent and holds nothing.
        std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn the_first_line_is_the_secret() {
        assert_eq!(sh("echo hunter2; echo login: ann").await.as_deref(), Ok("hunter2"));
        assert_eq!(sh("printf 'hunter2\\r\\n'").await.as_deref(), Ok("hunter2"));
        assert!(matches!(sh("true").await, Err(SecretError::Empty(_))));
        assert!(matches!(sh("printf '\\377\\376'").await, Err(SecretError::NotText(_))));
    }

    #[tokio::test]
    async fn no_shell_stands_between() {
        assert_eq!(run_for(LIMIT, &["echo", "$HOME; *"], &[]).await.as_deref(), Ok("$HOME; *"));
        let none = run_for(LIMIT, &["no-such-program-here"], &[]).await.unwrap_err();
        let told = "the command no-such-program-here cannot be started: there is no such program in PATH";
        assert_eq!(none.to_string(), told);
        let folder = run_for(LIMIT, &["/"], &[]).await.unwrap_err();
        assert!(folder.to_string().contains("may not be executed"), "{folder}");
    }

    #[tokio::test]
    async fn its_stdin_is_empty_and_our_secrets_are_not_in_its_environment() {
        assert_eq!(sh("cat; echo read").await.as_deref(), Ok("read"));
        let all: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        assert!(run_for(LIMIT, &["/usr/bin/env"], &[]).await.is_ok());
        assert!(matches!(run_for(LIMIT, &["/usr/bin/env"], &all).await, Err(SecretError::Empty(_))));
    }

    #[tokio::test]
    async fn a_failure_has_its_last_words_without_the_secret() {
        let failed = sh("echo first >&2; printf 'no \\033[1m key\\n\\n' >&2; exit 3").await.unwrap_err();
        assert_eq!(failed.to_string(), "the command sh exited with code 3; its last words: no [1m key");
        let failed = sh("echo hunter2; echo 'token hunter2 has expired' >&2; exit 1").await.unwrap_err();
        assert_eq!(failed.to_string(), "the command sh exited with code 1; its last words: token … has expired");
        assert!(sh("kill -9 $$").await.unwrap_err().to_string().ends_with("was killed by signal 9"));
    }

    #[tokio::test]
    async fn output_without_end_is_cut_off_on_both_pipes() {
        assert!(matches!(run_for(LIMIT, &["yes"], &[]).await, Err(SecretError::TooLarge(_))));
        assert_eq!(sh("head -c 1000000 /dev/zero >&2; echo hunter2").await.as_deref(), Ok("hunter2"));
    }

    #[tokio::test]
    async fn one_that_waits_is_ended_with_its_whole_group_and_says_what_it_was_about() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let script = format!(
            "trap '' TERM; sleep 1000 & echo $$ $! > {}; echo 'Enter passphrase:' >&2; wait; sleep 1000",
            pids.display()
        );
        let begun = Instant::now();
        let silent = run_for(Duration::from_secs(1), &["sh", "-c", &script], &[]).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(silent.to_string(), "the command sh gave no answer within 1 s; its last words: Enter passphrase:");
        let pids = std::fs::read_to_string(pids).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while pids.split(' ').any(lives) {
            assert!(Instant::now() < deadline, "left behind: {pids}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_grandchild_that_holds_the_pipe_holds_nothing_up() {
        let begun = Instant::now();
        assert_eq!(sh("echo hunter2; sleep 1000 &").await.as_deref(), Ok("hunter2"));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

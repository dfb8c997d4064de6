//! The asking end of the local socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::entrance::{Visit, visit};
use super::{Answer, LONGEST_ANSWER, Question};
use crate::bundle::ServerLines;
use crate::report::{Problem, Report};
use crate::tools::{Decision, Tools};

/// How long an answer may take; starting a tunnel is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is said of an answer that makes no sense.
const UNREADABLE: &str = "its answer cannot be read: is it another version?";

/// An answer that says how everything is, or why not.
pub type Asked = Result<Report, NotAsked>;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum NotAsked {
    /// Nobody runs the saved profiles.
    #[error("no Culvert runs the saved profiles")]
    Nobody,
    /// It cannot do what was asked.
    #[error("{}", .0.message)]
    Refused(Problem),
    /// The socket does not work, or somebody else answers there.
    #[error("the Culvert that runs the saved profiles cannot be asked: {0}")]
    Broken(String),
}

/// Asks whoever listens at `path`.
///
/// # Errors
/// [`NotAsked`]; after 10 s at the latest.
pub async fn ask(path: &Path, question: &Question) -> Asked {
    let asked = async {
        let mut lines = Lines::open(path, question).await?;
        lines.next().await
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(NotAsked::Broken("it gives no answer".to_owned())))
}

/// Asks what local servers wrote last.
///
/// # Errors
/// [`NotAsked`]; after 10 s at the latest.
pub async fn logs(path: &Path) -> Result<Vec<ServerLines>, NotAsked> {
    let asked = async {
        match Lines::open(path, &Question::Logs).await?.answer().await? {
            Answer::Logs { servers } => Ok(servers),
            _ => Err(NotAsked::Broken(UNREADABLE.to_owned())),
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(NotAsked::Broken("it gives no answer".to_owned())))
}

/// Asks for the tools of a profile's local server.
///
/// # Errors
/// [`NotAsked`]; after 10 s at the latest.
pub async fn tools(path: &Path, profile: &str) -> Result<Tools, NotAsked> {
    ask_tools(path, &Question::Tools { profile: profile.to_owned() }).await
}

/// Has decisions about a profile's tools taken.
///
/// # Errors
/// [`NotAsked`]; after 10 s at the latest.
pub async fn decide(path: &Path, profile: &str, decisions: Vec<Decision>) -> Result<Tools, NotAsked> {
    ask_tools(path, &Question::Decide { profile: profile.to_owned(), decisions }).await
}

async fn ask_tools(path: &Path, question: &Question) -> Result<Tools, NotAsked> {
    let asked = async {
        match Lines::open(path, question).await?.answer().await? {
            Answer::Tools { tools } => Ok(tools),
            _ => Err(NotAsked::Broken(UNREADABLE.to_owned())),
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(NotAsked::Broken("it gives no answer".to_owned())))
}

/// Asks how everything is, and calls `each` with that and with every change, until it returns `false`.
///
/// # Errors
/// [`NotAsked`], [`Nobody`](NotAsked::Nobody) also when the other end has ended.
pub async fn follow(path: &Path, mut each: impl FnMut(Report) -> bool) -> Result<(), NotAsked> {
    let mut lines = Lines::open(path, &Question::Follow).await?;
    while each(lines.next().await?) {}
    Ok(())
}

/// The conversation after the question.
struct Lines {
    stream: BufReader<Visit>,
}

impl Lines {
    async fn open(path: &Path, question: &Question) -> Result<Self, NotAsked> {
        let broken = |error: io::Error| NotAsked::Broken(error.to_string());
        let mut stream = visit(path).await.map_err(broken)?.ok_or(NotAsked::Nobody)?;
        let mut line = serde_json::to_vec(question).map_err(|error| NotAsked::Broken(error.to_string()))?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(broken)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    async fn answer(&mut self) -> Result<Answer, NotAsked> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(LONGEST_ANSWER).read_until(b'\n', &mut line).await;
        match read {
            Ok(0) => Err(NotAsked::Nobody),
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(Answer::Refused { problem }) => Err(NotAsked::Refused(problem)),
                Ok(answer) => Ok(answer),
                Err(_) => Err(NotAsked::Broken(UNREADABLE.to_owned())),
            },
            // It has just ended.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(NotAsked::Nobody),
            Err(error) => Err(NotAsked::Broken(error.to_string())),
        }
    }

    async fn next(&mut self) -> Asked {
        match self.answer().await? {
            Answer::Status { report } => Ok(report),
            _ => Err(NotAsked::Broken(UNREADABLE.to_owned())),
        }
    }
}

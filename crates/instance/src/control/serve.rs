//! The answering end of the local socket.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use culvert_profiles::ProfileKey;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::warn;

use super::entrance::{Entrance, Guest};
use super::{Answer, LONGEST, Question};
use crate::bundle::ServerLines;
use crate::instance::{Instance, NotHere};
use crate::overview::Overview;
use crate::report::{Problem, Report};
use crate::tools::Decision;
use crate::wishes::Wishes;

/// How many are answered at once; more wait.
const GUESTS: usize = 32;

/// How long a question may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Changes are told at most so often.
const SETTLE: Duration = Duration::from_millis(100);

/// While somebody follows, figures without a change of their own are told so often.
const REFRESH: Duration = Duration::from_secs(5);

/// Listens at a path that only the user can open, and remembers what is wanted.
#[derive(Debug)]
pub struct Control {
    entrance: Entrance,
    wishes: Wishes,
}

/// Why nobody can be answered.
#[derive(Debug, Error)]
#[error("the socket {} cannot be used: {source}", path.display())]
pub struct ControlError {
    path: PathBuf,
    source: io::Error,
}

impl Control {
    /// Begins to listen at `path`. Whoever has the [`Lock`](crate::Lock) owns the socket: what was left there by one
    /// that was killed is taken away.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn bind(path: &Path, wishes: impl Into<Wishes>) -> Result<Self, ControlError> {
        match Entrance::open(path) {
            Ok(entrance) => Ok(Self { entrance, wishes: wishes.into() }),
            Err(source) => Err(ControlError { path: path.to_owned(), source }),
        }
    }

    /// Answers about `instance` for as long as it is polled, within a tokio runtime.
    pub async fn serve(self, instance: Instance) -> Infallible {
        let attended = self.entrance.attend();
        let Ok(mut doorkeeper) = attended.inspect_err(|error| warn!(%error, "nobody can ask this Culvert")) else {
            return std::future::pending().await;
        };
        let places = Arc::new(Semaphore::new(GUESTS));
        let mut guests = JoinSet::new();
        loop {
            while guests.try_join_next().is_some() {}
            let place = places.clone().acquire_owned().await;
            let Ok(stream) = doorkeeper.next().await else {
                sleep(Duration::from_millis(200)).await;
                continue;
            };
            let host = Host { instance: instance.clone(), wishes: self.wishes.clone() };
            guests.spawn(async move {
                let _place = place;
                host.receive(stream).await;
            });
        }
    }
}

/// Receives one guest.
struct Host {
    instance: Instance,
    wishes: Wishes,
}

impl Host {
    async fn receive(&self, stream: Guest) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        let mut bounded = (&mut stream).take(LONGEST);
        if !matches!(timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await, Ok(Ok(1..))) {
            return;
        }
        let Ok(question) = serde_json::from_slice(&line) else {
            let problem =
                problem("control.question", "this Culvert does not know that question", "Use the same version.");
            let _ = say(&mut stream, &Answer::Refused { problem }).await;
            return;
        };
        if question == Question::Follow {
            return self.tell_changes(&mut stream).await;
        }
        if question == Question::Logs {
            let _ = say(&mut stream, &Answer::Logs { servers: ServerLines::of(&self.overview()) }).await;
            return;
        }
        let answer = match question {
            Question::Tools { profile } => self.tools(&profile, &[]).await,
            Question::Decide { profile, decisions } => self.tools(&profile, &decisions).await,
            question => self.answer(question).await.map(|report| Answer::Status { report }),
        };
        let answer = answer.unwrap_or_else(|problem| Answer::Refused { problem });
        let _ = say(&mut stream, &answer).await;
    }

    async fn answer(&self, question: Question) -> Result<Report, Problem> {
        match question {
            Question::Status | Question::Follow | Question::Logs => {}
            Question::Tools { .. } | Question::Decide { .. } => {}
            Question::Up { profiles } => self.want(&profiles, true).await?,
            Question::Down { profiles } => self.want(&profiles, false).await?,
            Question::Reconnect { profiles } => {
                for key in self.keys(&profiles).await? {
                    self.instance.reconnect(Some(key)).await.map_err(gone)?;
                }
            }
            Question::Reload => self.instance.reload().await.map_err(gone)?.map_err(|error| Problem::of(&error))?,
        }
        Ok(Report::of(&self.overview()))
    }

    /// The tools of a profile, after these decisions.
    async fn tools(&self, profile: &str, decisions: &[Decision]) -> Result<Answer, Problem> {
        let key = self.keys(&[profile.to_owned()]).await?.remove(0);
        let tools = match decisions {
            [] => self.instance.tools(&key).map_err(gone)?,
            some => self.instance.decide(key, some).await.map_err(|why| Problem::of(&why))?,
        };
        Ok(Answer::Tools { tools })
    }

    async fn want(&self, named: &[String], up: bool) -> Result<(), Problem> {
        let keys = self.keys(named).await?;
        self.wishes.set(&self.instance, &keys, up).await.map_err(|why| Problem::of(&why))
    }

    /// The profiles of these names or keys; all where none is named. One may just have been saved: before it is said not
    /// to be there, the configuration is read again.
    async fn keys(&self, named: &[String]) -> Result<Vec<ProfileKey>, Problem> {
        match self.known(named) {
            Ok(keys) if !named.is_empty() => Ok(keys),
            _ => {
                // What cannot be read is told elsewhere; what could be read before is still known.
                let _ = self.instance.reload().await;
                self.known(named)
            }
        }
    }

    /// The same of what is known.
    fn known(&self, named: &[String]) -> Result<Vec<ProfileKey>, Problem> {
        let overview = self.overview();
        let all = || overview.profiles.iter().map(|view| &view.profile);
        if named.is_empty() {
            return Ok(all().map(|profile| profile.key.clone()).collect());
        }
        let find = |name: &String| {
            let found = all().find(|profile| profile.name.as_str() == name || profile.key.as_str() == name);
            found.map(|profile| profile.key.clone()).ok_or_else(|| {
                let shown = culvert_protocol::text::clean(name, 100);
                let known: Vec<_> = all().map(|profile| profile.name.as_str()).collect();
                let action = match known.is_empty() {
                    true => "Add one with `culvert profiles add`.".to_owned(),
                    false => format!("There are: {}.", known.join(", ")),
                };
                problem("profile.unknown", &format!("there is no profile {shown}"), &action)
            })
        };
        named.iter().map(find).collect()
    }

    async fn tell_changes(&self, stream: &mut BufReader<Guest>) {
        let mut overview = self.instance.overview();
        loop {
            let current = overview.borrow_and_update().clone();
            let changes = current.follow();
            let told = say(stream, &Answer::Status { report: Report::of(&current) }).await;
            if told.is_err() {
                return;
            }
            let earliest = Instant::now() + SETTLE;
            tokio::select! {
                changed = overview.changed() => if changed.is_err() { return },
                () = changes.any() => {}
                () = sleep(REFRESH) => {}
                // Nothing more is asked on this connection: it was closed.
                _ = stream.fill_buf() => return,
            }
            sleep_until(earliest).await;
        }
    }

    fn overview(&self) -> Arc<Overview> {
        self.instance.overview().borrow().clone()
    }
}

async fn say(stream: &mut BufReader<Guest>, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(PATIENCE, stream.write_all(&line)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

fn gone(_: NotHere) -> Problem {
    problem("instance.ending", "this Culvert is just ending", "Try again.")
}

fn problem(code: &str, message: &str, action: &str) -> Problem {
    Problem { code: code.to_owned(), message: message.to_owned(), action: action.to_owned() }
}

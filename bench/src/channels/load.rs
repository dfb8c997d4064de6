//! The loads, and the closed loop that makes one: all lanes at once, for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::channels::echo_call::EchoCall;
use crate::channels::lane::Lane;
use crate::channels::trouble::Failure;
use crate::figures::Outcome;

/// What the promises are about: bytes of a small call and of a large one, calls at once.
const SMALL: usize = 200;
const LARGE: usize = 1024 * 1024;
const MANY: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Load {
    /// 200 B, one call at a time
    Single,
    /// 200 B, 32 calls at once in one session
    Session,
    /// 200 B, one call at a time in each of 32 sessions
    Sessions,
    /// 1 MiB, one call at a time
    Large,
}

impl Load {
    pub(crate) const ALL: [Self; 4] = [Self::Single, Self::Session, Self::Sessions, Self::Large];

    /// Bytes of the echoed text.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Single | Self::Session | Self::Sessions => SMALL,
            Self::Large => LARGE,
        }
    }

    pub(crate) fn sessions(self) -> usize {
        match self {
            Self::Sessions => MANY,
            Self::Single | Self::Session | Self::Large => 1,
        }
    }

    /// Calls in flight at any time, in all sessions together.
    pub(crate) fn at_once(self) -> usize {
        match self {
            Self::Session | Self::Sessions => MANY,
            Self::Single | Self::Large => 1,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Single => "200 B, one at a time",
            Self::Session => "200 B, 32 at once, 1 session",
            Self::Sessions => "200 B, 32 at once, 32 sessions",
            Self::Large => "1 MiB, one at a time",
        }
    }
}

/// Drives all lanes for `time`, and then waits for the calls in flight, at most `patience`.
/// Gives the lanes back for the next load.
pub(crate) async fn run(
    lanes: Vec<Lane>,
    call: &Arc<EchoCall>,
    time: Duration,
    patience: Duration,
) -> Result<(Vec<Lane>, Outcome), Failure> {
    let (of, begun) = (lanes.len(), Instant::now());
    let mut driving = JoinSet::new();
    for mut lane in lanes {
        let call = Arc::clone(call);
        driving.spawn(async move {
            let driven = lane.drive(&call, begun + time).await?;
            Ok::<_, Failure>((lane, driven))
        });
    }
    let (mut lanes, mut latencies, mut last) = (Vec::with_capacity(of), Vec::new(), begun);
    let all = async {
        while let Some(joined) = driving.join_next().await {
            let (lane, driven) = joined.map_err(|error| Failure::Driver(error.into()))??;
            lanes.push(lane);
            latencies.extend(driven.latencies);
            last = driven.last.map_or(last, |at| last.max(at));
        }
        Ok::<_, Failure>(())
    };
    let Ok(finished) = timeout(time + patience, all).await else {
        return Err(Failure::Unanswered { waiting: of - lanes.len(), of, patience });
    };
    finished?;
    latencies.sort_unstable();
    Ok((lanes, Outcome { latencies, elapsed: last - begun }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::fake::{Manner, bridge};
    use crate::channels::http::Connection;
    use crate::channels::lane::{HttpLane, PipeLane};
    use crate::channels::session::Session;

    const TIME: Duration = Duration::from_millis(30);
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn lanes(manner: Manner, of: usize) -> Vec<Lane> {
        let target = bridge(manner).await;
        let mut lanes = Vec::new();
        for number in 0..of {
            let mut connection = Connection::open(target.address).await.unwrap();
            let session = Session::open(&target, &mut connection).await.unwrap();
            lanes.push(Lane::Http(Box::new(HttpLane::new(connection, session, number, of))));
        }
        lanes
    }

    async fn outcome(lanes: Vec<Lane>) -> Result<(Vec<Lane>, Outcome), Failure> {
        patient(lanes, PATIENCE).await
    }

    async fn patient(lanes: Vec<Lane>, patience: Duration) -> Result<(Vec<Lane>, Outcome), Failure> {
        run(lanes, &Arc::new(EchoCall::new("abc".to_owned())), TIME, patience).await
    }

    #[tokio::test]
    async fn answers_are_understood_as_json_and_as_events_load_after_load() {
        for manner in [Manner::Json, Manner::Events] {
            let mut lanes = lanes(manner, 4).await;
            for _ in 0..2 {
                let outcome;
                (lanes, outcome) = self::outcome(lanes).await.unwrap();
                assert_eq!(lanes.len(), 4);
                assert!(outcome.latencies.len() >= 4 && outcome.latencies.is_sorted(), "{outcome:?}");
                assert!(outcome.elapsed >= outcome.latencies[0], "{outcome:?}");
            }
        }
    }

    #[tokio::test]
    async fn whatever_is_not_the_right_answer_fails_the_load() {
        let failure = async |manner| outcome(lanes(manner, 2).await).await.err().unwrap();
        let silent = patient(lanes(Manner::Silent, 2).await, TIME).await.err().unwrap();
        assert!(matches!(failure(Manner::Wrong).await, Failure::WrongAnswer(said) if said.contains("another")));
        assert!(matches!(failure(Manner::Stray).await, Failure::Stray));
        assert!(matches!(silent, Failure::Unanswered { waiting: 2, of: 2, .. }), "{silent}");
        let refused = failure(Manner::Refused).await.to_string();
        assert_eq!(refused, "HTTP status 413: huge");
    }

    #[tokio::test]
    async fn a_pipe_takes_as_many_calls_at_once_as_it_is_told() {
        // An echo server that sed can be.
        let folder = tempfile::tempdir().unwrap();
        let server = folder.path().join("server");
        let script = r#"s/.*"id":\([0-9]*\),.*"text":"\([a-z]*\)".*/{"id":\1,"result":{"content":[{"text":"\2"}]}}/"#;
        std::fs::write(&server, format!("#!/bin/sh\nexec sed -u '{script}'\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&server, mode).unwrap();
        for depth in [1, 8] {
            let lane = Lane::Pipe(Box::new(PipeLane::start(&server, depth).unwrap()));
            let (lanes, first) = outcome(vec![lane]).await.unwrap();
            let (_, second) = outcome(lanes).await.unwrap();
            assert!(first.latencies.len() >= depth && second.latencies.len() >= depth, "{first:?}, {second:?}");
        }
    }
}

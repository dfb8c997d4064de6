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

//! The first words with a fresh child: `initialize`, `notifications/initialized`, and its list of tools. One that
//! refuses `initialize` may speak the stateless revisions only: it is asked `server/discover`.
//!
//! The engine does this itself, before it registers anywhere: then a gateway only ever sees a server that works, a
//! slow download does not run into the gateway's time limits, and a child that was restarted is ready at once. A base
//! gateway's own `initialize` is answered from what was learnt here: it declares no capabilities, and neither do we.

use std::time::Duration;

use bytes::Bytes;
use culvert_protocol::cause::because;
use culvert_protocol::message::{Message, Shape, member};
use culvert_protocol::tool_policy::{Definition, read_list};
use culvert_protocol::{Cause, message, revision};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::lines::Line;
use crate::local::Local;
use crate::local_answer;
use crate::output::{Exit, Output};

/// What we call ourselves.
const PROGRAM: &str = "culvert";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a server that has answered `initialize` may take to list its tools. One that does not is not less alive.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);

/// Pages of the tool list that are read at most.
const MAX_PAGES: usize = 100;

/// How a server wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Beginning with `initialize` (revisions up to 2025-11-25). It may speak the other way too, to another child:
    /// servers of both eras let the first words decide.
    Legacy,
    /// Without a beginning (2026-07-28 and later), and no other way.
    Modern,
}

/// What a child said of itself.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    /// How it wants to be spoken to.
    pub(crate) era: Era,
    /// What it answered to `initialize`, as it came: in the legacy era the `result`, in the modern one the `error`.
    pub(crate) result: Box<RawValue>,
    /// How many tools it lists; none when it has no tools.
    pub(crate) tools: Option<usize>,
    /// The same, as far as they can be read; none where it did not list them to the end.
    pub(crate) listed: Option<Vec<Definition>>,
}

/// Why there is no greeting.
#[derive(Debug)]
pub(crate) enum NoGreeting {
    /// The child ended.
    Exited(Exit),
    /// It did not answer in time.
    Silent,
    /// It answered something else.
    Wrong(String),
}

/// Greets `child`; its answer must come before `limit` has passed.
pub(crate) async fn greet(child: &mut Local, limit: Duration) -> Result<Greeting, NoGreeting> {
    let deadline = Instant::now() + limit;
    let params = revision::initialize_params(PROGRAM, VERSION);
    // First, since some legacy servers end when anything else comes before it, and no modern one does.
    let (era, said, result) = match ask(child, "initialize", &params, "culvert-initialize", deadline).await? {
        Ok(result) => (Era::Legacy, result.clone(), result),
        Err(error) => {
            let refused = || NoGreeting::Wrong(format!("initialize was answered with an error{}", because(&error)));
            let params = format!(r#"{{"_meta":{}}}"#, modern_meta());
            match ask(child, "server/discover", &params, "culvert-discover", deadline).await? {
                Ok(found) if matches!(member(&found, "supportedVersions"), Ok(Some(_))) => {
                    let said = RawValue::from_string(error.clone()).map_err(|_| refused())?;
                    (Era::Modern, found, said)
                }
                _ => return Err(refused()),
            }
        }
    };
    if era == Era::Legacy {
        if !matches!(member(&said, "protocolVersion"), Ok(Some(_))) {
            return Err(NoGreeting::Wrong("its answer to initialize names no protocol version".to_owned()));
        }
        tell(child, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned()).await;
    }
    let (tools, listed) = list_tools(child, era, &said).await?;
    Ok(Greeting { era, result, tools, listed })
}

/// What every modern request says of its sender.
pub(crate) fn modern_meta() -> String {
    revision::own_meta(revision::MODERN, PROGRAM, VERSION)
}

impl NoGreeting {
    /// The cause to show, for a child that has never worked.
    pub(crate) fn into_cause(self, limit: Duration, last_words: String) -> Cause {
        match self {
            Self::Exited(exit) => exit.first(),
            Self::Silent => Cause::ServerSilent { after: limit, stderr: last_words },
            Self::Wrong(detail) => Cause::ServerHandshake { detail },
        }
    }
}

/// How many tools there are, and what they are.
type Listed = (Option<usize>, Option<Vec<Definition>>);

/// Reads the list of tools to its end. A server that fails at it is not less alive, so that is no error.
async fn list_tools(child: &mut Local, era: Era, greeting: &RawValue) -> Result<Listed, NoGreeting> {
    let has_tools = member(greeting, "capabilities").ok().flatten().and_then(|all| member(all, "tools").ok().flatten());
    if has_tools.is_none() {
        return Ok((None, None));
    }
    let deadline = Instant::now() + LIST_TIMEOUT;
    let meta = match era {
        Era::Legacy => None,
        Era::Modern => Some(format!(r#""_meta":{}"#, modern_meta())),
    };
    let params_with = |cursor: Option<String>| {
        format!("{{{}}}", [meta.clone(), cursor].into_iter().flatten().collect::<Vec<_>>().join(","))
    };
    let mut params = params_with(None);
    let (mut count, mut listed) = (0, Vec::new());
    for page in 0..MAX_PAGES {
        let id = format!("culvert-tools-{page}");
        let result = match ask(child, "tools/list", &params, &id, deadline).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => {
                debug!(error, "the local server cannot list its tools");
                return Ok((None, None));
            }
            Err(NoGreeting::Silent) => return Ok((None, None)),
            Err(other) => return Err(other),
        };
        let tools = member(&result, "tools").ok().flatten();
        count += tools.and_then(|tools| message::batch(tools.get()).ok()).map_or(0, |tools| tools.len());
        listed.extend(read_list(&result));
        match member(&result, "nextCursor") {
            Ok(Some(cursor)) if cursor.get().starts_with('"') => {
                params = params_with(Some(format!(r#""cursor":{}"#, cursor.get())));
            }
            _ => return Ok((Some(count), Some(listed))),
        }
    }
    Ok((Some(count), None))
}

/// One request of our own and its answer; an error of the server comes as the inner `Err`.
async fn ask(
    child: &mut Local,
    method: &str,
    params: &str,
    id: &str,
    deadline: Instant,
) -> Result<Result<Box<RawValue>, String>, NoGreeting> {
    let request = format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{params}}}"#);
    tell(child, request).await;
    let expected = Shape::Response(message::Id::Text(id.into()));
    loop {
        let line = match timeout_at(deadline, child.next()).await {
            Ok(Output::Line(line)) => line,
            Ok(Output::Exited(exit)) => return Err(NoGreeting::Exited(exit)),
            Err(_) => return Err(NoGreeting::Silent),
        };
        let Line::Whole(line) = line else { continue };
        let Some(message) = std::str::from_utf8(&line).ok().and_then(|text| Message::parse(text).ok()) else {
            debug!(line = %culvert_protocol::text::clean(&String::from_utf8_lossy(&line), 200), "not a message: skipped");
            continue;
        };
        if *message.shape() == expected {
            return Ok(match (message.result(), message.error()) {
                (Some(result), None) => Ok(result.to_owned()),
                (_, error) => Err(error.map_or("", RawValue::get).to_owned()),
            });
        }
        if let Some(answer) = local_answer::to_request(&message) {
            tell(child, answer).await;
        }
    }
}

/// A message for the child. One that reads nothing is found out by its silence.
async fn tell(child: &Local, message: String) {
    let _ = child.input().try_send(Bytes::from(message));
}

/// The answer to a gateway's `initialize`, from what the child said once.
pub(crate) fn repeat(greeting: &Greeting, raw_id: &str) -> String {
    let member = match greeting.era {
        Era::Legacy => "result",
        Era::Modern => "error",
    };
    format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"{member}":{}}}"#, greeting.result.get())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::child::Child;
    use crate::config::StdioCommand;

    /// Greets a shell script that answers each line it knows by its method, `initialize` as told.
    async fn greeted(initialize: &str, discover: &str) -> Result<Greeting, NoGreeting> {
        let script = format!(
            r#"say() {{ printf '{{"jsonrpc":"2.0","id":"%s",%s}}\n' "$1" "$2"; }}
            while read -r line; do case $line in
                *'"initialize"'*) say culvert-initialize '{initialize}' ;;
                *'"server/discover"'*) say culvert-discover '{discover}' ;;
                *'"tools/list"'*protocolVersion*) say culvert-tools-0 '"result":{{"tools":[{{}},{{}}]}}' ;;
                *'"tools/list"'*) say culvert-tools-0 '"result":{{"tools":[{{}}]}}' ;;
            esac; done"#
        );
        let command = StdioCommand {
            program: "sh".to_owned(),
            args: vec!["-c".to_owned(), script],
            env: BTreeMap::new(),
            cwd: None,
        };
        let mut child = Local::Process(Box::new(Child::spawn(&command, "t", 1 << 20, &Default::default()).unwrap()));
        let greeting = greet(&mut child, Duration::from_secs(30)).await;
        child.end().await;
        greeting
    }

    const REFUSED: &str = r#""error":{"code":-32022,"message":"modern only"}"#;

    #[tokio::test]
    async fn a_server_that_takes_initialize_is_not_asked_anything_else() {
        let result = r#""result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}"#;
        let greeting = greeted(result, r#""result":{"supportedVersions":["2026-07-28"]}"#).await.unwrap();
        assert_eq!((greeting.era, greeting.tools), (Era::Legacy, Some(1)));
        assert_eq!(repeat(&greeting, "7"), format!(r#"{{"jsonrpc":"2.0","id":7,{result}}}"#));
    }

    #[tokio::test]
    async fn a_server_that_knows_no_initialize_is_found_by_what_it_discovers() {
        let found = r#""result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#;
        let greeting = greeted(REFUSED, found).await.unwrap();
        assert_eq!((greeting.era, greeting.tools), (Era::Modern, Some(2)));
        assert_eq!(repeat(&greeting, "7"), format!(r#"{{"jsonrpc":"2.0","id":7,{REFUSED}}}"#));
    }

    #[tokio::test]
    async fn one_that_takes_neither_is_reported_by_what_it_said_first() {
        for other in [r#""error":{"code":-32601,"message":"x"}"#, r#""result":{}"#] {
            let Err(NoGreeting::Wrong(why)) = greeted(REFUSED, other).await else { panic!("greeted: {other}") };
            assert!(why.contains("modern only"), "{why}");
        }
    }
}

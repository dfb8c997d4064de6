//! How many tools a server lists: asked once, when it registers.

use std::time::Duration;

use culvert_protocol::text;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use crate::shared::Shared;

/// How long counting may take; the registration goes on without the figure then.
const LIMIT: Duration = Duration::from_secs(10);

/// The most pages of one list. A server that hands out cursors without end is not counted.
const MAX_PAGES: usize = 50;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    tools: Vec<IgnoredAny>,
    #[serde(rename = "nextCursor", default)]
    next: Option<String>,
}

/// The number of tools. `None`: it offers none, or did not tell in time.
pub(crate) async fn tools(shared: &Shared) -> Option<usize> {
    match timeout(LIMIT, count(shared)).await {
        Ok(Ok(count)) => count,
        Ok(Err(why)) => {
            tracing::info!(why = text::clean(&why, 200), "the server's tools could not be counted");
            None
        }
        Err(_) => {
            tracing::info!(seconds = LIMIT.as_secs(), "the server did not list its tools in time");
            None
        }
    }
}

async fn count(shared: &Shared) -> Result<Option<usize>, String> {
    if !shared.ready().await.map_err(|why| why.message().to_owned())?.offers("tools") {
        return Ok(None);
    }
    let (mut count, mut cursor) = (0, None::<String>);
    for _ in 0..MAX_PAGES {
        let params = cursor.map(|cursor| serde_json::json!({"cursor": cursor}).to_string());
        let page = shared.request("tools/list", params.as_deref(), LIMIT).await.map_err(|error| error.to_string())?;
        let page: Page = serde_json::from_str(&page).map_err(|error| error.to_string())?;
        count += page.tools.len();
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(Some(count)),
        }
    }
    Err(format!("the list has more than {MAX_PAGES} pages"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{ServerEnd, conversation};
    use serde_json::{Value, json};

    /// Answers as a server that has `pages` of two tools each.
    async fn serve(mut end: ServerEnd, capabilities: Value, pages: u64) {
        while let Some(line) = end.from_client.recv().await {
            let request: Value = serde_json::from_slice(&line.item).unwrap();
            let result = match request["method"].as_str().unwrap() {
                "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": capabilities}),
                "tools/list" => {
                    let page = request["params"]["cursor"].as_str().map_or(1, |cursor| cursor.parse::<u64>().unwrap());
                    let next = (page < pages).then(|| (page + 1).to_string());
                    json!({"tools": [{"name": "a"}, {"name": "b"}], "nextCursor": next})
                }
                _ => continue,
            };
            let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string();
            end.to_client.send(answer.into()).await.unwrap();
        }
    }

    async fn counted(capabilities: Value, pages: u64) -> Option<usize> {
        let (ours, theirs) = conversation();
        tokio::spawn(serve(theirs, capabilities, pages));
        tools(&Shared::start(ours)).await
    }

    #[tokio::test]
    async fn all_pages_count_and_endless_ones_do_not() {
        assert_eq!(counted(json!({"tools": {}}), 1).await, Some(2));
        assert_eq!(counted(json!({"tools": {}}), 3).await, Some(6));
        assert_eq!(counted(json!({"prompts": {}}), 1).await, None);
        assert_eq!(counted(json!({"tools": {}}), u64::MAX).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_list_holds_nobody_up() {
        let (ours, mut theirs) = conversation();
        tokio::spawn(async move {
            let line = theirs.from_client.recv().await.unwrap();
            let request: Value = serde_json::from_slice(&line.item).unwrap();
            let result = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}});
            let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string();
            theirs.to_client.send(answer.into()).await.unwrap();
            while theirs.from_client.recv().await.is_some() {}
        });
        assert_eq!(tools(&Shared::start(ours)).await, None);
    }
}

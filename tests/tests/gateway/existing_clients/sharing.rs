//! Two real MCP clients at once on the one child of a base tunnel: nobody gets what is another's.

use std::collections::HashSet;

use culvert_tests::Fixture;
use serde_json::Value;

use super::{Existing, House, mcp_client};

const CALLS: usize = 120;

/// Both SDKs number their calls alike and ask for progress by those numbers, so to the gateway they look the same.
async fn two_clients_share_it(tunnel_client: Existing) {
    let house = House::open().await;
    let server = Fixture::default();
    let (tunnel, name) = house.share(tunnel_client, &server.arguments()).await;
    let go = tempfile::tempdir().unwrap();
    let go = go.path().join("go");
    let url = house.url(&name);
    let start = |python: &str, tag: &str| {
        let arguments = [&url, tag, &CALLS.to_string(), go.to_str().unwrap()].map(str::to_owned);
        mcp_client(python, "busy.py").args(arguments).env("MCP_TOKEN", &house.token).start()
    };
    let clients = [start("MCP1_PYTHON", "one"), start("MCP2_PYTHON", "two")];
    for client in &clients {
        client.event("ready", |event| event["event"] == "ready").await;
    }
    std::fs::write(&go, "").unwrap();
    let mut ids = Vec::new();
    for client in clients {
        let finished = client.end().await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let done = finished.events().pop().unwrap();
        assert_eq!((&done["event"], &done["calls"]), (&"done".into(), &CALLS.into()), "{done}");
        assert_eq!(done["wrong"], Value::Array(vec![]), "{done}");
        let mine: HashSet<String> = done["ids"].as_array().unwrap().iter().map(Value::to_string).collect();
        assert_eq!(mine.len(), CALLS, "{done}");
        ids.push(mine);
    }
    let in_common = ids[0].intersection(&ids[1]).count();
    assert!(in_common > CALLS / 2, "the two used {in_common} ids in common: {ids:?}");

    let calls = server.received("tools/call");
    assert_eq!(calls.len(), 2 * CALLS, "each call reached the server once");
    let at_the_child: HashSet<String> = calls.iter().map(|call| call["id"].to_string()).collect();
    assert_eq!(at_the_child.len(), 2 * CALLS, "there each has an id of its own");
    let turns = calls.windows(2).filter(|two| tag(&two[0]) != tag(&two[1])).count();
    assert!(turns > CALLS / 4, "the calls of the two interleave, here {turns} times");

    tunnel.stop().await;
    house.gateway.culvert.stop().await;
}

fn tag(call: &Value) -> &str {
    call["params"]["arguments"]["text"].as_str().unwrap().split('-').next().unwrap()
}

#[tokio::test]
async fn two_mcp_clients_share_the_tunnel_of_contextforges_own_client() {
    two_clients_share_it(Existing::ContextForge).await;
}

#[tokio::test]
async fn two_mcp_clients_share_the_tunnel_of_pypis_client() {
    two_clients_share_it(Existing::PyPi).await;
}

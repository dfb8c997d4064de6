//! What a gateway does about a `register`: the strict one initialises, lists and completes; the released one says yes.

use std::time::Duration;

use serde_json::{Value, json};

use super::manner::{Dialect, Outcome};
use super::{Command, Link, State};

/// How long one answer of the local server may take, before the registration fails.
const ANSWER: Duration = Duration::from_secs(60);

/// Serves one `register` to its end.
pub(crate) async fn serve(link: Link) {
    match link.shared().manner.dialect {
        Dialect::Mute => {}
        Dialect::Released => {
            link.send(json!({"type": "register_ack", "sessionId": link.session(), "status": "success"})).await;
            link.change(|state| state.registered = true);
        }
        Dialect::Next => {
            let state = &link.shared().state;
            state.change(|State { registering: (now, most), .. }| {
                *now += 1;
                *most = (*most).max(*now);
            });
            next(&link).await;
            state.change(|state| state.registering.0 -= 1);
        }
    }
}

async fn next(link: &Link) {
    link.send(json!({"type": "register_ack", "sessionId": link.session(), "status": "processing"})).await;
    let outcome = link.shared().state.change(|state| state.outcomes.pop_front());
    if let Some(Outcome::Refused(message)) = outcome {
        return refuse(link, &message).await;
    }
    if let Err(why) = discover(link).await {
        return refuse(link, &why).await;
    }
    displace_namesakes(link).await;
    link.send(json!({"type": "register_complete", "sessionId": link.session(), "status": "success"})).await;
    link.change(|state| state.registered = true);
    if let Some(Outcome::CompleteThenClose(code)) = outcome {
        link.close(code, "").await;
    }
}

async fn refuse(link: &Link, message: &str) {
    let refusal =
        json!({"type": "register_complete", "sessionId": link.session(), "status": "error", "message": message});
    link.send(refusal).await;
    link.close(1008, "").await;
}

/// The MCP handshake and the lists that the server says it has.
async fn discover(link: &Link) -> Result<(), String> {
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "mcpgateway", "version": "2.0.0"},
    });
    let answer = ask(link, "initialize", hello).await?;
    let capabilities = answer["result"]["capabilities"].as_object().ok_or("registration failed")?.clone();
    link.notify("notifications/initialized").await;
    for (capability, method) in [
        ("tools", "tools/list"),
        ("resources", "resources/list"),
        ("resources", "resources/templates/list"),
        ("prompts", "prompts/list"),
    ] {
        if capabilities.contains_key(capability) {
            ask(link, method, json!({})).await?;
        }
    }
    Ok(())
}

/// One request with a limit; the end of the link ends the wait as well, because the task is then dropped.
async fn ask(link: &Link, method: &str, params: Value) -> Result<Value, String> {
    let id = link.post(method, params).await;
    let (number, wanted) = (link.number(), id.clone());
    let answered = link.shared().state.find(|state| {
        let link = &state.links[number];
        let answer = link.frames.iter().find(|f| f.kind() == "response" && f.value["payload"]["id"] == wanted);
        match answer {
            Some(frame) => Some(Ok(frame.value["payload"].clone())),
            None if link.ended => Some(Err("registration failed".to_owned())),
            None => None,
        }
    });
    tokio::time::timeout(ANSWER, answered).await.unwrap_or_else(|_| Err("registration failed".into()))
}

/// The newest registration of a name wins; the others get a close 1000 without a reason.
async fn displace_namesakes(link: &Link) {
    let number = link.number();
    let displaced: Vec<_> = {
        let state = link.shared().state.look();
        let name = state.links[number].name.clone();
        let namesakes = state.links[..number].iter().filter(|other| !other.ended && other.name == name);
        namesakes.map(|other| other.commands.clone()).collect()
    };
    for commands in displaced {
        let _ = commands.send(Command::Close(1000, String::new())).await;
    }
}

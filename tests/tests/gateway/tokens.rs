//! Tokens: made, narrowed, revoked, expired; and what `run` says when its own is no longer good.

use culvert_tests::http::Response;
use culvert_tests::own_gateway::{OwnGateway, SECRET};
use culvert_tests::{CulvertCommand, Fixture};
use serde_json::{Value, json};

async fn made(arguments: &[&str]) -> String {
    let made = CulvertCommand::bare().args(["token", "create", "-s", SECRET]).args(arguments).finish().await;
    assert_eq!((made.code, made.out.len()), (Some(0), 1), "stdout is the token alone: {made:#?}");
    made.out[0].clone()
}

fn assert_denied(denied: &Response, status: u16, code: &str) {
    assert_eq!(denied.status, status, "{denied:?}");
    let body = denied.json();
    assert_eq!(body["error"]["code"], code, "{denied:?}");
    assert!(body["detail"].is_string() && body["error"]["action"].is_string(), "{denied:?}");
    if status == 401 {
        assert!(denied.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{denied:?}");
    }
}

#[tokio::test]
async fn denials_say_what_is_wrong() {
    let gateway = OwnGateway::start().await;
    let none = culvert_tests::http::Request::new("GET", gateway.address(), "/servers").send().await;
    assert_denied(&none, 401, "auth.missing");
    let garbage = gateway.request("GET", "/servers", "garbage").send().await;
    assert_eq!(garbage.status, 401);
    let foreign = OwnGateway::token("me", "quite-another-secret-0123456789ab").await;
    assert_denied(&gateway.request("GET", "/servers", &foreign).send().await, 401, "auth.rejected");
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_call_token_can_use_and_never_tunnel_list_or_end() {
    let gateway = OwnGateway::start().await;
    let full = made(&["-u", "me"]).await;
    let call = made(&["-u", "me", "--can", "call", "--server", "fixture"]).await;
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &full).start();
    let session = tunnel.online().await["session"].as_str().unwrap().to_owned();

    let displacing = gateway.tunnel(&Fixture::default(), "fixture", &call).finish().await;
    assert_eq!(displacing.code, Some(6), "{displacing:#?}");
    assert_eq!(displacing.failure()["code"], "auth.forbidden");
    let list = gateway.request("GET", "/reverse-proxy/sessions", &call).send().await;
    assert_eq!(list.status, 403, "{list:?}");
    let end = gateway.request("DELETE", &format!("/reverse-proxy/sessions/{session}"), &call).send().await;
    assert_eq!(end.status, 403, "{end:?}");

    let path = format!("/reverse-proxy/sessions/{session}/request");
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(gateway.request("POST", &path, &call).json(&ping).send().await.json()["result"], json!({}));
    assert!(tunnel.events().iter().all(|event| event["status"] != "waiting"), "it was never displaced");
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_tunnel_token_registers_only_the_names_that_it_lists() {
    let gateway = OwnGateway::start().await;
    let narrow = made(&["-u", "me", "--can", "tunnel", "--server", "fixture"]).await;
    let other = gateway.tunnel(&Fixture::default(), "something else", &narrow).finish().await;
    assert!(matches!(other.code, Some(6 | 8)), "{other:#?}");
    assert!(other.err.contains("something else") || other.err.contains("fixture"), "{}", other.err);
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &narrow).start();
    tunnel.online().await;
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_narrower_token_never_has_more_than_its_maker() {
    let gateway = OwnGateway::start().await;
    let call = made(&["-u", "me", "--can", "call", "--server", "fixture", "-e", "60"]).await;
    let ask = |wish: Value| gateway.request("POST", "/tokens", &call).json(&wish);
    let same = ask(json!({"can": ["call"], "servers": ["fixture"], "minutes": 5})).send().await;
    assert_eq!(same.status, 201, "{same:?}");
    let claims = inspected(same.json()["token"].as_str().unwrap()).await;
    assert_eq!(claims["sub"], "me");
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 300, "{claims}");

    for wider in [json!({"can": ["tunnel"]}), json!({"servers": ["another"]}), json!({"can": ["call", "tunnel"]})] {
        assert_eq!(ask(wider.clone()).send().await.status, 403, "{wider}");
    }
    let longer = ask(json!({"minutes": 600_000})).send().await;
    if longer.status == 201 {
        let maker = inspected(&call).await;
        let claims = inspected(longer.json()["token"].as_str().unwrap()).await;
        assert!(claims["exp"].as_i64() <= maker["exp"].as_i64(), "no later exp: {claims}");
    } else {
        assert_eq!(longer.status, 403, "{longer:?}");
    }
    gateway.culvert.stop().await;
}

async fn inspected(token: &str) -> Value {
    let told = CulvertCommand::bare().args(["token", "inspect", "--json", token]).finish().await;
    assert_eq!(told.code, Some(0), "{told:#?}");
    serde_json::from_str::<Value>(&told.out[0]).unwrap()["claims"].clone()
}

#[tokio::test]
async fn a_revoked_token_ends_its_link_and_run_with_it() {
    let state = tempfile::tempdir().unwrap();
    let gateway = OwnGateway::start_as(OwnGateway::command().arg("--state-dir").arg(state.path())).await;
    let (good, bad) = (made(&["-u", "me"]).await, made(&["-u", "me"]).await);
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &bad).start();
    tunnel.online().await;
    let revoked =
        CulvertCommand::bare().args(["token", "revoke", &bad]).arg("--state-dir").arg(state.path()).finish().await;
    assert_eq!(revoked.code, Some(0), "{revoked:#?}");
    let finished = tunnel.end().await;
    assert_eq!(finished.code, Some(6), "{finished:#?}");
    assert!(finished.failure()["code"].as_str().is_some_and(|code| code.starts_with("auth.")), "{finished:#?}");
    assert_eq!(gateway.request("GET", "/servers", &bad).send().await.status, 401);
    assert_eq!(gateway.request("GET", "/servers", &good).send().await.status, 200);
    gateway.culvert.stop().await;
}

/// `-e` counts minutes, so the token that expires soon is signed here.
#[tokio::test]
async fn a_link_is_closed_with_its_reason_when_its_token_expires() {
    let gateway = OwnGateway::start().await;
    let token = signed(&json!({
        "sub": "me", "iss": "mcpgateway", "aud": "mcpgateway-api", "jti": "short-lived",
        "exp": now() + 4,
    }));
    let tunnel = gateway.tunnel(&Fixture::default(), "fixture", &token).start();
    tunnel.online().await;
    let finished = tunnel.end().await;
    assert_eq!(finished.code, Some(6), "{finished:#?}");
    assert_eq!(finished.failure()["code"], "auth.expired", "{finished:#?}");
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn a_token_that_is_replaced_in_its_file_outlives_the_first_and_no_call_is_lost() {
    let gateway = OwnGateway::start().await;
    let claims = |jti: &str, seconds: u64| {
        let exp = now() + seconds;
        json!({"sub": "me", "iss": "mcpgateway", "aud": "mcpgateway-api", "jti": jti, "exp": exp})
    };
    let (short, end) = (signed(&claims("short", 9)), now() + 9);
    let long = signed(&claims("long", 3600));
    let command = CulvertCommand::run().server(&Fixture::default()).args(["--server-name", "fixture"]);
    let (file, next) = (command.write("token", &short), command.write("next", &long));
    let tunnel = command.args(["--gateway", &gateway.url, "--token-file", "token"]).start();
    let session = tunnel.online().await["session"].as_str().unwrap().to_owned();

    let path = format!("/reverse-proxy/sessions/{session}/request");
    let call = async |id: u64, arguments: Value| {
        let params = json!({"name": "slow", "arguments": arguments});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        gateway.request("POST", &path, &long).json(&call).send().await
    };
    // It begins under the first token and is answered under the second.
    let across = call(1, json!({"ms": 11_000}));
    let rotated = async { std::fs::rename(&next, &file).unwrap() };
    let (answered, ()) = tokio::join!(across, rotated);
    assert!(now() > end, "the first token is over");
    assert_eq!(answered.json()["result"]["content"][0]["text"], "slow", "{answered:?}");
    assert_eq!(call(2, json!({"ms": 0})).await.json()["result"]["content"][0]["text"], "slow");
    assert!(tunnel.events().iter().all(|event| event["status"] != "waiting"), "{:#?}", tunnel.events());
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn signed(claims: &Value) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let head = BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{head}.{}", BASE64.encode(claims.to_string()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{text}.{}", BASE64.encode(ring::hmac::sign(&key, text.as_bytes())))
}

#[tokio::test]
async fn without_auth_nobody_is_asked() {
    let gateway = OwnGateway::start_as(OwnGateway::command().arg("--no-auth")).await;
    let server = Fixture::default();
    let tunnel =
        CulvertCommand::run().server(&server).args(["--server-name", "fixture", "--gateway", &gateway.url]).start();
    tunnel.online().await;
    let list = culvert_tests::http::Request::new("GET", gateway.address(), "/servers").send().await;
    assert_eq!((list.status, list.json()["total"].as_u64()), (200, Some(1)));
    tunnel.stop().await;
    gateway.culvert.stop().await;
}

#[tokio::test]
async fn token_commands_refuse_what_makes_no_sense() {
    for (arguments, word) in [
        (&["token", "create"][..], "--username"),
        (&["token", "create", "-u", "me", "-s", SECRET, "--can", "fly"], "fly"),
        (&["token", "create", "-u", "me", "-s", SECRET, "-e", "soon"], "soon"),
        (&["token", "inspect", "garbage"], "token"),
    ] {
        let finished = CulvertCommand::bare().args(arguments).finish().await;
        assert!(finished.code.is_some_and(|code| code != 0), "{arguments:?}: {finished:#?}");
        assert!(finished.err.contains(word), "{arguments:?}: {}", finished.err);
        assert!(finished.out.is_empty(), "{:?}", finished.out);
    }
}

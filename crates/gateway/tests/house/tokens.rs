//! Narrower tokens, secrets that rotate, and the secret that is made.

use culvert_gateway::config::{Auth, SecretSource};
use culvert_gateway::tokens::{UnixTime, Verdict, inspect, signing_secret};
use culvert_protocol::Secret;
use culvert_protocol::claims::{Right, peek};
use serde_json::json;

use crate::base_client::closed;
use crate::gateway::{TestGateway, make, revoke, secret, token};

#[tokio::test]
async fn a_bearer_makes_a_narrower_token_for_a_friend() {
    let gateway = TestGateway::start().await;
    let me = token("me");
    let (git, time) = (gateway.register(&me, "git").await, gateway.register(&me, "time").await);
    let (_git, _time) = (git.serve(), time.serve());
    let wish = r#"{"can":["call"],"servers":["git"],"minutes":5}"#;
    let made = gateway.ask("POST", "/tokens", &me, wish).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("Cache-Control"), Some("no-store"));
    let friend = Secret::new(made.json()["token"].as_str().unwrap());
    let claims = peek(friend.expose()).unwrap();
    assert_eq!((claims.sub.as_deref(), claims.can), (Some("me"), Some(vec![Right::Call])));
    assert_eq!(json!(claims.jti), made.json()["id"]);
    assert!(made.json()["expires_at"].as_str().unwrap().ends_with('Z'));

    assert_ne!(gateway.ask("POST", "/servers/git/mcp", &friend, "{}").await.status, 404);
    assert_eq!(gateway.ask("POST", "/servers/time/mcp", &friend, "{}").await.status, 404);
    assert_eq!(gateway.get("/reverse-proxy/sessions", &friend).await.status, 403);
    for wider in [r#"{"can":["call","tunnel"]}"#, r#"{"servers":["git","time"]}"#, r#"{"minutes":6}"#] {
        let answer = gateway.ask("POST", "/tokens", &friend, wider).await;
        assert_eq!((answer.status, answer.code()), (403, "auth.wider".to_owned()), "{wider}");
    }
    for bad in ["[1]", r#"{"sub":"root"}"#, r#"{"can":["admin"]}"#, r#"{"servers":["a@b"]}"#] {
        assert_eq!(gateway.ask("POST", "/tokens", &me, bad).await.code(), "request.body", "{bad}");
    }

    // Revoking the token that it was made from takes this one back too.
    revoke(&gateway.state_dir(), &me);
    gateway.until("/servers", &friend, |answer| answer.status == 401).await;
}

#[tokio::test]
async fn secrets_rotate_under_open_links() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, secret().expose()).unwrap();
    let gateway = TestGateway::start_with(|config| config.auth = Auth::Bearers(SecretSource::File(file.clone()))).await;
    let (old, new) = (make("me", |_| ()), "the next secret, just as long as the first");
    let link = gateway.register(&old, "git").await.serve();
    std::fs::write(&file, format!("{new}\n{}\n", secret().expose())).unwrap();
    let fresh = {
        let new_token = culvert_gateway::tokens::NewToken {
            subject: "me".into(),
            standing: culvert_gateway::tokens::Standing::User,
            lifetime: culvert_gateway::tokens::Lifetime::Forever,
            can: None,
            servers: None,
        };
        culvert_gateway::tokens::create(&Secret::new(new), &new_token, UnixTime::now()).unwrap()
    };
    gateway.until("/servers", &fresh, |answer| answer.status == 200).await;
    assert_eq!(gateway.get("/servers", &old).await.status, 200);
    assert!(!link.is_finished());
    std::fs::write(&file, new).unwrap();
    assert_eq!(closed(link).await, (4401, "auth.rejected".to_owned()));
    assert_eq!(gateway.get("/servers", &old).await.code(), "auth.rejected");
    assert_eq!(gateway.get("/servers", &fresh).await.status, 200);
}

#[tokio::test]
async fn tokens_made_beside_the_gateway_with_its_own_secret_are_good() {
    let gateway = TestGateway::start_with(|config| config.auth = Auth::Bearers(SecretSource::State)).await;
    let secret = signing_secret(&SecretSource::State, &gateway.state_dir()).unwrap();
    let new = culvert_gateway::tokens::NewToken {
        subject: "me".into(),
        standing: culvert_gateway::tokens::Standing::User,
        lifetime: culvert_gateway::tokens::Lifetime::Minutes(1),
        can: None,
        servers: None,
    };
    let token = culvert_gateway::tokens::create(&secret, &new, UnixTime::now()).unwrap();
    assert_eq!(gateway.get("/servers", &token).await.status, 200);
    let found = inspect(&token, &SecretSource::State, &gateway.state_dir(), UnixTime::now()).unwrap().unwrap();
    assert_eq!(found.verdict, Verdict::Good);
}

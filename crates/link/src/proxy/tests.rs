//! Addresses of proxies, and what is said to them.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::socks::NoWay;
use super::*;

#[test]
fn addresses_are_read_and_shown_without_who_we_are() {
    for (text, shown) in [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        (" proxy.example.com:3128/ ", "http://proxy.example.com:3128"),
        ("proxy", "http://proxy:80"),
        ("https://proxy.example.com", "https://proxy.example.com:443"),
        ("socks5://127.0.0.1", "socks5://127.0.0.1:1080"),
        ("socks5h://u:hunter2@[::1]:9050", "socks5://[::1]:9050"),
        ("http://me:hunter2@p:1", "http://p:1"),
    ] {
        let proxy = Proxy::parse(text).unwrap();
        assert_eq!(proxy.to_string(), shown, "{text}");
        assert!(!format!("{proxy:?}").contains("hunter2"));
        assert_eq!(proxy.has_credentials(), text.contains('@'));
    }
    let proxy = Proxy::parse("http://a%40b:p%3A%2Fw@p:1").unwrap().credentials.unwrap();
    assert_eq!((proxy.user.expose(), proxy.password.expose()), ("a@b", "p:/w"));
}

#[test]
fn what_is_no_proxy_is_refused() {
    for (text, why) in [
        ("", BadProxy::NotUrl),
        ("http://", BadProxy::NotUrl),
        ("ftp://p", BadProxy::Scheme),
        ("socks4://p", BadProxy::Scheme),
        ("http://p/path", BadProxy::Path),
        ("http://p/?q", BadProxy::Path),
        ("http://u:%0d%0aX@p", BadProxy::Credentials),
        ("http://u:%ff@p", BadProxy::Credentials),
    ] {
        assert_eq!(Proxy::parse(text), Err(why), "{text}");
    }
    let long = format!("socks5://{}@p", "x".repeat(256));
    assert_eq!(Proxy::parse(&long), Err(BadProxy::Credentials));
}

proptest! {
    #[test]
    fn no_address_is_too_odd(text in ".{0,60}") {
        let _ = Proxy::parse(&text);
    }
}

fn me() -> Credentials {
    Credentials { user: Secret::new("me"), password: Secret::new("hunter2") }
}

/// Plays a proxy that says `answer` and then, as the gateway, `x`. What it was sent, and what comes of it.
async fn ask(answer: &[u8], kind: Kind, credentials: Option<Credentials>) -> (Vec<u8>, Result<u8, NoWay>) {
    let (mut ours, mut theirs): (DuplexStream, DuplexStream) = duplex(64 * 1024);
    theirs.write_all(answer).await.unwrap();
    theirs.write_all(b"x").await.unwrap();
    let passed = match kind {
        Kind::Socks5 => socks::through(&mut ours, "gw.example", 443, credentials.as_ref()).await,
        Kind::Http | Kind::Https => connect::through(&mut ours, "gw.example", 443, credentials.as_ref()).await,
    };
    let next = match passed {
        Ok(()) => Ok(ours.read_u8().await.unwrap()),
        Err(no_way) => Err(no_way),
    };
    drop(ours);
    let mut sent = Vec::new();
    theirs.read_to_end(&mut sent).await.unwrap();
    (sent, next)
}

#[tokio::test]
async fn connect_asks_for_the_gateway_and_reads_no_byte_of_what_follows() {
    let (sent, next) = ask(b"HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\n", Kind::Http, Some(me())).await;
    assert_eq!(next.unwrap(), b'x');
    let sent = String::from_utf8(sent).unwrap();
    assert!(sent.starts_with("CONNECT gw.example:443 HTTP/1.1\r\nHost: gw.example:443\r\n"), "{sent}");
    assert!(sent.contains("Proxy-Authorization: Basic bWU6aHVudGVyMg==\r\n") && sent.ends_with("\r\n\r\n"), "{sent}");
    let (sent, _) = ask(b"HTTP/1.0 200 OK\r\n\r\n", Kind::Http, None).await;
    assert!(!String::from_utf8(sent).unwrap().contains("Authorization"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_apart() {
    let refused = |answer: &'static str, credentials| async move {
        ask(answer.as_bytes(), Kind::Http, credentials).await.1.unwrap_err()
    };
    assert!(
        matches!(refused("HTTP/1.1 407 Auth\r\n\r\n", None).await, NoWay::Credentials(why) if why.contains("asks"))
    );
    assert!(
        matches!(refused("HTTP/1.1 407 Auth\r\n\r\n", Some(me())).await, NoWay::Credentials(why) if why.contains("take"))
    );
    assert!(matches!(refused("HTTP/1.0 401 Unauthorized\r\n\r\n", Some(me())).await, NoWay::Credentials(_)));
    let filtered = refused("HTTP/1.1 403 Filtered\u{1b}[1m\r\n\r\n", None).await.to_string();
    assert_eq!(filtered, "it answered 403 Filtered [1m");
    assert!(matches!(refused("SSH-2.0-OpenSSH\r\n\r\n", None).await, NoWay::Foreign(_)));
    let endless: &'static str = Box::leak("HTTP/1.1 200 OK\r\nA: ".to_owned().into_boxed_str());
    let (_, next) = ask(&[endless.as_bytes(), &[b'a'; 20_000]].concat(), Kind::Http, None).await;
    assert!(matches!(next, Err(NoWay::Foreign(_))));
}

#[tokio::test]
async fn socks_leaves_the_name_to_the_proxy_and_logs_in_where_asked() {
    let answer = [&[5, 2][..], &[1, 0], &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]].concat();
    let (sent, next) = ask(&answer, Kind::Socks5, Some(me())).await;
    assert_eq!(next.unwrap(), b'x');
    let expected = [&[5, 2, 0, 2][..], b"\x01\x02me\x07hunter2", &[5, 1, 0, 3, 10], b"gw.example", &[1, 187]].concat();
    assert_eq!(sent, expected);
    // Its own address may be a name.
    let answer = [&[5, 0][..], &[5, 0, 0, 3, 1, b'p', 0, 80]].concat();
    let (sent, next) = ask(&answer, Kind::Socks5, None).await;
    assert_eq!((next.unwrap(), &sent[..3]), (b'x', &[5, 1, 0][..]));
}

#[tokio::test]
async fn socks_says_why_not() {
    let refused =
        |answer: Vec<u8>, credentials| async move { ask(&answer, Kind::Socks5, credentials).await.1.unwrap_err() };
    assert!(matches!(refused(vec![5, 255], None).await, NoWay::Credentials(_)));
    assert!(matches!(refused(vec![5, 2, 1, 1], Some(me())).await, NoWay::Credentials(_)));
    assert!(matches!(refused(vec![5, 0, 5, 2, 0, 1], None).await, NoWay::Refused(why) if why.contains("rules")));
    assert!(matches!(refused(b"HTTP/1.1 400 Bad\r\n".to_vec(), None).await, NoWay::Foreign(_)));
}

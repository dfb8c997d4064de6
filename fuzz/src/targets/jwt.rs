//! Bearer tokens, as they come and with a good signature over anything: what is taken keeps all rules, and no other
//! signature ever does.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use culvert_gateway::config::SecretSource;
use culvert_gateway::tokens::{UnixTime, Verdict, inspect};
use culvert_protocol::Secret;
use culvert_protocol::claims::peek;
use ring::hmac;
use serde_json::Value;

const NOW: UnixTime = UnixTime(1_000_000);
const SECRET: &str = "a signing secret of the fuzzer";

pub(crate) fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if *first == 0 {
        assert!(!is_taken(text), "nobody signed {text}");
        return drop(peek(text));
    }
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"HS256","typ":"JWT"}"#, text));
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut signature = hmac::sign(&key, signed.as_bytes()).as_ref().to_vec();
    if is_taken(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature))) {
        let value = |text: &str| serde_json::from_str::<Value>(text).ok();
        // Half a surrogate in a claim that means nothing here is skipped by whoever reads, but a `Value` cannot hold it.
        let Some((header, claims)) = value(header).zip(value(claims)) else { return };
        assert_eq!(header["alg"], "HS256");
        assert!(header.get("crit").is_none_or(Value::is_null));
        assert!(claims["exp"].as_i64().is_none_or(|exp| exp > NOW.0), "it has expired");
        assert_eq!(claims["iss"], "mcpgateway");
        let audience = &claims["aud"];
        let all = audience.as_array().cloned().unwrap_or_else(|| vec![audience.clone()]);
        assert!(all.iter().any(|one| one == "mcpgateway-api"), "it is for somebody else");
        assert!(claims["sub"].as_str().is_some_and(|subject| !subject.trim().is_empty()));
        assert!(claims["jti"].as_str().is_some_and(|id| !id.trim().is_empty()));
    }
    let at = usize::from(*first) % signature.len();
    signature[at] ^= 1;
    assert!(!is_taken(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature))), "the signature was changed");
    assert!(!is_taken(&format!("{signed}.")), "there is no signature");
}

fn is_taken(token: &str) -> bool {
    let source = SecretSource::Given { current: Secret::new("another one"), previous: Some(Secret::new(SECRET)) };
    let found = inspect(&Secret::new(token), &source, Path::new("/nowhere"), NOW).expect("there is nothing to read");
    found.is_some_and(|found| found.verdict == Verdict::Good)
}

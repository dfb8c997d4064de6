//! The marked secrets of one test, and the search for them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use culvert_tests::own_gateway::OwnGateway;

/// Secrets, each with the name of what it is.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(&'static str, String)>);

impl Marks {
    /// A new secret. It looks like a word and a number: only who knows it can leave it out.
    pub(super) fn add(&mut self, name: &'static str) -> String {
        let value = format!("tweety-{name}-{}", fastrand::u64(1 << 60..));
        self.0.push((name, value.clone()));
        value
    }

    /// A token that this signing secret makes good. Its signature alone would give it away too.
    pub(super) async fn token(&mut self, name: &'static str, signing: &str) -> String {
        let token = OwnGateway::token("bird@example.com", signing).await;
        self.0.push((name, token.rsplit('.').next().unwrap_or_default().to_owned()));
        token
    }

    /// Asserts that `text` holds none of them, as it is or in base64, but for those of these names.
    pub(super) fn nowhere_in_but(&self, what: &str, text: &[u8], allowed: &[&str]) {
        for (name, secret) in self.0.iter().filter(|(name, _)| !allowed.contains(name)) {
            // The ends depend on what stands beside it, the middle does not.
            let encoded: Vec<_> = (0..3)
                .map(|skipped| STANDARD_NO_PAD.encode(&secret.as_bytes()[skipped..]))
                .map(|text| text[..text.len() - 4].to_owned())
                .collect();
            for form in encoded.iter().chain([secret]) {
                let found = text.windows(form.len()).position(|window| window == form.as_bytes());
                if let Some(at) = found {
                    let around = &text[at.saturating_sub(300)..(at + form.len() + 100).min(text.len())];
                    panic!("{name} is in {what}:\n{}", String::from_utf8_lossy(around));
                }
            }
        }
    }

    /// The same, and none is allowed.
    pub(super) fn nowhere_in(&self, what: &str, text: impl AsRef<[u8]>) {
        self.nowhere_in_but(what, text.as_ref(), &[]);
    }
}

#[test]
#[should_panic(expected = "bird is in a haystack")]
fn a_mark_is_found_in_base64_wherever_it_begins() {
    let mut marks = Marks::default();
    let secret = marks.add("bird");
    marks.nowhere_in("a haystack", STANDARD_NO_PAD.encode(format!("me:{secret}@")));
}

//! JSON-RPC heads: the readers agree with each other and with serde_json, and a splice changes nothing beside its span.

use bytes::Bytes;
use culvert_protocol::envelope::{Envelope, Writer};
use culvert_protocol::glance::glance;
use culvert_protocol::message::{Id, Malformed, Message, Shape, batch};
use culvert_protocol::skim::Skimmer;
use culvert_protocol::splice::{single_line, splice};
use serde_json::Value;

pub(crate) fn run(data: &[u8]) {
    let _ = glance(data, |_| Some("name"));
    skimmed_alike_however_cut(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let message = match Message::parse(text) {
        Ok(message) => message,
        Err(Malformed::Batch) => return drop(batch(text)),
        Err(_) => return,
    };
    agrees_with_serde_json(&message);
    splices_back(&message);
    let line = single_line(Bytes::copy_from_slice(data));
    let line = std::str::from_utf8(&line).expect("spaces for line breaks");
    assert!(!line.contains(['\n', '\r']));
    assert_eq!(Message::parse(line).map(|one| one.shape().clone()).as_ref(), Ok(message.shape()));
    let wrapped = Writer::new("s").request(text);
    let envelope = Envelope::parse(&wrapped).expect("a message in an envelope makes an envelope");
    let payload = envelope.payload.expect("a payload");
    assert_eq!(payload.text(), text.trim_matches([' ', '\t', '\r', '\n']), "a payload passes untouched");
    assert_eq!(payload.message().map(|one| one.shape().clone()).as_ref(), Ok(message.shape()));
    let seen = glance(data, |_| None).expect("an object");
    if message.result().is_some() || message.error().is_some() {
        // An answer is known by these, and what stands after them is not looked at.
        return;
    }
    assert_eq!(seen.method.unwrap_or_default(), message.method(), "a glance sees the method");
    assert_eq!(seen.id.and_then(Id::from_json), message.raw_id().and_then(Id::from_json), "a glance sees the id");
}

fn skimmed_alike_however_cut(data: &[u8]) {
    let skim = |step: usize| {
        let mut skimmer = Skimmer::default();
        data.chunks(step).for_each(|part| skimmer.push(part));
        skimmer.finish()
    };
    assert_eq!(skim(1), skim(data.len().max(1)));
}

fn agrees_with_serde_json(message: &Message<'_>) {
    let Ok(Value::Object(value)) = serde_json::from_str(message.text()) else { return };
    assert_eq!(value.get("method").and_then(Value::as_str).unwrap_or_default(), message.method());
    let id = value.get("id").map(|id| match id.as_f64() {
        // serde_json takes -0 for a fraction.
        Some(0.0) => Id::Integer(0),
        _ => Id::from_json(&id.to_string()).expect("an id that was taken is one"),
    });
    match message.shape() {
        Shape::Request(read) | Shape::Response(read) => {
            // A number beyond what fits is compared as spelled, which serde_json does not keep.
            if !matches!(read, Id::Number(_)) {
                assert_eq!(id.as_ref().unwrap_or(&Id::Null), read);
            }
        }
        Shape::Notification => assert!(id.is_none()),
    }
}

fn splices_back(message: &Message<'_>) {
    let text = message.text();
    let mut spans: Vec<_> = message.id_span().into_iter().collect();
    let token = message.param(&["_meta", "progressToken"]).ok().flatten();
    spans.extend(token.map(|token| message.span_of(token)));
    for span in spans {
        let spliced = splice(text, &[(span.clone(), "\"new\"")]);
        let spliced = std::str::from_utf8(&spliced).expect("text for text");
        let changed = Message::parse(spliced).expect("a spliced message is a message");
        let now = span.start..span.start + "\"new\"".len();
        assert_eq!(&spliced[now.clone()], "\"new\"");
        if message.id_span() == Some(span.clone()) {
            assert_eq!(changed.raw_id(), Some("\"new\""));
        }
        assert_eq!(splice(spliced, &[(now, &text[span])]), text, "every other byte is as it was");
    }
}

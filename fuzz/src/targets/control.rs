//! Text messages of both dialects: envelopes, control messages, grants, and how a client introduces itself.

use culvert_protocol::channels::control::{Control, Grant, Header, MAX_WINDOW, MIN_WINDOW, Offer};
use culvert_protocol::envelope::Envelope;
use culvert_protocol::introduction::MAX_LABELS;
use culvert_protocol::{ClientInfo, Labels};

pub(crate) fn run(data: &[u8]) {
    let header = Header::read(data);
    assert_eq!(Header::read(&header.to_bytes()), header, "a header that was read is written as it is");
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(control) = Control::parse(text) {
        let written = control.to_json();
        let again = Control::parse(&written).expect("what we write can be read");
        assert_eq!(again.to_json(), written);
    }
    let Ok(envelope) = Envelope::parse(text) else { return };
    if let Some(extensions) = envelope.extensions {
        let _ = Offer::read(extensions);
        if let Some(grant) = Grant::read(extensions) {
            assert!((MIN_WINDOW..=MAX_WINDOW).contains(&grant.window), "a window is bounded: {}", grant.window);
        }
    }
    if let Some(client) = envelope.client.map(ClientInfo::read) {
        let words = [client.name, client.version, client.host];
        assert!(words.iter().flatten().all(|word| !word.chars().any(char::is_control)), "{words:?} are shown");
    }
    if let Some(labels) = envelope.labels.map(Labels::read) {
        assert!(labels.iter().count() <= MAX_LABELS);
    }
    if let Some(Ok(message)) = envelope.payload.as_ref().map(|payload| payload.message()) {
        assert!(text.contains(message.text()), "a payload is a part of its envelope");
    }
}

//! Event streams of gateways and of local servers, and the POSTs of links over SSE: the same however they are cut.

use bytes::{Bytes, BytesMut};
use culvert_protocol::sse::{EventReader, Record};
use culvert_tunnel::fuzzing::events;

use crate::cut::pieces;

/// Data of a local server's events up to here is kept, in bytes.
const LIMIT: usize = 64;

pub(crate) fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    match first % 3 {
        0 => of_a_gateway(rest),
        1 => of_a_local_server(rest),
        _ => posted(rest),
    }
}

fn of_a_gateway(data: &[u8]) {
    let (whole, cut) = pieces(data);
    let read = |pieces: &[Bytes]| {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        let result = pieces.iter().try_for_each(|piece| reader.read(piece, &mut events));
        (events, result)
    };
    assert_eq!(read(&cut), read(&[whole]), "no cut changes the events");
}

fn of_a_local_server(data: &[u8]) {
    let (whole, cut) = pieces(data);
    let read = |pieces: Vec<Bytes>| {
        events(pieces, LIMIT, |held| assert!(held <= LIMIT + 1, "{held} bytes are held of an event"))
    };
    assert_eq!(read(cut), read(vec![whole]), "no cut changes the events");
}

fn posted(data: &[u8]) {
    let mut body = Bytes::copy_from_slice(data);
    while !body.is_empty() {
        let before = body.clone();
        let Ok(record) = Record::take(&mut body) else { return };
        let mut written = BytesMut::new();
        record.put(&mut written);
        assert_eq!(written, before[..before.len() - body.len()], "a record that was read is written as it was");
        assert_eq!(record.size(), written.len());
    }
}

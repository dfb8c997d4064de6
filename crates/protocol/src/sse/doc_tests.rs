//! docs/protocol.md says of links over SSE + POST what this code does.

use bytes::{Bytes, BytesMut};

use super::{Event, EventReader, Record, event};
use crate::Secret;
use crate::doc_page::{blocks, bytes, rows};

#[test]
fn events_are_written_and_read_as_they_stand() {
    let (told, streams) = (blocks("events"), blocks("stream-of-events"));
    let mut stream = BytesMut::new();
    event::put_comment(&mut stream);
    let mut events = Vec::new();
    for line in &told[0].1 {
        let (kind, rest) = line.split_once(' ').unwrap();
        let two = || rest.split_once(' ').unwrap();
        events.push(match kind {
            "open" => {
                let (connection, key) = (two().0.to_owned(), Secret::new(two().1));
                event::put_open(&connection, &key, &mut stream);
                Event::Open { connection, key }
            }
            "text" => {
                event::put_text(rest, &mut stream);
                Event::Text(rest.to_owned())
            }
            "bin" => {
                event::put_binary(&bytes(rest), &mut stream);
                Event::Binary(bytes(rest))
            }
            "close" => {
                let (code, reason) = (two().0.parse().unwrap(), two().1.to_owned());
                event::put_close(code, &reason, &mut stream);
                Event::Close { code, reason }
            }
            other => panic!("{other:?}"),
        });
    }
    let shown = streams[0].1.join("\n") + "\n";
    assert_eq!(std::str::from_utf8(&stream).unwrap(), shown);
    let mut read = Vec::new();
    EventReader::default().read(shown.as_bytes(), &mut read).unwrap();
    assert_eq!(read, events);
    let documented: Vec<_> = rows("| event | data |").into_iter().map(|row| row[0].clone()).collect();
    let told: Vec<_> = told[0].1.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(documented, told);
}

#[test]
fn records_have_the_bytes_that_are_shown() {
    let mut kinds = Vec::new();
    for line in blocks("records").into_iter().flat_map(|(_, lines)| lines) {
        let (told, shown) = line.split_once("  ").unwrap();
        let (kind, rest) = told.split_once(' ').unwrap();
        let record = match kind {
            "text" => Record::Text(Bytes::from_static(rest.as_bytes())),
            "binary" => Record::Binary(bytes(rest)),
            "close" => {
                let (code, reason) = rest.split_once(' ').unwrap();
                Record::Close(code.parse().unwrap(), Bytes::from_static(reason.as_bytes()))
            }
            other => panic!("{other:?}"),
        };
        let mut body = BytesMut::new();
        record.put(&mut body);
        assert_eq!(body, bytes(shown), "{line}");
        kinds.push(vec![body[0].to_string(), kind.to_owned()]);
        assert_eq!(Record::take(&mut body.freeze()), Ok(record));
    }
    let documented: Vec<_> = rows("| record | name |").into_iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(documented, kinds);
}

#[test]
fn the_headers_of_posts_are_named() {
    let documented: Vec<_> = rows("| POST header |").into_iter().map(|row| row[0].to_ascii_lowercase()).collect();
    assert_eq!(documented, [super::KEY_HEADER, super::NUMBER_HEADER]);
}

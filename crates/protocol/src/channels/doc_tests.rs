//! docs/protocol.md says what this code does: its examples are replayed byte for byte, its tables compared.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::control::{Control, Grant, Header, Offer, Purpose};
use super::frame::{ChannelId, Frame, ResetReason};
use super::mux::{Event, Mux, Side};
use super::resume::{Inbox, Outbox};
use crate::doc_page::{blocks, bytes, rows};
use crate::envelope::{Envelope, Kind, Register, ServerInfo, Writer};
use crate::introduction::{ClientInfo, Labels};
use crate::message::{Message, Shape};
use crate::{Secret, ServerName, limits, sse};

fn side(mark: &str) -> usize {
    match mark {
        "G" => 0,
        "C" => 1,
        other => panic!("{other:?} is no side"),
    }
}

/// What this code writes for a message that it has read.
fn written(json: &str) -> String {
    if let Some(control) = Control::parse(json) {
        return control.to_json();
    }
    let envelope = Envelope::parse(json).unwrap();
    let members: Value = serde_json::from_str(json).unwrap();
    let writer = Writer::new(envelope.session_id.as_deref().unwrap());
    let message = envelope.message.as_deref().unwrap_or_default();
    let payload = || {
        let payload = envelope.payload.unwrap().text();
        assert_eq!(Message::parse(payload).unwrap().untidy(), None, "{payload}");
        payload
    };
    match (&envelope.kind, envelope.status.as_deref()) {
        (Kind::Register, _) => {
            let server: ServerInfo = serde_json::from_str(envelope.server.unwrap().get()).unwrap();
            let offer = Offer::read(envelope.extensions.unwrap());
            assert!(offer.has_channels());
            writer.register(&Register {
                name: &ServerName::new(server.name.unwrap()).unwrap(),
                description: server.description.as_deref(),
                offer,
                client: &envelope.client.map(ClientInfo::read).unwrap_or_default(),
                labels: &envelope.labels.map(Labels::read).unwrap_or_default(),
            })
        }
        (Kind::RegisterAck, Some(status)) => match envelope.extensions {
            Some(extensions) => writer.register_grant(&Grant::read(extensions).unwrap()),
            None => writer.register_ack(status),
        },
        (Kind::RegisterComplete, Some("success")) => writer.register_complete(),
        (Kind::RegisterComplete, Some("error")) => writer.register_refused(message),
        (Kind::Labels, _) => writer.labels(&Labels::read(envelope.labels.unwrap())),
        (Kind::Unregister, _) => writer.unregister(),
        (Kind::Heartbeat, _) => match members["timestamp"].as_str() {
            Some(timestamp) => writer.heartbeat_ack(timestamp),
            None => writer.heartbeat(),
        },
        (Kind::Request, _) => writer.request(payload()),
        (Kind::Response, _) => writer.response(payload()),
        (Kind::Notification, _) => writer.notification(payload()),
        (Kind::Error, _) => writer.error(message),
        other => panic!("nobody writes {other:?}"),
    }
}

#[test]
fn control_examples_are_written_as_they_stand() {
    let mut shown = BTreeSet::new();
    for (mark, json) in blocks("control").iter().flat_map(|(_, lines)| lines).map(|line| line.split_once(' ').unwrap())
    {
        assert_eq!(written(json), json);
        let members: Value = serde_json::from_str(json).unwrap();
        shown.insert((members["type"].as_str().unwrap().to_owned(), side(mark)));
    }
    for row in rows("| type | from |") {
        let mark = row[1].replace("both", "C");
        assert!(shown.contains(&(row[0].clone(), side(&mark))), "{} of {mark} has no example", row[0]);
    }
}

#[test]
fn what_others_write_is_read() {
    for line in blocks("foreign").into_iter().flat_map(|(_, lines)| lines) {
        let json = line.split_once(' ').unwrap().1;
        let envelope = Envelope::parse(json).unwrap();
        match envelope.kind {
            Kind::Error => assert!(envelope.message.is_some()),
            Kind::Request => assert!(envelope.authentication.is_some()),
            _ => {
                let payload = envelope.payload.unwrap().message().unwrap();
                assert!(matches!(payload.shape(), Shape::Request(_)), "the label misleads");
            }
        }
    }
}

fn reason(name: &str) -> ResetReason {
    let row = rows("| reason | name |").into_iter().find(|row| row[1] == name).expect(name);
    let mut frame = bytes(&format!("00000001 05 000002 {:04x}", row[0].parse::<u16>().unwrap()));
    match Frame::take(&mut frame).unwrap() {
        (_, Frame::Reset(reason, _)) => reason,
        other => panic!("{other:?}"),
    }
}

fn told(event: &Event) -> String {
    match event {
        Event::Opened(id, _) => format!("OPEN {id}"),
        Event::Data(id, bytes) => format!("DATA {id} {}", bytes.len()),
        Event::Finished(id) => format!("FIN {id}"),
        Event::Reset(id, why, words) => {
            let known = rows("| reason | name |").into_iter().find(|row| row[0] == why.number().to_string()).unwrap();
            format!("RESET {id} {} {words}", known[1])
        }
    }
}

/// What one end is made to do: `open {…}`, `line 1 {…}`, `bytes 1 '…'`, `finish 1`, `taken 1 512`, `reset 1 idle why`.
fn act(mux: &mut Mux, action: &str) {
    let (verb, rest) = action.split_once(' ').unwrap();
    if verb == "open" {
        let header = Header::read(rest.as_bytes()).to_bytes();
        assert_eq!(header, rest, "headers are written as they stand");
        mux.open(header).unwrap();
        return;
    }
    let (id, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let id = ChannelId(id.parse().unwrap());
    match verb {
        "line" => mux.write(id, format!("{rest}\n").into()),
        "bytes" => mux.write(id, bytes(rest)),
        "finish" => mux.finish(id),
        "taken" => mux.consumed(id, rest.parse().unwrap()),
        "reset" => {
            let (name, words) = rest.split_once(' ').unwrap();
            mux.reset(id, reason(name), words);
        }
        other => panic!("nobody knows how to {other}"),
    }
}

#[test]
fn frame_examples_are_filled_and_received_byte_for_byte() {
    for (setting, lines) in blocks("frames") {
        let window = setting.strip_prefix("window=").unwrap().parse().unwrap();
        let mut ends = [Mux::new(Side::Gateway, window), Mux::new(Side::Client, window)];
        let mut steps: Vec<String> = Vec::new();
        for line in lines {
            match (line.strip_prefix("   "), steps.last_mut()) {
                (Some(more), Some(step)) => *step += &format!(" {more}"),
                _ => steps.push(line.to_owned()),
            }
        }
        let mut heard = Vec::new();
        for step in steps {
            let (mark, rest) = step.split_at(1);
            let (kind, rest) = rest.split_at(2);
            let end = side(mark);
            if kind == "< " {
                let events: Vec<_> = heard.drain(..).map(|event| told(&event)).collect();
                assert_eq!(events.join("; "), rest);
                continue;
            }
            assert!(heard.is_empty(), "{heard:?} before {step}");
            match (kind, rest) {
                (": ", action) => act(&mut ends[end], action),
                ("> ", "nothing") => assert_eq!(ends[end].fill(), None, "{step}"),
                ("> ", message) => {
                    let filled = ends[end].fill().expect(&step);
                    assert_eq!(filled, bytes(message), "{step}");
                    ends[1 - end].receive(filled, &mut heard).unwrap();
                }
                _ => panic!("{step}"),
            }
        }
        assert!(heard.is_empty() && ends.iter().all(|end| !end.has_output()), "there is more to tell");
    }
}

#[test]
fn violations_are_found_and_named() {
    for line in blocks("violations").into_iter().flat_map(|(_, lines)| lines) {
        let mut ends = [Side::Gateway, Side::Client].map(|side| Mux::new(side, 1024));
        ends[0].open(Bytes::new()).unwrap();
        let opening = ends[0].fill().unwrap();
        ends[1].receive(opening, &mut Vec::new()).unwrap();
        let (mark, rest) = line.split_once(' ').unwrap();
        let (message, words) = rest.split_once("  ").unwrap();
        let judged = ends[1 - side(mark)].receive(bytes(message), &mut Vec::new());
        assert_eq!(judged.expect_err(line).to_string(), words.trim());
    }
}

/// One side of the resumable stream, with what is on its way to the other.
struct End {
    outbox: Outbox,
    inbox: Inbox,
    wire: VecDeque<Bytes>,
}

fn message(length: &str) -> Bytes {
    bytes(&format!("'x'*{length}"))
}

#[test]
fn the_stream_goes_on_as_the_example_says() {
    for (_, lines) in blocks("stream") {
        let mut ends = [(); 2].map(|()| End {
            outbox: Outbox::new(super::OUTBOX),
            inbox: Inbox::new(super::OUTBOX),
            wire: VecDeque::new(),
        });
        let mut resumed_from = [0; 2];
        for line in lines {
            if line == "the connection breaks" {
                ends.iter_mut().for_each(|end| end.wire.clear());
                continue;
            }
            let (mark, rest) = line.split_once(' ').unwrap();
            let end = side(mark);
            if rest.starts_with('{') {
                let received = ends[end].inbox.acknowledge();
                let control = match Control::parse(rest).unwrap() {
                    Control::Ack { .. } => Control::Ack { received },
                    Control::Resume { session_id, key, attempt, .. } => {
                        Control::Resume { session_id, key, received, attempt }
                    }
                    Control::Resumed { .. } => Control::Resumed { received },
                    other => panic!("{other:?}"),
                };
                assert_eq!(control.to_json(), rest);
                match control {
                    Control::Ack { .. } => ends[1 - end].outbox.acknowledge(received).unwrap(),
                    _ => resumed_from[1 - end] = received,
                }
                continue;
            }
            match rest.split_once(' ').unwrap() {
                ("sends", length) => {
                    assert!(ends[end].outbox.has_room());
                    ends[end].outbox.push(message(length));
                    ends[end].wire.push_back(message(length));
                }
                ("receives", length) => {
                    let came = ends[1 - end].wire.pop_front().expect(line);
                    assert_eq!(came.len().to_string(), length);
                    ends[end].inbox.count(came.len());
                }
                ("repeats", length) => {
                    let again: Vec<_> = ends[end].outbox.replay(resumed_from[end]).unwrap().collect();
                    assert_eq!(again, [message(length)]);
                    ends[end].wire.extend(again);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(ends.iter().all(|end| end.outbox.held() == 0 && end.wire.is_empty()), "something is left over");
    }
}

#[test]
fn counts_are_judged_as_the_example_says() {
    let [story, good, bad] = blocks("counts")[0].1[..] else { panic!("three lines") };
    let (sent, acknowledged) = story.strip_prefix("sent ").unwrap().split_once(", acknowledged ").unwrap();
    let outbox = || {
        let mut outbox = Outbox::new(super::OUTBOX);
        sent.split(' ').for_each(|length| outbox.push(message(length)));
        outbox.acknowledge(acknowledged.parse().unwrap()).unwrap();
        outbox
    };
    let judge = |count: &str| outbox().acknowledge(count.parse().unwrap());
    good.strip_prefix("good ").unwrap().split(' ').for_each(|count| judge(count).expect(count));
    bad.strip_prefix("bad ").unwrap().split(' ').for_each(|count| assert!(judge(count).is_err(), "{count}"));
}

#[test]
fn the_tables_of_frames_and_reasons_are_complete() {
    let frames = [
        ("OPEN", Frame::Open(Bytes::new())),
        ("DATA", Frame::Data(Bytes::new())),
        ("CREDIT", Frame::Credit(0)),
        ("FIN", Frame::Fin),
        ("RESET", Frame::Reset(ResetReason::Cancelled, Bytes::new())),
    ];
    let documented = rows("| kind | name |");
    assert_eq!(documented.len(), frames.len());
    for ((name, frame), row) in frames.into_iter().zip(documented) {
        let mut message = BytesMut::new();
        frame.put(ChannelId(1), &mut message);
        assert_eq!((row[0].clone(), &*row[1]), (message[4].to_string(), name));
    }
    let reasons = rows("| reason | name |");
    for row in &reasons {
        let words = format!("{:?}", reason(&row[1]));
        let words = words.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase()));
        assert_eq!(words.collect::<String>().trim_start_matches('_'), row[1]);
        assert_eq!(reason(&row[1]).number().to_string(), row[0]);
    }
    let (_, frame) = Frame::take(&mut bytes(&format!("00000001 05 000002 {:04x}", reasons.len() + 1))).unwrap();
    assert!(matches!(frame, Frame::Reset(ResetReason::Other(_), _)), "a reason is missing");
}

fn members(value: impl serde::Serialize) -> BTreeSet<String> {
    serde_json::to_value(value).unwrap().as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_tables_of_members_are_complete() {
    let table = rows("| member | in |");
    let documented = |part| {
        table.iter().filter(|row| [part, "both"].contains(&&*row[1])).map(|row| row[0].clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(
        documented("offer"),
        members(Offer { single_child: true, trial: true, max_message: Some(1), ..Offer::ALL })
    );
    let grant = |window| Grant::new(window, 1, Duration::from_secs(1), Secret::new("k"));
    assert_eq!(documented("grant"), members(grant(1024)));
    let too_small = serde_json::value::to_raw_value(&grant(1023)).unwrap();
    assert!(Grant::read(&too_small).is_none());
    let some = || Some(String::new());
    let header = Header { purpose: Purpose::Gateway, session: some(), subject: some(), client: some() };
    let documented: BTreeSet<_> = rows("| member | type |").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, members(header));
    assert_eq!(Header::read(b"?"), Header::read(b"{}"));
}

#[test]
fn the_limits_are_the_codes() {
    let seconds = |time: Duration| time.as_secs() as usize;
    let limits = [
        ("binary message, bytes", super::MAX_MESSAGE),
        ("DATA of one turn, bytes", super::TURN),
        ("window, usual, bytes", super::WINDOW as usize),
        ("outbox, bytes", super::OUTBOX),
        ("message of a link unless set, bytes", limits::MAX_MESSAGE_DEFAULT),
        ("message to a strict base gateway, bytes", limits::MAX_MESSAGE_STRICT),
        ("message over SSE + POST, bytes", sse::MAX_MESSAGE),
        ("body of a POST, bytes", sse::MAX_BODY),
        ("POSTs under way", sse::AHEAD as usize),
        ("JSON text of a request id, bytes", limits::MAX_ID),
        ("silence before a ping, seconds", seconds(limits::SILENCE_BEFORE_PING)),
        ("silence after a ping, seconds", seconds(limits::SILENCE_AFTER_PING)),
        ("dialling, seconds", seconds(limits::DIAL_TIMEOUT)),
        ("registering, seconds", seconds(limits::REGISTER_TIMEOUT)),
        ("heartbeat interval unless set, seconds", seconds(limits::KEEPALIVE_DEFAULT)),
        ("least time between heartbeat acknowledgements, seconds", seconds(limits::HEARTBEAT_ACK_INTERVAL)),
        ("silence of a server before it is asked, seconds", seconds(limits::PROBE_INTERVAL_DEFAULT)),
        ("calls in flight of a client that stops, seconds", seconds(limits::DRAIN_DEFAULT)),
        ("longest wait between tries, seconds", seconds(limits::RETRY_CAP)),
        ("SSE before WebSocket is tried again, seconds", seconds(limits::WEBSOCKET_AGAIN)),
    ];
    let expected: Vec<_> = limits.into_iter().map(|(what, value)| vec![what.to_owned(), value.to_string()]).collect();
    assert_eq!(rows("| what | value |"), expected);
}

//! As much of D-Bus's wire as it takes to hear one signal: two calls to the bus itself, and messages read as far as who
//! says what (D-Bus Specification, "Message Protocol"). Pure.

/// The fixed part of a message, in bytes.
pub(super) const HEAD: usize = 16;

/// The longest message that is read: what is heard here has a few hundred bytes.
const LONGEST: usize = 64 * 1024;

const CALL: u8 = 1;
const SIGNAL: u8 = 4;

/// The header fields that are read or written, by their codes.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A call of the bus's own method of this name, with one text as its argument or none.
pub(super) fn call(serial: u32, member: &str, argument: Option<&str>) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(argument) = argument {
        put_text(&mut body, argument);
    }
    let mut fields = Vec::new();
    let mut field = |code: u8, kind: u8, value: &str| {
        pad(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        match kind {
            b'g' => {
                fields.push(1);
                fields.extend(value.as_bytes());
                fields.push(0);
            }
            _ => put_text(&mut fields, value),
        }
    };
    field(PATH, b'o', "/org/freedesktop/DBus");
    field(INTERFACE, b's', "org.freedesktop.DBus");
    field(MEMBER, b's', member);
    field(DESTINATION, b's', "org.freedesktop.DBus");
    if argument.is_some() {
        field(SIGNATURE, b'g', "s");
    }
    let mut message = vec![b'l', CALL, 0, 1];
    message.extend(length(&body));
    message.extend(serial.to_le_bytes());
    message.extend(length(&fields));
    message.extend(fields);
    pad(&mut message, 8);
    message.extend(body);
    message
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend(length(text.as_bytes()));
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// In which order a message has its bytes: its sender's.
#[derive(Debug, Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(head: &[u8]) -> Option<Self> {
        match head.first()? {
            b'l' => Some(Self::Little),
            b'B' => Some(Self::Big),
            _ => None,
        }
    }

    fn number(self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        usize::try_from(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
        .ok()
    }
}

/// Where the header fields end, and the message.
fn ends(head: &[u8]) -> Option<(Order, usize, usize)> {
    let order = Order::of(head)?;
    let fields = HEAD.checked_add(order.number(head, 12)?)?;
    let body = fields.checked_next_multiple_of(8)?;
    let end = body.checked_add(order.number(head, 4)?)?;
    (end <= LONGEST).then_some((order, fields, end))
}

/// How many bytes follow a message's fixed part. `None`: it makes no sense, or is too long.
pub(super) fn rest(head: &[u8]) -> Option<usize> {
    ends(head).map(|(_, _, end)| end - HEAD)
}

/// A message, as far as it is of interest here.
#[derive(Debug)]
pub(super) struct Message {
    kind: u8,
    order: Order,
    interface: String,
    member: String,
    body: Vec<u8>,
}

impl Message {
    /// A whole message.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (order, fields, end) = ends(bytes)?;
        let body = bytes.get(fields.next_multiple_of(8)..end)?.to_owned();
        let mut message = Self { kind: *bytes.get(1)?, order, interface: String::new(), member: String::new(), body };
        let mut at = HEAD;
        while at < fields {
            at = at.next_multiple_of(8);
            // The code, and the signature of the value: one letter, with its length before and a zero after it.
            let &[code, 1, kind, 0] = bytes.get(at..)?.first_chunk()? else { return None };
            at += 4;
            at = match kind {
                b's' | b'o' => {
                    at = at.next_multiple_of(4);
                    let length = order.number(bytes, at)?;
                    let text = bytes.get(at + 4..fields)?.get(..length)?;
                    let text = || String::from_utf8_lossy(text).into_owned();
                    match code {
                        INTERFACE => message.interface = text(),
                        MEMBER => message.member = text(),
                        _ => {}
                    }
                    at + 4 + length + 1
                }
                b'g' => at + 1 + usize::from(*bytes.get(at)?) + 1,
                b'u' => at.next_multiple_of(4) + 4,
                _ => return None,
            };
        }
        Some(message)
    }

    /// Whether it is this signal.
    pub(super) fn is_signal(&self, interface: &str, member: &str) -> bool {
        self.kind == SIGNAL && self.interface == interface && self.member == member
    }

    /// Its first argument as a yes or no.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.order.number(&self.body, 0)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_as_it_was_written() {
        let bytes = call(2, "AddMatch", Some("type='signal'"));
        assert_eq!(rest(&bytes[..HEAD]), Some(bytes.len() - HEAD));
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.kind, &*message.interface, &*message.member), (CALL, "org.freedesktop.DBus", "AddMatch"));
        assert_eq!(message.body, b"\x0d\0\0\0type='signal'\0");
        assert!(!message.is_signal("org.freedesktop.DBus", "AddMatch"));
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic() {
        let whole = call(1, "Hello", Some("there"));
        for at in 0..whole.len() {
            assert!(Message::parse(&whole[..at]).is_none());
            for byte in [0, 1, 127, 255] {
                let mut other = whole.clone();
                other[at] = byte;
                let _ = (rest(&other), Message::parse(&other));
            }
        }
        let mut long = whole;
        long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(rest(&long), None);
    }
}

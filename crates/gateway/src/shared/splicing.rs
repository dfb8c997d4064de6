//! The only bytes that change where several clients share one child: ids and progress tokens.

use bytes::Bytes;
use culvert_protocol::message::Message;
use culvert_protocol::splice::splice;
use serde_json::value::RawValue;

/// A client's request as the child gets it: `number` for its id and, if it has one, for its progress token.
pub(super) fn request<'a>(request: &Message<'a>, token: Option<&'a RawValue>, number: u64) -> Bytes {
    let number = number.to_string();
    let id = request.id_span().map(|span| (span, &*number));
    let token = token.map(|token| (request.span_of(token), &*number));
    let mut edits: Vec<_> = id.into_iter().chain(token).collect();
    edits.sort_by_key(|(span, _)| span.start);
    splice(request.text(), &edits)
}

/// The child's answer as its client gets it: with the id as the client spelled it.
pub(super) fn answer(answer: &Message<'_>, id: &str) -> Bytes {
    match answer.id_span() {
        Some(span) => splice(answer.text(), &[(span, id)]),
        None => Bytes::copy_from_slice(answer.text().as_bytes()),
    }
}

/// A notification in which `part`, found in it, reads `new`.
pub(super) fn part<'a>(notification: &Message<'a>, part: &'a RawValue, new: &str) -> Bytes {
    splice(notification.text(), &[(notification.span_of(part), new)])
}

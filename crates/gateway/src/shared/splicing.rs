//! The only bytes that change where several clients share one child: ids, of calls and subscriptions, and progress
//! tokens.

use bytes::Bytes;
use culvert_protocol::message::{Message, member};
use culvert_protocol::revision::META_SUBSCRIPTION;
use culvert_protocol::splice::splice;
use serde_json::value::RawValue;

use crate::era;

/// A client's request as the child gets it: `number` for its id and, if it has one, for its progress token.
pub(super) fn request<'a>(request: &Message<'a>, token: Option<&'a RawValue>, number: u64) -> Bytes {
    let number = number.to_string();
    let id = request.id_span().map(|span| (span, &*number));
    let token = token.map(|token| (request.span_of(token), &*number));
    let mut edits: Vec<_> = id.into_iter().chain(token).collect();
    edits.sort_by_key(|(span, _)| span.start);
    splice(request.text(), &edits)
}

/// The child's answer as its client gets it: with the id as the client spelled it, also where it names the
/// `subscription` that ends with it.
pub(super) fn answer<'a>(answer: &Message<'a>, subscription: Option<&'a RawValue>, id: &str) -> Bytes {
    let spans = [answer.id_span(), subscription.map(|part| answer.span_of(part))];
    let mut edits: Vec<_> = spans.into_iter().flatten().map(|span| (span, id)).collect();
    edits.sort_by_key(|(span, _)| span.start);
    splice(answer.text(), &edits)
}

/// Where a message says to which subscription it belongs.
pub(super) fn subscription<'a>(message: &Message<'a>) -> Option<&'a RawValue> {
    if !era::may_have(message, "subscriptionId") {
        return None;
    }
    let of = message.result().or(message.params())?;
    member(member(of, "_meta").ok()??, META_SUBSCRIPTION).ok()?
}

/// A notification in which `part`, found in it, reads `new`.
pub(super) fn part<'a>(notification: &Message<'a>, part: &'a RawValue, new: &str) -> Bytes {
    splice(notification.text(), &[(notification.span_of(part), new)])
}

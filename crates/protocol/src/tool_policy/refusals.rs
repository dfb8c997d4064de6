//! What is answered, or asked of the server, in the place of a message that may not pass as it is.

use super::akin::sole_param;
use super::desk::ToServer;
use super::listing::text;
use super::{Denied, Feature, ToolPolicy};
use crate::message::{Message, Shape, batch};
use crate::revision::META_VERSION;
use crate::rpc_error::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, RpcError};
use crate::splice::splice;

pub(super) fn refused(raw_id: &str, code: i32, reason: &'static str, why: String) -> ToServer {
    ToServer::Refuse(vec![RpcError::new(code, reason, why).answer(raw_id)])
}

pub(super) fn twice(raw_id: &str, member: &str) -> ToServer {
    let why = format!(
        "the tool policy cannot judge this message: the member {member:?} is there twice, or in another spelling"
    );
    refused(raw_id, INVALID_REQUEST, "policy.unclear", why)
}

pub(super) fn unclear(why: &str) -> RpcError {
    RpcError::tunnel("policy.unclear", why)
}

pub(super) fn denied_call(raw_id: &str, name: &str, denied: Denied) -> ToServer {
    let name = crate::text::clean(name, 128);
    let (code, why) = match denied {
        // The words of a server that has no such tool: what is hidden is not told apart from what is not there.
        Denied::Name | Denied::Writes | Denied::Unlisted => ("policy.denied", format!("Unknown tool: {name}")),
        Denied::Held => (
            "policy.held",
            format!(
                "the tool {name} is new or has changed since it was approved; it is held back until the owner of this server approves it"
            ),
        ),
    };
    refused(raw_id, INVALID_PARAMS, code, why)
}

/// A method of a feature that is off: lists are empty, all else is unknown.
pub(super) fn off(message: &Message<'_>, method: &str, raw_id: &str) -> ToServer {
    let member = match method {
        "prompts/list" => "prompts",
        "resources/list" => "resources",
        "resources/templates/list" => "resourceTemplates",
        _ => {
            let why = format!("{} is switched off on this server", crate::text::clean(method, 80));
            return refused(raw_id, METHOD_NOT_FOUND, "policy.off", why);
        }
    };
    let is_stateless = matches!(message.param(&["_meta", META_VERSION]), Ok(Some(_)));
    let kind = if is_stateless { r#","resultType":"complete""# } else { "" };
    ToServer::Answer(vec![format!(r#"{{"jsonrpc":"2.0","id":{raw_id},"result":{{"{member}":[]{kind}}}}}"#)])
}

/// A subscription, without what it asks of features that are off.
pub(super) fn listen(policy: &ToolPolicy, message: &Message<'_>, raw_id: &str) -> ToServer {
    let members: [(Feature, &'static str, &str); 3] = [
        (policy.prompts, "promptsListChanged", "false"),
        (policy.resources, "resourcesListChanged", "false"),
        (policy.resources, "resourceSubscriptions", "[]"),
    ];
    let mut edits = Vec::new();
    for (_, name, nothing) in members.into_iter().filter(|(feature, ..)| *feature == Feature::Off) {
        match sole_param(message, &["notifications", name]) {
            Ok(None) => {}
            Ok(Some(wanted)) => edits.push((message.span_of(wanted), nothing)),
            Err(_) => return twice(raw_id, name),
        }
    }
    if edits.is_empty() {
        return ToServer::Pass;
    }
    edits.sort_by_key(|(span, _)| span.start);
    ToServer::Instead(splice(message.text(), &edits))
}

pub(super) fn completion(policy: &ToolPolicy, message: &Message<'_>, raw_id: &str) -> ToServer {
    let kind = match sole_param(message, &["ref", "type"]) {
        Ok(kind) => kind.and_then(text),
        Err(_) => return twice(raw_id, "ref"),
    };
    let feature = match kind.as_deref() {
        Some("ref/prompt") => policy.prompts,
        Some("ref/resource") => policy.resources,
        _ if policy.prompts == Feature::Off || policy.resources == Feature::Off => Feature::Off,
        _ => Feature::On,
    };
    match feature {
        Feature::On => ToServer::Pass,
        Feature::Off => off(message, "completion/complete", raw_id),
    }
}

pub(super) fn refuse_batch(line: &str) -> Vec<String> {
    let error = RpcError::new(INVALID_REQUEST, "policy.batch", "batches do not pass where there is a tool policy");
    let elements = batch(line).unwrap_or_default();
    let ids = elements.iter().filter_map(|element| {
        let message = Message::parse(element.get()).ok()?;
        matches!(message.shape(), Shape::Request(_)).then(|| message.raw_id()).flatten()
    });
    ids.map(|id| error.answer(id)).collect()
}

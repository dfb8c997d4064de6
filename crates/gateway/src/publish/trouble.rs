//! What keeps publishing from its work, in words: what happened, why, and what to do.

use culvert_protocol::GatewayAddress;

use super::answer::Failure;

/// Told in the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Stable, for searches.
    pub(super) code: &'static str,
    pub(super) why: String,
    pub(super) action: &'static str,
}

/// The rights that a token needs, as ContextForge names them.
const RIGHTS: &str = "Write a token into the publishing token's file whose user may gateways.create, .read, .update and \
                      .delete, and tools.read and .update (prompts and resources likewise).";

const ODD: &str = "Look into ContextForge's own log; its version 1.0.7 is known to work.";

/// Of what stops all publishing.
pub(super) fn of_all(failure: &Failure, contextforge: &str) -> Told {
    match failure {
        Failure::Unreachable(why) => Told {
            code: "publish.unreachable",
            why: why.clone(),
            action: "Check --publish-to, --publish-ca-cert, the proxy (--publish-proxy, HTTPS_PROXY), and that ContextForge \
                     runs; it is asked again by itself.",
        },
        Failure::Busy { status, .. } => Told {
            code: "publish.busy",
            why: format!("{contextforge} answered {status}"),
            action: "Nothing: it is asked again later. With many servers, raise ContextForge's RATE_LIMIT_MEDIUM_RPM.",
        },
        Failure::Token(why) => Told {
            code: "publish.token",
            why: because("it does not take the publishing token", why),
            action: "Write a good token into the publishing token's file; it is read when it changes.",
        },
        Failure::Forbidden(why) => {
            Told { code: "publish.forbidden", why: because("the token may not read its gateways", why), action: RIGHTS }
        }
        Failure::Missing => Told {
            code: "publish.not_contextforge",
            why: format!("there is no list of gateways at {contextforge}"),
            action: "Give --publish-to the address of a ContextForge, with its path prefix if it has one.",
        },
        Failure::Conflict(why) | Failure::Invalid(why) | Failure::NoWayBack(why) => {
            Told { code: "publish.odd", why: because("it cannot read out its gateways", why), action: ODD }
        }
        Failure::Odd { status, detail } => {
            Told { code: "publish.odd", why: because(&format!("it answered {status}"), detail), action: ODD }
        }
    }
}

/// Of what stops one server.
pub(super) fn of_server(failure: &Failure, base: &GatewayAddress) -> Told {
    match failure {
        Failure::Forbidden(why) => {
            Told { code: "publish.forbidden", why: because("the token may not do this", why), action: RIGHTS }
        }
        Failure::Conflict(why) => Told {
            code: "publish.conflict",
            why: because("something else at ContextForge has its name or its address", why),
            action: "Rename or delete the other entry there, or give the server another name.",
        },
        Failure::Invalid(why) => Told {
            code: "publish.invalid",
            why: because(&format!("ContextForge does not take the address {base}"), why),
            action: "Let ContextForge reach it: SSRF_ALLOW_LOCALHOST=true for loopback, SSRF_ALLOWED_NETWORKS or \
                     SSRF_ALLOW_PRIVATE_NETWORKS=true for private networks; or give another --public-url.",
        },
        Failure::NoWayBack(why) => Told {
            code: "publish.no_way_back",
            why: because(&format!("ContextForge cannot use the server at {base}"), why),
            action: "Check that ContextForge reaches that address (else give --public-url), trusts its certificate, and \
                     that the server offers tools.",
        },
        other => of_all(other, "ContextForge"),
    }
}

fn because(what: &str, why: &str) -> String {
    if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") }
}

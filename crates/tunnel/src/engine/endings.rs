//! What the end of a session, or of a link, means: its cause, in the light of those before it.

use std::time::Duration;

use culvert_link::LinkEnd;
use culvert_protocol::Cause;
use culvert_protocol::cause::because;
use tracing::debug;

use crate::config::TunnelConfig;
use crate::end::End;
use crate::registration::{Refusal, Refusals};
use crate::report::Report;

/// What our own gateway says to a tunnel whose name another one has registered.
const DISPLACED: &str = "register.displaced";

/// A session that the gateway ends without a word so soon after its registration was most likely displaced.
const DISPLACED_WITHIN: Duration = Duration::from_secs(10);

/// How often in a row that must happen before it is called so.
const DISPLACED_AFTER: u32 = 2;

/// What ended in a row.
#[derive(Debug, Default)]
pub(super) struct Endings {
    refusals: Refusals,
    /// Sessions that ended as if displaced.
    displaced: u32,
}

impl Endings {
    /// What a registration that was turned down amounts to.
    pub(super) fn refused(&mut self, refusal: Refusal) -> Cause {
        self.refusals.cause(refusal)
    }

    /// Why a session that ended so did. `None`: nothing failed.
    pub(super) fn cause(&mut self, end: End, config: &TunnelConfig, report: &Report) -> Option<Cause> {
        let displaced = || Cause::Displaced { name: config.name.to_string() };
        let was_online = matches!(&end, End::Link(_, Some(_)) | End::Server(_));
        if was_online {
            self.refusals.forget();
        }
        let cause = match end {
            End::Stopped | End::TokenReplaced => return None,
            End::Refused(refusal) => return Some(self.refusals.cause(refusal)),
            End::Cause(cause) => cause,
            End::Server(exit) => {
                debug!(name = %config.name, "the local server {exit}");
                report.ledger().figures().exited();
                let cause = exit.later();
                report.restarts(cause.clone());
                cause
            }
            // Our own gateway says what others leave to be guessed.
            End::Link(LinkEnd::Closed { reason, .. }, Some(_)) if reason == DISPLACED => {
                return Some(displaced());
            }
            End::Link(LinkEnd::Closed { code: 1000, reason }, Some(online)) if reason.is_empty() => {
                self.displaced = if online <= DISPLACED_WITHIN { self.displaced + 1 } else { 0 };
                if self.displaced >= DISPLACED_AFTER {
                    return Some(displaced());
                }
                return Some(Cause::Removed { detail: String::new() });
            }
            End::Link(end, online) => {
                let stage = online.map_or(Stage::Registering, |_| Stage::Registered);
                link_cause(end, stage, || config.gateway.to_string())
            }
        };
        self.displaced = 0;
        Some(cause)
    }
}

/// How far a registration was when its link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not complete.
    Registering,
    /// Complete.
    Registered,
}

/// The end of a link as a cause. Codes from 4000 on are our own gateway's, and carry the cause's code as their reason.
pub(crate) fn link_cause(end: LinkEnd, stage: Stage, gateway: impl Fn() -> String) -> Cause {
    match end {
        LinkEnd::Closed { reason, .. } if reason == "auth.expired" => Cause::TokenExpired { gateway: gateway() },
        LinkEnd::Closed { reason, .. } if reason.starts_with("auth.") => {
            Cause::TokenRejected { gateway: gateway(), detail: because(&reason) }
        }
        LinkEnd::Closed { code: 1009, .. } => Cause::FrameTooLarge,
        LinkEnd::Closed { code: 1008, reason } if stage == Stage::Registering => Cause::RegisterFailed {
            reason: if reason.is_empty() { "it closed the link (1008)".to_owned() } else { reason },
        },
        LinkEnd::Closed { code: 1000 | 1008 | 4000.., reason } => Cause::Removed { detail: because(&reason) },
        LinkEnd::Silent(after) => Cause::LinkSilent { after },
        end => Cause::LinkLost { detail: end.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use culvert_protocol::Explain as _;

    use super::*;

    #[test]
    fn our_gateways_reasons_and_close_codes_become_causes() {
        let cause = |code, reason: &str, stage| {
            let end = LinkEnd::Closed { code, reason: reason.to_owned() };
            link_cause(end, stage, || "https://gw".to_owned()).code()
        };
        assert_eq!(cause(4401, "auth.expired", Stage::Registered), "auth.expired");
        assert_eq!(cause(4401, "auth.revoked", Stage::Registered), "auth.rejected");
        assert_eq!(cause(1009, "", Stage::Registered), "link.too_large");
        assert_eq!(cause(1008, "", Stage::Registering), "register.failed");
        assert_eq!(cause(1008, "deleted", Stage::Registered), "register.removed");
        assert_eq!(cause(1012, "", Stage::Registered), "link.lost");
    }
}

//! Doctor's checks on an unsaved form, each told as it begins and as it ends.

use std::collections::BTreeSet;

use culvert_instance::Terms as _;
use culvert_instance::checks::{Check, Finding, Outcome, examine};
use culvert_profiles::{Content, Profile};
use tokio::sync::mpsc;

use crate::check::{explained, made};
use crate::culvert::Culvert;
use crate::filled::{Filled, filled};
use crate::shown::{Draft, Explained, StepState, TestStep};

impl Culvert {
    /// Runs the checks. `tell` hears all of them as pending first, then each that begins or has ended. Whatever was
    /// started is ended when this returns, and at once when it is dropped.
    pub async fn test(&self, form: &Draft, tell: impl Fn(Vec<TestStep>)) {
        let before = form.id.as_ref().and_then(|id| self.saved(id).ok());
        let before = before.as_ref().and_then(|saved| match &saved.content {
            Content::Profile(draft) => Some(draft),
            _ => None,
        });
        let Filled { draft, typed } = filled(form, before, "typed", self.choices().gateway_port);
        let mut profile = match made(&draft) {
            Ok(profile) => profile,
            Err(error) => {
                let state = StepState::Failed { why: explained(&error) };
                return tell(vec![TestStep {
                    id: Check::Configuration.id().to_owned(),
                    title: title(Check::Configuration, None),
                    state,
                }]);
            }
        };
        self.0.agreement.prepare(&mut profile);
        let plan = plan(&profile);
        tell(
            plan.iter()
                .map(|(id, title)| TestStep { id: id.clone(), title: title.clone(), state: StepState::Pending })
                .collect(),
        );
        let (sender, mut findings) = mpsc::unbounded_channel();
        let sources = self.0.sources.with_typed(typed);
        let hidden = BTreeSet::new();
        let mut hear = |finding: Finding| _ = sender.send(finding);
        let examined = examine(&profile, &hidden, &sources, fastrand::Rng::new(), &mut hear);
        tokio::pin!(examined);
        let mut steps = plan.into_iter();
        let mut current = steps.next();
        let begin = |step: &Option<(String, String)>| {
            if let Some((id, title)) = step {
                tell(vec![TestStep { id: id.clone(), title: title.clone(), state: StepState::Running }]);
            }
        };
        begin(&current);
        loop {
            let over = tokio::select! {
                biased;
                Some(finding) = findings.recv() => {
                    let id = id_of(finding.check, finding.gateway.as_deref());
                    let title = title(finding.check, finding.gateway.as_deref());
                    tell(vec![TestStep { id: id.clone(), title, state: state(finding) }]);
                    if current.as_ref().is_some_and(|(now, _)| *now == id) {
                        current = steps.next();
                        begin(&current);
                    }
                    false
                }
                () = &mut examined => true,
            };
            if over {
                break;
            }
        }
        while let Ok(finding) = findings.try_recv() {
            let (id, title) =
                (id_of(finding.check, finding.gateway.as_deref()), title(finding.check, finding.gateway.as_deref()));
            tell(vec![TestStep { id, title, state: state(finding) }]);
        }
    }
}

/// Every check of a profile, in its order.
fn plan(profile: &Profile) -> Vec<(String, String)> {
    let local = Check::LOCAL.map(|check| (id_of(check, None), title(check, None)));
    let of_gateway =
        |gateway: String| Check::OF_GATEWAY.map(|check| (id_of(check, Some(&gateway)), title(check, Some(&gateway))));
    let gateways = profile.tunnels.iter().map(|tunnel| tunnel.config.gateway.to_string());
    let several = profile.tunnels.len() > 1;
    let mut all: Vec<_> = local.into_iter().chain(gateways.flat_map(of_gateway)).collect();
    if !several {
        all.iter_mut().for_each(|(_, title)| *title = title.split(" (").next().unwrap_or(title).to_owned());
    }
    all
}

fn id_of(check: Check, gateway: Option<&str>) -> String {
    gateway.map_or_else(|| check.id().to_owned(), |gateway| format!("{} {gateway}", check.id()))
}

/// What a check is about, as a sentence that is true when it passes.
fn title(check: Check, gateway: Option<&str>) -> String {
    let said = match check {
        Check::Configuration => "The settings can be used",
        Check::Command => "The command is on this machine",
        Check::Server => "The server starts and speaks MCP",
        Check::Dns => "The gateway’s name leads to an address",
        Check::Tcp => "The gateway can be reached",
        Check::Proxy => "The proxy lets Culvert through",
        Check::ClientCertificate => "The client certificate can be used",
        Check::Tls => "The connection is secure",
        Check::Health => "The gateway answers",
        Check::Token => "The token looks good",
        Check::Upgrade => "The gateway takes the token and the link",
        Check::Registration => "The server can be registered",
    };
    match gateway {
        Some(gateway) => format!("{said} ({gateway})"),
        None => said.to_owned(),
    }
}

fn state(finding: Finding) -> StepState {
    let Finding { result, evidence, code, next_step, .. } = finding;
    let why = || {
        Explained::new(code.as_deref().unwrap_or("internal"), evidence.clone(), next_step.clone().unwrap_or_default())
    };
    match result {
        Outcome::Ok => StepState::Passed { summary: evidence },
        Outcome::Warning => StepState::Warned { why: why() },
        Outcome::Failed => StepState::Failed { why: why() },
        Outcome::Skipped => StepState::Skipped { because: evidence },
    }
}

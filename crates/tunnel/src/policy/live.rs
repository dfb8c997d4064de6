//! The rules that hold now for one local server, and what it lists. Shared by all tunnels of a profile, and by whoever
//! shows and changes them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use culvert_protocol::tool_policy::{Approved, Definition, Rules, ToolPolicy};
use tokio::sync::watch;

/// Tools of one server that are shown at most.
const MOST_TOOLS: usize = 20_000;

/// A policy that holds now, and may be replaced while tunnels run. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct LivePolicy(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell {
    /// Whether there is one: looked at for every message.
    is_set: AtomicBool,
    /// Another number than before: what was learnt of lists does not serve any more.
    epoch: AtomicU64,
    standing: Mutex<Standing>,
    /// Grows with each change of anything.
    revision: watch::Sender<u64>,
    passing: watch::Sender<Passing>,
    attention: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Standing {
    rules: Arc<Rules>,
    /// What the server listed last, as far as anybody has looked.
    listed: Option<Arc<[Definition]>>,
}

/// How often another thing was let pass than before, feature by feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passing {
    /// Of tools.
    pub tools: u64,
    /// Of prompts.
    pub prompts: u64,
    /// Of resources.
    pub resources: u64,
}

impl Passing {
    /// The features of which other things are let pass than `before`, as MCP's methods name them.
    pub(crate) fn since(self, before: &Self) -> impl Iterator<Item = &'static str> {
        let features = [
            (self.tools != before.tools, "tools"),
            (self.prompts != before.prompts, "prompts"),
            (self.resources != before.resources, "resources"),
        ];
        features.into_iter().filter(|(has_changed, _)| *has_changed).map(|(_, feature)| feature)
    }
}

impl LivePolicy {
    /// Replaces the policy: from the next message on, this one holds. Where it holds changed tools back and nothing was
    /// approved yet, what the server is known to list is approved.
    pub fn set(&self, policy: ToolPolicy) {
        let mut standing = self.standing();
        let before = standing.rules.clone();
        if policy == before.policy {
            return;
        }
        let is_set = !policy.is_open();
        standing.rules = Arc::new(Rules { policy, approved: before.approved.clone() });
        standing.approve_first();
        let rules = standing.rules.clone();
        let was_open = before.policy.is_open();
        if was_open || before.holds() != rules.holds() {
            self.0.epoch.fetch_add(1, Ordering::AcqRel);
        }
        self.0.is_set.store(is_set, Ordering::Release);
        let (old, new) = (&before.policy, &rules.policy);
        self.0.passing.send_if_modified(|passing| {
            let tools =
                (&old.allow, &old.deny, old.tools, old.changed) != (&new.allow, &new.deny, new.tools, new.changed);
            let (prompts, resources) = (old.prompts != new.prompts, old.resources != new.resources);
            passing.tools += u64::from(tools);
            passing.prompts += u64::from(prompts);
            passing.resources += u64::from(resources);
            tools || prompts || resources
        });
        self.tell(&standing);
    }

    /// Replaces what was approved; `None`: nothing yet, and the first list is.
    pub fn set_approved(&self, approved: Option<Approved>) {
        let mut standing = self.standing();
        if standing.rules.approved == approved {
            return;
        }
        standing.rules = Arc::new(Rules { policy: standing.rules.policy.clone(), approved });
        standing.approve_first();
        if standing.rules.holds() {
            self.0.passing.send_modify(|passing| passing.tools += 1);
        }
        self.tell(&standing);
    }

    /// Another local server: nothing is known of what it lists.
    pub fn forget_listed(&self) {
        let mut standing = self.standing();
        standing.listed = None;
        self.0.epoch.fetch_add(1, Ordering::AcqRel);
        self.tell(&standing);
    }

    /// The server lists these tools, and no others.
    pub fn listed(&self, mut tools: Vec<Definition>) {
        tools.sort_by(|one, other| one.name().cmp(other.name()));
        let mut standing = self.standing();
        if standing.listed.as_deref() == Some(&tools[..]) {
            return;
        }
        standing.listed = Some(tools.into());
        standing.approve_first();
        self.tell(&standing);
    }

    /// The server lists these tools to one of its clients, and maybe others to others.
    pub(crate) fn listed_to_one(&self, tools: Vec<Definition>) {
        let known = self.standing().listed.clone().unwrap_or_default();
        let names: HashSet<&str> = tools.iter().map(Definition::name).collect();
        let others: Vec<_> = known.iter().filter(|other| !names.contains(other.name())).cloned().collect();
        self.listed(tools.into_iter().chain(others).take(MOST_TOOLS).collect());
    }

    /// The rules that hold, and what the server listed last.
    pub fn look(&self) -> (Arc<Rules>, Option<Arc<[Definition]>>) {
        let standing = self.standing();
        (standing.rules.clone(), standing.listed.clone())
    }

    /// Changes with everything here.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// How many tools are held back and need the user's attention.
    pub fn attention(&self) -> watch::Receiver<usize> {
        self.0.attention.subscribe()
    }

    /// Changes when other things are let pass than before.
    pub fn passing(&self) -> watch::Receiver<Passing> {
        self.0.passing.subscribe()
    }

    /// The rules, where there are any; and a number that is another one when what was learnt of lists is of no use.
    pub(super) fn now(&self) -> Option<(Arc<Rules>, u64)> {
        let is_set = self.0.is_set.load(Ordering::Acquire);
        is_set.then(|| (self.standing().rules.clone(), self.epoch()))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    fn tell(&self, standing: &Standing) {
        let attention = standing.listed.as_deref().map_or(0, |listed| standing.rules.needing_attention(listed));
        self.0.attention.send_if_modified(|before| std::mem::replace(before, attention) != attention);
        self.0.revision.send_modify(|revision| *revision += 1);
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn approve_first(&mut self) {
        if let (true, Some(listed)) = (self.rules.awaits_first_list(), &self.listed) {
            let approved = Some(Approved::all(listed.iter().cloned()));
            self.rules = Arc::new(Rules { policy: self.rules.policy.clone(), approved });
        }
    }
}

#[cfg(test)]
mod tests {
    use culvert_protocol::tool_policy::ChangedTools;

    use super::*;

    fn tool(name: &str, description: &str) -> Definition {
        Definition::parse(&format!(r#"{{"name":"{name}","description":"{description}"}}"#)).unwrap()
    }

    fn holding() -> ToolPolicy {
        ToolPolicy { changed: ChangedTools::Held, ..ToolPolicy::default() }
    }

    #[test]
    fn the_first_list_is_approved_whichever_comes_first() {
        for order in [[0, 1], [1, 0]] {
            let live = LivePolicy::default();
            for step in order {
                match step {
                    0 => live.set(holding()),
                    _ => live.listed(vec![tool("a", "one")]),
                }
            }
            assert_eq!(*live.attention().borrow(), 0);
            live.listed(vec![tool("a", "two"), tool("b", "new")]);
            assert_eq!(*live.attention().borrow(), 2, "{order:?}");
        }
    }

    #[test]
    fn what_is_approved_or_kept_back_needs_no_more_attention() {
        let live = LivePolicy::default();
        live.set(holding());
        live.listed(vec![tool("a", "one"), tool("b", "one")]);
        live.listed(vec![tool("a", "two"), tool("b", "two")]);
        let mut approved = live.look().0.approved.clone().unwrap();
        approved.approve(tool("a", "two"));
        approved.keep_back("b", tool("b", "two").digest());
        let before = *live.passing().borrow();
        live.set_approved(Some(approved.clone()));
        assert_eq!((*live.attention().borrow(), live.passing().borrow().tools), (0, before.tools + 1));
        live.listed(vec![tool("a", "two"), tool("b", "three")]);
        assert_eq!(*live.attention().borrow(), 1, "it is yet another one");
        live.set_approved(Some(Approved::default()));
        assert_eq!(*live.attention().borrow(), 2, "where nothing is known to be approved, nothing passes");
    }

    #[test]
    fn only_what_changes_is_told_to_clients() {
        let live = LivePolicy::default();
        live.set(ToolPolicy { prompts: culvert_protocol::tool_policy::Feature::Off, ..ToolPolicy::default() });
        assert_eq!(*live.passing().borrow(), Passing { tools: 0, prompts: 1, resources: 0 });
        let told = live.passing();
        live.set(live.look().0.policy.clone());
        assert!(!told.has_changed().unwrap());
    }
}

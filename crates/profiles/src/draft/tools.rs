//! Which tools pass, changed name by name.

use super::Draft;
use crate::key::Key;

impl Draft {
    /// Lets tools pass: they are denied by name no more, and are among the allowed where only some are. A pattern that
    /// denies them goes on to do so.
    pub fn allow_tools(&mut self, tools: &[String]) {
        self.deny_no_more(tools);
        if self.has(Key::ToolsAllow) {
            self.add_tools(Key::ToolsAllow, tools);
        }
    }

    /// Lets these tools pass and no others.
    pub fn allow_only_tools(&mut self, tools: &[String]) {
        self.deny_no_more(tools);
        self.set_list(Key::ToolsAllow, tools.to_vec());
    }

    /// Lets tools pass no more.
    pub fn deny_tools(&mut self, tools: &[String]) {
        if self.has(Key::ToolsAllow) {
            // An allow list that has become empty lets nothing pass, and stays.
            let allowed = self.list(Key::ToolsAllow).iter().filter(|known| !tools.contains(known)).cloned().collect();
            self.set_list(Key::ToolsAllow, allowed);
        }
        self.add_tools(Key::ToolsDeny, tools);
    }

    fn deny_no_more(&mut self, tools: &[String]) {
        let denied: Vec<_> = self.list(Key::ToolsDeny).iter().filter(|known| !tools.contains(known)).cloned().collect();
        match denied.is_empty() {
            true => self.remove(Key::ToolsDeny),
            false => self.set_list(Key::ToolsDeny, denied),
        }
    }

    fn add_tools(&mut self, key: Key, tools: &[String]) {
        let mut all = self.list(key).to_vec();
        all.extend(tools.iter().filter(|tool| !self.list(key).contains(tool)).cloned());
        self.set_list(key, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(draft: &Draft) -> (Option<Vec<String>>, Vec<String>) {
        (draft.has(Key::ToolsAllow).then(|| draft.list(Key::ToolsAllow).to_vec()), draft.list(Key::ToolsDeny).to_vec())
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn tools_are_let_pass_and_denied_by_name() {
        let mut draft = Draft::default();
        draft.deny_tools(&names(&["a", "b", "a*"]));
        draft.deny_tools(&names(&["b"]));
        assert_eq!(lists(&draft), (None, names(&["a", "b", "a*"])));
        draft.allow_tools(&names(&["a"]));
        assert_eq!(lists(&draft), (None, names(&["b", "a*"])), "what a pattern denies stays denied");
        draft.allow_only_tools(&names(&["b", "c"]));
        assert_eq!(lists(&draft), (Some(names(&["b", "c"])), names(&["a*"])));
        draft.deny_tools(&names(&["b", "c"]));
        assert_eq!(lists(&draft), (Some(vec![]), names(&["a*", "b", "c"])), "an empty list of what is allowed stays");
        draft.allow_tools(&names(&["a*", "b", "c"]));
        assert_eq!(lists(&draft), (Some(names(&["a*", "b", "c"])), vec![]));
    }
}

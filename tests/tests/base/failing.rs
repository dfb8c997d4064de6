//! What every end with an error owes its user: the right exit code, a cause with a code, and a next step.

use culvert_tests::culvert::Finished;

/// Asserts the exit code, that the cause's code begins with `code`, that its words hold each of `words` in the error or
/// its next step, and the form on stderr and in the last event. That no process is left has been asserted before.
pub(crate) fn assert_fails(finished: &Finished, exit: i32, code: &str, words: &[&str]) {
    assert_eq!(finished.code, Some(exit), "exit code: {finished:#?}");
    let failure = finished.failure();
    assert_eq!(failure["exit"], exit, "{failure}");
    let told = failure["code"].as_str().unwrap_or_default();
    assert!(told.starts_with(code), "the cause's code should be {code}: {failure}");
    assert_said(finished, told, words);
    let (message, action) = (failure["message"].as_str().unwrap(), failure["action"].as_str().unwrap());
    assert!(finished.err.contains(message), "stderr and event say the same: {message:?}\n{}", finished.err);
    assert!(finished.err.contains(action), "stderr and event say the same: {action:?}\n{}", finished.err);
}

/// The form on stderr: `culvert: what happened [code]`, then `  → what to do`, and that is the end.
pub(crate) fn assert_said(finished: &Finished, code: &str, words: &[&str]) {
    let lines: Vec<&str> = finished.err.lines().collect();
    let [.., what, next] = lines[..] else { panic!("two lines of error: {finished:#?}") };
    assert!(what.starts_with("culvert: ") && what.ends_with(&format!("[{code}]")), "{what:?}");
    assert!(next.starts_with("  → ") && next.chars().count() > 10, "{next:?}");
    for word in words {
        assert!(what.contains(word) || next.contains(word), "{word:?} is missing in:\n{what}\n{next}");
    }
    let told =
        lines.iter().filter(|line| line.starts_with("culvert: ") && line.ends_with(&format!("[{code}]"))).count();
    assert_eq!(told, 1, "said once:\n{}", finished.err);
    assert!(!finished.err.contains('\u{1b}'), "no control characters: {:?}", finished.err);
}

//! Names of files for profiles, fit for every file system.

/// The longest stem, in characters.
const LONGEST: usize = 64;

/// Names that Windows keeps for devices, whatever the ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// A free file name for a profile of this name.
pub(super) fn file_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let stem: String = name.chars().map(plain).take(LONGEST).collect();
    let stem = stem.trim_matches(['-', '.', ' ']).to_ascii_lowercase();
    let is_device =
        DEVICES.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit()).split('.').next().unwrap_or_default());
    let stem = match stem.as_str() {
        "" => "profile".to_owned(),
        stem if is_device => format!("{stem}-profile"),
        stem => stem.to_owned(),
    };
    let nth = |nth: usize| if nth < 2 { format!("{stem}.yaml") } else { format!("{stem}-{nth}.yaml") };
    (1..10_000).map(nth).find(|name| !is_taken(name)).unwrap_or_else(|| nth(10_000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_file_names() {
        for (name, file) in [
            ("git", "git.yaml"),
            ("My notes", "my-notes.yaml"),
            ("git-{hostname}", "git--hostname.yaml"),
            ("../../etc/passwd", "etc-passwd.yaml"),
            ("..", "profile.yaml"),
            ("COM1", "com1-profile.yaml"),
            ("nul.txt", "nul.txt-profile.yaml"),
        ] {
            assert_eq!(file_name(name, |_| false), file);
        }
        assert_eq!(file_name("git", |name| matches!(name, "git.yaml" | "git-2.yaml")), "git-3.yaml");
    }

    proptest! {
        #[test]
        fn no_name_leads_elsewhere(name in any::<String>()) {
            let file = file_name(&name, |_| false);
            prop_assert!(file.len() < 100 && !file.starts_with('.') && !file.contains(['/', '\\', ':', '\0']), "{}", file);
        }
    }
}

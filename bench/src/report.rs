//! What the reports of all suites have in common: Markdown for people, JSON with every
//! single run for scripts.

use std::path::Path;
use std::{fs, io};

use crate::figures::Figures;

/// Above this share of a core, other work has blurred the figures.
const QUIET: f64 = 0.1;

/// A driver this busy limits the calls per second by itself.
pub(crate) const DRIVER_FULL: f64 = 0.9;

/// Several runs of the same load, made one.
pub(crate) enum Summary {
    Median(Figures),
    /// The first failure: one failed run makes the rest no comparison.
    Failed(String),
}

impl Summary {
    /// None without runs.
    pub(crate) fn of<'a>(runs: impl Iterator<Item = &'a Result<Figures, String>>) -> Option<Self> {
        match runs.cloned().collect::<Result<Vec<_>, _>>() {
            Ok(runs) => Figures::median(&runs).map(Self::Median),
            Err(why) => Some(Self::Failed(why)),
        }
    }

    pub(crate) fn figures(self) -> Option<Figures> {
        match self {
            Self::Median(figures) => Some(figures),
            Self::Failed(_) => None,
        }
    }
}

/// Each name once, in the order in which they come.
pub(crate) fn in_order<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name.as_str()) {
            found.push(name.as_str());
        }
    }
    found
}

/// One promise, and whether it was kept.
pub(crate) fn verdict(held: bool, promise: &str) -> String {
    format!("{} {promise}", if held { "✓" } else { "✗" })
}

/// A sentence for the end of a report when other work disturbed it.
pub(crate) fn disturbed<'a>(runs: impl Iterator<Item = &'a Result<Figures, String>>) -> Option<String> {
    let others = runs.filter_map(|run| Some(run.as_ref().ok()?.others_busy)).max_by(f64::total_cmp)?;
    (others > QUIET)
        .then(|| format!("The machine was not quiet: other processes used up to {others:.1} cores during a load."))
}

/// Puts `markdown` between the two marker comments of `suite` in `file`.
///
/// # Errors
/// When the file cannot be read or written, or has no such markers.
pub(crate) fn embed(file: &Path, suite: &str, markdown: &str) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let (begin, end) = (format!("<!-- figures of {suite} -->\n"), format!("<!-- end of {suite} -->"));
    let no_markers = || io::Error::other(format!("{} has no \"{}\" … \"{end}\"", file.display(), begin.trim()));
    let (before, rest) = text.split_once(&begin).ok_or_else(no_markers)?;
    let (_, after) = rest.split_once(&end).ok_or_else(no_markers)?;
    fs::write(file, format!("{before}{begin}{markdown}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embeds_between_its_own_markers_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("README.md");
        fs::write(&file, "a\n<!-- figures of base -->\nold\n<!-- end of base -->\nb\n").unwrap();
        embed(&file, "base", "new\n").unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "a\n<!-- figures of base -->\nnew\n<!-- end of base -->\nb\n");
        assert!(embed(&file, "load", "x").unwrap_err().to_string().contains("figures of load"));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

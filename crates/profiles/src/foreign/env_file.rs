//! Files of variables, a `NAME=value` on each line.

use culvert_protocol::Secret;

/// The longest name of a variable or header, in characters. A profile is YAML, whose keys end at 1,024, and an escape
/// takes ten of them.
const LONGEST_NAME: usize = 100;

/// Whether a variable or header can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_control()) && name.chars().count() <= LONGEST_NAME
}

/// The variables in the text of such a file, in its order. Lines that are none are skipped, as all its readers do;
/// quotes around a value are not part of it, and an unquoted ` #` begins a comment.
pub(crate) fn variables_of(text: &str) -> Vec<(String, Secret)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let fits = is_name(name) && !name.contains(char::is_whitespace) && !value.contains('\0');
        fits.then(|| (name.to_owned(), Secret::new(plain(value))))
    };
    lines.filter_map(pair).collect()
}

fn plain(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_name_and_a_value_count() {
        let text = "# keys\nexport A=1\nB = \"two words\" # why\r\n\nC='#x'\nD=x # y\nE=\nnothing\n=x\n";
        let read: Vec<_> =
            variables_of(text).into_iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        assert_eq!(read, ["A=1", "B=two words", "C=#x", "D=x", "E="]);
    }
}

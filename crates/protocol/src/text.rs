//! Text from outside, made safe to show.

/// Makes `text` fit for a terminal, a log line or a window: control characters (newlines, escape sequences, and the
/// invisible characters that turn writing direction) become spaces, runs of blanks shrink to one, and what is longer
/// than `max` visible characters is cut and marked with an ellipsis.
pub fn clean(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max * 4));
    let mut count = 0;
    for word in
        text.split(|c: char| c.is_control() || is_invisible(c) || c.is_whitespace()).filter(|word| !word.is_empty())
    {
        for (at, c) in word.chars().enumerate() {
            if count == max {
                out.push('…');
                return out;
            }
            if at == 0 && count > 0 {
                out.push(' ');
            }
            out.push(c);
            count += 1;
        }
    }
    out
}

/// Characters without a glyph of their own that change how their neighbours are read (direction overrides, joiners,
/// byte-order marks): a hostile peer could dress one text as another with them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn control_characters_never_get_through() {
        assert_eq!(clean("a\u{1b}[31mred\u{7}\r\nb\u{202e}c", 80), "a [31mred b c");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(clean("abcdef", 3), "abc…");
        assert_eq!(clean("abc", 3), "abc");
        assert_eq!(clean("  abc \n", 3), "abc");
    }
}

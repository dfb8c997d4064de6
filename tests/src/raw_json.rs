//! Where the members of a JSON object stand in its text, whatever else is in it: nothing is decoded but their names.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, in their order: the name, and where the value stands. Empty for what is no object. A name
/// that is no text (half a surrogate pair) is given as spelled.
pub fn members(text: &str) -> Vec<(String, Range<usize>)> {
    serde_json::Deserializer::from_str(text).deserialize_map(Members(text)).unwrap_or_default()
}

/// Where the member at the end of this path stands; the first, should there be several.
pub fn member(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let mut at = 0..text.len();
    for name in path {
        let (_, inner) = members(&text[at.clone()]).into_iter().find(|(member, _)| member == name)?;
        at = at.start + inner.start..at.start + inner.end;
    }
    Some(at)
}

/// The text with other text in these places.
pub fn replaced(text: &str, mut edits: Vec<(Range<usize>, &str)>) -> String {
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, new) in edits {
        text.replace_range(span, new);
    }
    text
}

struct Members<'t>(&'t str);

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Vec<(String, Range<usize>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let start = value.get().as_ptr() as usize - self.0.as_ptr() as usize;
            let name = serde_json::from_str(name.get()).unwrap_or_else(|_| name.get().to_owned());
            members.push((name, start..start + value.get().len()));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_beside_all_that_json_allows() {
        let text = r#" {"a":1e400,"\ud800":[{"id":3}],"a":2,"\u0069d" : "x" ,"p":{"q":{"r": -0 }}} "#;
        let names: Vec<String> = members(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", r#""\ud800""#, "a", "id", "p"]);
        assert_eq!(&text[member(text, &["id"]).unwrap()], r#""x""#);
        assert_eq!(&text[member(text, &["p", "q", "r"]).unwrap()], "-0");
        assert_eq!(member(text, &["p", "id"]), None);
        assert_eq!(replaced("abc", vec![(0..1, "XX"), (2..3, "")]), "XXb");
    }
}

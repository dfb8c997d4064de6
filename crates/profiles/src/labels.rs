//! Labels as configured: what tells one server from others where many are listed.

use std::collections::BTreeMap;

use crate::origin::Sourced;

/// Labels by name, as written: placeholders are not filled in yet, and nothing is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenLabels(pub BTreeMap<String, String>);

impl GivenLabels {
    /// Both layers' labels; where both have one, the higher layer's. All count as coming from the higher layer.
    pub(crate) fn merged(higher: Option<Sourced<Self>>, lower: Option<Sourced<Self>>) -> Option<Sourced<Self>> {
        match (higher, lower) {
            (Some(higher), Some(Sourced { value: Self(mut all), .. })) => {
                all.extend(higher.value.0);
                Some(Sourced::new(Self(all), higher.origin))
            }
            (higher, lower) => higher.or(lower),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    #[test]
    fn the_higher_layer_wins_label_by_label() {
        let labels = |all: &[(&str, &str)]| {
            GivenLabels(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let layer = |all, flag| Some(Sourced::new(labels(all), Origin::Flag(flag)));
        let merged = GivenLabels::merged(layer(&[("a", "1")], "h"), layer(&[("a", "2"), ("b", "2")], "l")).unwrap();
        assert_eq!(merged.value, labels(&[("a", "1"), ("b", "2")]));
        assert_eq!(merged.origin, Origin::Flag("h"));
    }
}

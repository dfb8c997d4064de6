//! For any spelling of ids, tokens and members: what goes there and back is the same bytes.

use culvert_protocol::message::Message;
use proptest::prelude::*;

use super::super::splicing;
use crate::progress;

/// A JSON number or text as somebody may spell it.
fn spelling() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        "\"(\\\\u00[4-6][0-9a-f]|\\\\\\\\|\\\\\"|[a-zA-Z0-9 {}:,\\[\\]]){0,12}\"",
    ]
}

/// Any JSON, with members that look like those that matter.
fn decoy() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![spelling(), Just("null".to_owned()), Just("true".to_owned())];
    let name = prop_oneof![
        Just("\"id\"".to_owned()),
        Just("\"_meta\"".to_owned()),
        Just("\"progressToken\"".to_owned()),
        Just("\"progressT\\u006fken\"".to_owned()),
        Just("\"requestId\"".to_owned()),
        Just("\"io.modelcontextprotocol/subscriptionId\"".to_owned()),
        "\"[a-z]{0,6}\"",
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec((name.clone(), inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{{ {} }}", members.join(","))
            }),
        ]
    })
}

fn blank() -> impl Strategy<Value = String> {
    "[ \t]{0,2}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A request's id and token become the number, whatever is spelled like them elsewhere.
    #[test]
    fn a_request_changes_in_id_and_token_alone(
        id in spelling(), token in spelling(), decoy in decoy(), blank in blank(), id_first: bool, number: u64,
    ) {
        let write = |id: &str, token: &str| {
            let params = format!(
                r#""params":{{"arguments":{decoy},"_meta":{{"a":{decoy},"progressToken":{blank}{token}}},"z":{decoy}}}"#
            );
            let id = format!(r#""id"{blank}:{id}"#);
            let (one, two) = if id_first { (id, params) } else { (params, id) };
            format!(r#"{{"jsonrpc":"2.0",{one},{blank}"method":"m",{two}}}"#)
        };
        let text = write(&id, &token);
        let request = Message::parse(&text).unwrap();
        let found = progress::asked(&request).unwrap().unwrap();
        prop_assert_eq!(found.get(), &token);
        let spliced = splicing::request(&request, Some(found), number);
        prop_assert_eq!(spliced, write(&number.to_string(), &number.to_string()));
    }

    /// The answer comes back with the id as spelled, and nothing else touched.
    #[test]
    fn an_answer_changes_in_its_id_alone(id in spelling(), decoy in decoy(), blank in blank(), number: u64) {
        let write = |id: &str| format!(r#"{{"result":{decoy},{blank}"id":{id}{blank},"jsonrpc":"2.0"}}"#);
        let text = write(&number.to_string());
        let spliced = splicing::answer(&Message::parse(&text).unwrap(), None, &id);
        prop_assert_eq!(spliced, write(&id));
    }

    /// So does the end of a subscription, which names its id twice.
    #[test]
    fn a_subscriptions_end_changes_in_its_two_ids_alone(id in spelling(), decoy in decoy(), id_first: bool, number: u64) {
        let write = |id: &str| {
            let result = format!(
                r#""result":{{"x":{decoy},"_meta":{{"a":{decoy},"io.modelcontextprotocol/subscriptionId":{id} }}}}"#
            );
            let id = format!(r#""id":{id}"#);
            let (one, two) = if id_first { (id, result) } else { (result, id) };
            format!(r#"{{"jsonrpc":"2.0",{one}, {two}}}"#)
        };
        let text = write(&number.to_string());
        let answer = Message::parse(&text).unwrap();
        let part = splicing::subscription(&answer).unwrap();
        prop_assert_eq!(splicing::answer(&answer, Some(part), &id), write(&id));
    }

    /// What a subscription brings names it by the id as spelled.
    #[test]
    fn a_subscriptions_message_changes_in_its_id_alone(id in spelling(), decoy in decoy(), number: u64) {
        let write = |id: &str| {
            format!(
                r#"{{"method":"notifications/resources/updated","params":{{"uri":{decoy},"_meta":{{"io.modelcontextprotocol\/subscriptionId":{id}}},"y":{decoy}}}}}"#
            )
        };
        let text = write(&number.to_string());
        let notification = Message::parse(&text).unwrap();
        let part = splicing::subscription(&notification).unwrap();
        prop_assert_eq!(splicing::part(&notification, part, &id), write(&id));
    }

    /// Progress comes back with the token as spelled.
    #[test]
    fn progress_changes_in_its_token_alone(token in spelling(), decoy in decoy(), number: u64) {
        let write = |token: &str| {
            format!(
                r#"{{"method":"notifications/progress","params":{{"message":{decoy},"progressToken":{token} ,"progress":1}}}}"#
            )
        };
        let text = write(&number.to_string());
        let notification = Message::parse(&text).unwrap();
        let (part, _) = progress::carried(&notification).unwrap();
        prop_assert_eq!(splicing::part(&notification, part, &token), write(&token));
    }

    /// Reading what a peer made up never panics.
    #[test]
    fn nothing_read_brings_it_down(text in any::<String>(), decoy in decoy()) {
        for text in [&text, &decoy, &format!(r#"{{"method":{decoy},"id":{decoy},"params":{decoy}}}"#)] {
            if let Ok(message) = Message::parse(text) {
                let _ = progress::asked(&message);
                let _ = progress::carried(&message);
            }
        }
    }
}

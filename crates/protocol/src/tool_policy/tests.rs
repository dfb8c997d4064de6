//! What a policy lets pass, and that it leaves every other byte alone.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rpc_error::INVALID_PARAMS;

fn patterns(all: &[&str]) -> Vec<Pattern> {
    all.iter().map(|text| Pattern::new(text).unwrap()).collect()
}

fn denying(all: &[&str]) -> Rules {
    ToolPolicy { deny: patterns(all), ..ToolPolicy::default() }.into()
}

fn read_only() -> Rules {
    ToolPolicy { tools: Tools::ReadOnly, ..ToolPolicy::default() }.into()
}

fn list(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#)
}

fn call(id: &str, name: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":{name},"arguments":{{}}}}}}"#)
}

/// The number and the stable code of the only answer.
fn refusal(step: ToServer) -> (i64, String) {
    let ToServer::Refuse(answers) = step else { panic!("{step:?}") };
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    let answer: Value = serde_json::from_str(answer).unwrap();
    (answer["error"]["code"].as_i64().unwrap(), answer["error"]["data"]["code"].as_str().unwrap().to_owned())
}

fn instead(to_client: ToClient) -> String {
    match to_client {
        ToClient::Instead(lines) if lines.len() == 1 => String::from_utf8(lines[0].to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A desk that has seen this list of the child pass.
fn desk(policy: &Rules, tools: &str) -> Desk {
    let mut desk = Desk::default();
    assert_eq!(desk.to_server(policy, &list("1")), ToServer::Pass);
    desk.to_client(policy, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":{tools}}}}}"#));
    desk
}

#[test]
fn patterns_stand_for_whole_names() {
    for (pattern, name, matches) in [
        ("read_file", "read_file", true),
        ("read_file", "read_files", false),
        ("read_*", "read_", true),
        ("*", "", true),
        ("*_file", "read_file", true),
        ("*_file", "read_file_2", false),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXbYbZ", false),
        ("t?st", "täst", true),
        ("t?st", "tst", false),
        ("Read", "read", false),
        ("a.b", "axb", false),
    ] {
        assert_eq!(Pattern::new(pattern).unwrap().matches(name), matches, "{pattern} {name}");
    }
    assert_eq!(Pattern::new(""), Err(BadPattern::Empty));
    assert_eq!(Pattern::new("a\nb"), Err(BadPattern::Control));
    assert_eq!(Pattern::new(&"x".repeat(257)), Err(BadPattern::TooLong));
}

#[test]
fn a_denied_tool_is_neither_listed_nor_callable_however_it_is_spelled() {
    let policy = denying(&["write_*"]);
    let mut desk = Desk::default();
    assert_eq!(desk.to_server(&policy, &list("\"a\"")), ToServer::Pass);
    let page = r#"{"jsonrpc":"2.0","id":"\u0061","result":{ "tools": [ {"name":"read" , "x":1.0e5}, {"name":"\u0077rite_file"},
 {"title":"é","name":"list"} ], "nextCursor":"2","_meta":{"a": [1, 2]}}}"#;
    assert_eq!(
        instead(desk.to_client(&policy, page)),
        "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\",\"result\":{ \"tools\": [{\"name\":\"read\" , \"x\":1.0e5},\
         {\"title\":\"é\",\"name\":\"list\"}], \"nextCursor\":\"2\",\"_meta\":{\"a\": [1, 2]}}}"
    );
    for name in [r#""write_file""#, r#""\u0077rite_file""#] {
        assert_eq!(
            refusal(desk.to_server(&policy, &call("2", name))),
            (INVALID_PARAMS.into(), "policy.denied".to_owned())
        );
    }
}

#[test]
fn a_call_that_wants_no_answer_goes_nowhere() {
    let rules = denying(&["delete"]);
    let mut desk = desk(&rules, "[]");
    for method in ["tools/call", "prompts/get", "resources/read", "t\\u006fols/call"] {
        let line = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"name":"delete"}}}}"#);
        assert_eq!(desk.to_server(&rules, &line), ToServer::Refuse(Vec::new()), "{line}");
    }
    let told = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(desk.to_server(&rules, told), ToServer::Pass);
}

#[test]
fn an_emptied_page_keeps_its_cursor() {
    let policy = denying(&["*"]);
    let mut desk = Desk::default();
    desk.to_server(&policy, &list("7"));
    let page = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a"},{"name":"b"}],"nextCursor":"more"}}"#;
    assert_eq!(
        instead(desk.to_client(&policy, page)),
        r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[],"nextCursor":"more"}}"#
    );
}

#[test]
fn before_the_first_list_the_child_is_asked_page_by_page() {
    let policy = read_only();
    let mut desk = Desk::default();
    let wanted = call("5", "\"peek\"");
    let ToServer::Wait(Some(question)) = desk.to_server(&policy, &wanted) else { panic!("it is asked") };
    assert_eq!(question, r#"{"jsonrpc":"2.0","id":"culvert-policy-1","method":"tools/list","params":{}}"#);
    assert_eq!(desk.to_server(&policy, &wanted), ToServer::Wait(None), "once is enough");
    let page = r#"{"jsonrpc":"2.0","id":"culvert-policy-1","result":{"tools":[{"name":"poke"}],"nextCursor":"p2"}}"#;
    let ToClient::Ours(Some(question)) = desk.to_client(&policy, page) else { panic!("and its next page") };
    assert_eq!(question, r#"{"jsonrpc":"2.0","id":"culvert-policy-2","method":"tools/list","params":{"cursor":"p2"}}"#);
    let page = r#"{"jsonrpc":"2.0","id":"culvert-policy-2","result":{"tools":[{"name":"peek","annotations":{"readOnlyHint":true}}]}}"#;
    assert_eq!(desk.to_client(&policy, page), ToClient::Ours(None));
    assert!(desk.has_settled());
    assert_eq!(desk.to_server(&policy, &wanted), ToServer::Pass);
    for name in ["\"poke\"", "\"other\""] {
        assert_eq!(refusal(desk.to_server(&policy, &call("6", name))).1, "policy.denied", "{name}");
    }
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    assert_eq!(desk.to_client(&policy, changed), ToClient::Pass);
    assert!(
        matches!(desk.to_server(&policy, &wanted), ToServer::Wait(Some(_))),
        "what it lists may be another thing now"
    );
}

#[test]
fn a_stateless_child_is_asked_statelessly() {
    let wanted = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","x":1}}}"#;
    let ToServer::Wait(Some(question)) = Desk::default().to_server(&denying(&["b"]), wanted) else { panic!() };
    let question: Value = serde_json::from_str(&question).unwrap();
    let meta = &question["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object() && meta.get("x").is_none());
}

#[test]
fn what_two_readers_may_read_differently_is_refused() {
    let policy = denying(&["bad"]);
    let mut desk = desk(&policy, r#"[{"name":"good"}]"#);
    for line in [
        // Parsers that do not mind case, or take other characters for letters, or see no NUL.
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","Name":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","name\u0000":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","na\ud800me":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good"},"paramſ":{"name":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call","params":{"name":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","name":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","n\u0061me":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"good"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good"},"params":{"name":"bad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"a","cursor":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["bad"]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
    ] {
        assert_eq!(refusal(desk.to_server(&policy, line)).1, "policy.unclear", "{line}");
    }
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{},"Method":"tools/call","params":{"name":"bad"}}"#;
    assert_eq!(desk.to_server(&policy, answer), ToServer::Refuse(Vec::new()), "what looks like an answer goes nowhere");
    let arguments = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","arguments":{"a":1,"A":2},"_meta":{"Name":3}},"x":4}"#;
    assert_eq!(desk.to_server(&policy, arguments), ToServer::Pass, "what is not read may be spelled as it likes");
    let batch = format!("[{},{}]", call("1", "\"good\""), call("2", "\"bad\""));
    let ToServer::Refuse(answers) = desk.to_server(&policy, &batch) else { panic!() };
    assert_eq!(answers.len(), 2, "each request in a batch has its answer");
    assert_eq!(refusal(desk.to_server(&policy, &list("\"culvert-policy-1\""))).1, "policy.reserved_id");
}

#[test]
fn a_list_that_cannot_be_judged_becomes_an_error() {
    let policy = denying(&["bad"]);
    for result in [
        r#"{"tools":[{"name":"bad"}],"tools":[]}"#,
        r#"{"tools":{"name":"bad"}}"#,
        r#"{"tools":[],"nextCursor":"a","nextCursor":"b"}"#,
        r#"{"tools":[],"Tools":[{"name":"bad"}]}"#,
        r#"{"TOOLS":[{"name":"bad"}]}"#,
    ] {
        let mut desk = Desk::default();
        desk.to_server(&policy, &list("1"));
        let answer = instead(desk.to_client(&policy, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)));
        assert!(answer.contains("policy.unclear") && !answer.contains("bad"), "{answer}");
    }
    let mut desk = Desk::default();
    desk.to_server(&policy, &list("1"));
    for twice in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"bad"}]},"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"Result":{"tools":[{"name":"bad"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{"tools":[{"name":"bad"}]}}"#,
    ] {
        assert!(instead(desk.to_client(&policy, twice)).contains("policy.unclear"), "{twice}");
    }
    let asks = r#"{"jsonrpc":"2.0","id":1,"method":"ping","Result":{"tools":[{"name":"bad"}]}}"#;
    assert_eq!(desk.to_client(&policy, asks), ToClient::Instead(Vec::new()), "nobody waits for it");
    // An element whose name can be read in two ways is none that may pass.
    let mut desk = Desk::default();
    desk.to_server(&policy, &list("1"));
    let odd = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good","name":"bad"},{"name":"good","Name":"bad"},{"title":"x"},7,{"name":"good"}]}}"#;
    assert_eq!(
        instead(desk.to_client(&policy, odd)),
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"good"}]}}"#
    );
}

#[test]
fn a_child_that_answers_in_batches_is_judged_by_each() {
    let policy = denying(&["bad"]);
    let mut desk = Desk::default();
    desk.to_server(&policy, &list("1"));
    let batch =
        r#"[{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"bad"}]}},{"jsonrpc":"2.0","id":2,"result":{}}]"#;
    let ToClient::Instead(lines) = desk.to_client(&policy, batch) else { panic!() };
    assert_eq!(
        lines,
        [&br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#[..], br#"{"jsonrpc":"2.0","id":2,"result":{}}"#]
    );
}

#[test]
fn a_list_that_the_desk_did_not_see_asked_for_is_judged_all_the_same() {
    let policy = denying(&["bad"]);
    let page = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"bad"}]}}"#;
    assert!(!instead(Desk::default().to_client(&policy, page)).contains("bad"));
    // One id for two requests, of which the other is answered first; and an id that the server writes otherwise.
    for (asked, first) in [("1", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), ("1.0", "{}"), ("\"1\"", "{}")] {
        let mut desk = Desk::default();
        desk.to_server(&policy, &list(asked));
        desk.to_client(&policy, first);
        assert!(!instead(desk.to_client(&policy, page)).contains("bad"), "{asked}");
    }
    let other = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"tools":[{"name":"bad"}]}]}}"#;
    assert_eq!(Desk::default().to_client(&policy, other), ToClient::Pass, "no list");
    let mut desk = Desk::default();
    for id in 0..3000 {
        desk.to_server(&policy, &list(&id.to_string()));
    }
    assert!(!instead(desk.to_client(&policy, page)).contains("bad"), "however many are asked for");
}

#[test]
fn prompts_and_resources_can_be_switched_off() {
    let policy = Rules::from(ToolPolicy { prompts: Feature::Off, resources: Feature::Off, ..ToolPolicy::default() });
    let mut desk = Desk::default();
    let mut ask = |method: &str, params: Value| {
        desk.to_server(&policy, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
    };
    for (method, member) in [
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        let empty = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{member}":[]}}}}"#);
        assert_eq!(ask(method, json!({})), ToServer::Answer(vec![empty]));
    }
    for method in ["prompts/get", "resources/read", "resources/subscribe"] {
        assert_eq!(refusal(ask(method, json!({"name": "x"}))).1, "policy.off");
    }
    assert_eq!(refusal(ask("completion/complete", json!({"ref": {"type": "ref/prompt"}}))).1, "policy.off");
    assert_eq!(ask("ping", json!({})), ToServer::Pass);
    let only_tools = denying(&["bad"]);
    let prompts = r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"bad"}}"#;
    assert_eq!(Desk::default().to_server(&only_tools, prompts), ToServer::Pass);
}

#[test]
fn what_is_allowed_by_name_is_all_there_is() {
    let policy = ToolPolicy {
        allow: Some(patterns(&["read_*", "list"])),
        deny: patterns(&["read_secret"]),
        ..ToolPolicy::default()
    };
    for (name, passes) in [("read_file", true), ("list", true), ("read_secret", false), ("write", false)] {
        assert_eq!(policy.judge_name(name).is_ok(), passes, "{name}");
    }
    let nothing = ToolPolicy { allow: Some(Vec::new()), ..ToolPolicy::default() };
    assert!(nothing.judge_name("x").is_err() && !nothing.is_open());
    assert!(ToolPolicy::default().is_open());
}

/// A tool as a server may write it, with blanks, escapes and members that nobody knows.
fn element() -> impl Strategy<Value = (String, String)> {
    let name = "[a-d]{1,3}";
    (
        name,
        "[ \n\t]{0,3}",
        any::<bool>(),
        "[a-zé\u{1F600} ]{0,8}",
        any::<f64>().prop_filter("JSON", |number| number.is_finite()),
    )
        .prop_map(|(name, blank, escaped, words, number)| {
            let spelled = match escaped {
                true => name.chars().map(|letter| format!("\\u{:04x}", letter as u32)).collect::<String>(),
                false => name.clone(),
            };
            let words = json!(words);
            let text = format!(
                r#"{{{blank}"x":{number:e},"name":{blank}"{spelled}","description":{words},"z":[1.0, {{}}]{blank}}}"#
            );
            (name, text)
        })
}

proptest! {
    #[test]
    fn what_stays_stays_byte_for_byte(
        elements in prop::collection::vec(element(), 0..8), before in "[ ]{0,2}", cursor in prop::option::of("[a-z]{1,4}"),
        deny in "[a-d*?]{1,3}",
    ) {
        let policy = denying(&[&deny]);
        let texts: Vec<_> = elements.iter().map(|(_, text)| text.as_str()).collect();
        let tail = cursor.map_or_else(String::new, |cursor| format!(r#", "nextCursor":"{cursor}""#));
        let message = |list: &str| format!(r#"{{"id":1,{before}"result":{{"tools":{before}[{list}]{tail},"a":1.50}} ,"jsonrpc":"2.0"}}"#);
        let whole = message(&texts.join(&format!("{before},")));
        let mut desk = Desk::default();
        desk.to_server(&policy, &list("1"));
        let kept: Vec<_> = elements.iter().filter(|(name, _)| policy.policy.judge_name(name).is_ok()).map(|(_, text)| text.as_str()).collect();
        match desk.to_client(&policy, &whole) {
            ToClient::Pass => prop_assert_eq!(kept.len(), texts.len()),
            ToClient::Instead(lines) => prop_assert_eq!(String::from_utf8(lines[0].to_vec()).unwrap(), message(&kept.join(","))),
            ToClient::Ours(_) => prop_assert!(false),
        }
        for (name, _) in &elements {
            let passes = matches!(desk.to_server(&policy, &call("2", &json!(name).to_string())), ToServer::Pass | ToServer::Wait(_));
            prop_assert_eq!(passes, policy.policy.judge_name(name).is_ok());
        }
    }

    #[test]
    fn no_text_is_too_odd(to_server in ".{0,80}", to_client in r#"[\[\]{}",:a-z0-9\\ ]{0,80}"#) {
        let mut desk = Desk::default();
        let _ = desk.to_server(&read_only(), &to_server);
        let _ = desk.to_client(&read_only(), &to_client);
    }

    #[test]
    fn patterns_match_as_their_regular_meaning(pattern in "[ab*?]{1,6}", name in "[ab]{0,6}") {
        fn slow(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern, name) {
                ([], []) => true,
                ([b'*', rest @ ..], _) if slow(rest, name) => true,
                ([b'*', ..], [_, rest @ ..]) => slow(pattern, rest),
                ([b'?', pattern @ ..], [_, name @ ..]) => slow(pattern, name),
                ([one, pattern @ ..], [other, name @ ..]) if one == other => slow(pattern, name),
                _ => false,
            }
        }
        prop_assert_eq!(Pattern::new(&pattern).unwrap().matches(&name), slow(pattern.as_bytes(), name.as_bytes()));
    }
}

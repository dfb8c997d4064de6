//! Tools that are not as they were approved, at the desk.

use serde_json::{Value, json};

use super::*;

fn list(id: u32) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"}).to_string()
}

fn call(id: u32, name: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name}}).to_string()
}

fn listed(id: impl Into<Value>, tools: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "result": {"tools": tools}}).to_string()
}

fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description})
}

fn definition(tool: &Value) -> Definition {
    Definition::parse(&tool.to_string()).unwrap()
}

/// Rules under which these tools were approved; without any, none were yet.
fn holding(approved: Option<&[Value]>) -> Rules {
    Rules {
        policy: ToolPolicy { changed: ChangedTools::Held, ..ToolPolicy::default() },
        approved: approved.map(|tools| Approved::all(tools.iter().map(definition))),
    }
}

/// The names in the list that the client gets for this one.
fn passed(desk: &mut Desk, rules: &Rules, tools: &Value) -> Vec<String> {
    assert_eq!(desk.to_server(rules, &list(1)), ToServer::Pass);
    let line = listed(1, tools);
    let line = match desk.to_client(rules, &line) {
        ToClient::Pass => line,
        ToClient::Instead(lines) => String::from_utf8(lines[0].to_vec()).unwrap(),
        ToClient::Ours(_) => panic!("nobody asked but the client"),
    };
    let answer: Value = serde_json::from_str(&line).unwrap();
    answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn code(step: ToServer) -> String {
    let ToServer::Refuse(answers) = step else { panic!("{step:?}") };
    serde_json::from_str::<Value>(&answers[0]).unwrap()["error"]["data"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn before_anything_was_approved_the_whole_list_comes_first() {
    let rules = holding(None);
    let mut desk = Desk::default();
    for line in [list(1), call(1, "a")] {
        let mut desk = Desk::default();
        assert!(matches!(desk.to_server(&rules, &line), ToServer::Wait(Some(_))), "{line}");
    }
    let ToServer::Wait(Some(question)) = desk.to_server(&rules, &list(1)) else { panic!() };
    let id = serde_json::from_str::<Value>(&question).unwrap()["id"].clone();
    desk.to_client(&rules, &listed(id, &json!([tool("a", "one")])));
    let fresh = desk.take_fresh().expect("what is to be approved");
    assert_eq!(fresh.iter().map(Definition::name).collect::<Vec<_>>(), ["a"]);
    assert!(desk.take_fresh().is_none(), "told once");
    let rules = Rules { approved: Some(Approved::all(fresh)), ..rules };
    assert_eq!(desk.to_server(&rules, &call(2, "a")), ToServer::Pass);
}

#[test]
fn what_is_new_or_has_changed_is_neither_listed_nor_called_until_it_is_approved() {
    let before = [tool("same", "x"), tool("changed", "one"), tool("gone", "x")];
    let mut rules = holding(Some(&before));
    let now = json!([tool("same", "x"), tool("changed", "two"), tool("new", "x")]);
    let mut desk = Desk::default();
    assert_eq!(passed(&mut desk, &rules, &now), ["same"]);
    assert_eq!(desk.to_server(&rules, &call(2, "same")), ToServer::Pass);
    assert_eq!(code(desk.to_server(&rules, &call(3, "changed"))), "policy.held");
    assert_eq!(code(desk.to_server(&rules, &call(4, "new"))), "policy.held");
    assert_eq!(code(desk.to_server(&rules, &call(5, "gone"))), "policy.denied", "it is not there");
    assert_eq!(rules.needing_attention(&desk.take_fresh().unwrap()), 2);

    let approved = rules.approved.as_mut().unwrap();
    approved.approve(definition(&tool("changed", "two")));
    approved.keep_back("new", definition(&tool("new", "x")).digest());
    assert_eq!(desk.to_server(&rules, &call(6, "changed")), ToServer::Pass, "at once, without another list");
    assert_eq!(code(desk.to_server(&rules, &call(7, "new"))), "policy.held");
    assert_eq!(passed(&mut desk, &rules, &now), ["same", "changed"]);
    assert_eq!(rules.needing_attention(&desk.take_fresh().unwrap()), 0, "what is kept back on purpose is settled");
    // Back to what it was once: that was approved no more.
    assert_eq!(passed(&mut desk, &rules, &json!([tool("changed", "one")])), [""; 0]);
}

#[test]
fn a_name_with_two_definitions_passes_as_the_approved_one_alone_and_is_not_called() {
    let rules = holding(Some(&[tool("a", "good")]));
    let mut desk = Desk::default();
    assert_eq!(passed(&mut desk, &rules, &json!([tool("a", "good"), tool("a", "evil")])), ["a"]);
    assert_eq!(code(desk.to_server(&rules, &call(2, "a"))), "policy.held", "nobody knows which would be called");
    assert_eq!(passed(&mut desk, &rules, &json!([tool("a", "good")])), ["a"]);
    assert_eq!(desk.to_server(&rules, &call(3, "a")), ToServer::Pass);
}

#[test]
fn a_rule_that_denies_a_tool_says_so_before_its_change_does() {
    let mut rules = holding(Some(&[tool("a", "good")]));
    rules.policy.deny = vec![Pattern::new("a").unwrap()];
    let mut desk = Desk::default();
    assert_eq!(code(desk.to_server(&rules, &call(1, "a"))), "policy.denied");
    assert!(matches!(rules.verdict(&definition(&tool("a", "evil"))), Verdict::Denied(_)));
    assert_eq!(rules.needing_attention(&[definition(&tool("a", "evil"))]), 0);
}

#[test]
fn a_server_that_says_that_its_list_has_changed_is_asked_by_itself() {
    let rules = holding(Some(&[tool("a", "one")]));
    let mut desk = Desk::default();
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    assert_eq!(desk.to_client(&rules, changed), ToClient::Pass);
    assert!(desk.take_changed() && !desk.take_changed());
    assert_eq!(desk.look_again(), None, "nothing was heard yet that tells how it is spoken to");
    passed(&mut desk, &rules, &json!([tool("a", "one")]));
    let question = desk.look_again().expect("now it is known");
    assert!(question.contains("tools/list") && !question.contains("_meta"), "{question}");
    assert_eq!(desk.look_again(), None, "once is enough");
}

#[test]
fn a_subscription_hears_nothing_of_what_is_off() {
    let policy = ToolPolicy { resources: Feature::Off, ..ToolPolicy::default() };
    let rules = Rules::from(policy);
    let mut desk = Desk::default();
    let listen = |wanted: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{wanted}, "x":1.0}}}}"#
        )
    };
    let asked =
        listen(r#"{ "resourceSubscriptions" : ["file:///x"],"toolsListChanged":true,"resourcesListChanged":true}"#);
    let ToServer::Instead(line) = desk.to_server(&rules, &asked) else { panic!() };
    assert_eq!(
        String::from_utf8(line.to_vec()).unwrap(),
        listen(r#"{ "resourceSubscriptions" : [],"toolsListChanged":true,"resourcesListChanged":false}"#)
    );
    assert_eq!(desk.to_server(&rules, &listen(r#"{"toolsListChanged":true}"#)), ToServer::Pass);
    let twice = listen(r#"{"resourceSubscriptions":[],"resourceSubscriptions":["file:///x"]}"#);
    assert_eq!(code(desk.to_server(&rules, &twice)), "policy.unclear");
    let told = |method: &str| json!({"jsonrpc": "2.0", "method": method, "params": {"uri": "file:///x"}}).to_string();
    for method in ["notifications/resources/updated", "notifications/resources/list_changed"] {
        assert_eq!(desk.to_client(&rules, &told(method)), ToClient::Instead(Vec::new()), "{method}");
    }
    assert_eq!(desk.to_client(&rules, &told("notifications/prompts/list_changed")), ToClient::Pass);
}

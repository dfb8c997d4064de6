use proptest::prelude::*;

use super::*;
use culvert_protocol::Explain;

fn read(content: &str) -> Result<Document, ConfigError> {
    Document::read(content, Language::Yaml, &Arc::from(Path::new("c.yaml")))
}

fn read_json(content: &str) -> Result<Document, ConfigError> {
    Document::read(content, Language::Json, &Arc::from(Path::new("c.json")))
}

/// The key, text and place of each text member.
fn texts(document: &Document) -> Vec<(&'static str, &str, String)> {
    let text = |member: &'_ Member| match &member.value {
        Raw::Text(_) => member.key.name(),
        _ => panic!("{} is no text", member.key),
    };
    let values = document.top.iter().map(|member| match &member.value {
        Raw::Text(value) => (text(member), value.as_str(), member.place.to_string()),
        _ => unreachable!(),
    });
    values.collect()
}

fn refused(content: &str) -> (String, &'static str) {
    match read(content) {
        Err(error) => (error.to_string(), error.code()),
        Ok(_) => panic!("{content:?} was taken"),
    }
}

#[test]
fn scalars_stay_as_they_were_written() {
    let document =
        read("server_name: NO\ntoken: 0123\nkeepalive: 1e3\nlog_level: 'info'\nserver_description: |\n  a\n").unwrap();
    assert_eq!(
        texts(&document),
        [
            ("server_name", "NO", "c.yaml:1:14".to_owned()),
            ("token", "0123", "c.yaml:2:8".to_owned()),
            ("keepalive", "1e3", "c.yaml:3:12".to_owned()),
            ("log_level", "info", "c.yaml:4:12".to_owned()),
            ("server_description", "a\n", "c.yaml:6:3".to_owned()),
        ]
    );
}

#[test]
fn json_is_read_with_places_too() {
    let long = "t".repeat(5000);
    let content = format!(
        "\u{feff}{{\n\t\"max_retries\": 3,\n\t\"token\": \"{long}\\u00e9\\ud83d\\ude00\",\n\t\"args\": [\"a\", 1, true]\n}}"
    );
    let document = read_json(&content).unwrap();
    assert_eq!(document.top[0].place.to_string(), "c.json:2:17");
    assert!(matches!(&document.top[1].value, Raw::Text(token) if token.ends_with("té😀")));
    assert!(matches!(&document.top[2].value, Raw::List(args) if args == &["a", "1", "true"]));
}

#[test]
fn lists_maps_anchors_and_nulls_are_read() {
    let document = read("args: &a [x, 'y z']\nenv: {A: 1, B: NO, 3: c}\ntoken: ~\ncwd:\n").unwrap();
    assert_eq!(document.top.len(), 2);
    assert!(matches!(&document.top[0].value, Raw::List(list) if list == &["x", "y z"]));
    let expected = BTreeMap::from([("3", "c"), ("A", "1"), ("B", "NO")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    assert!(matches!(&document.top[1].value, Raw::Map(map) if map == &expected));
    for nothing in ["", "# only words\n", "---\n", "{}"] {
        assert!(read(nothing).unwrap().top.is_empty(), "{nothing:?}");
    }
}

#[test]
fn one_gateway_or_several_are_read() {
    let gateway = |content: &str| match read(content).unwrap().top.remove(0).value {
        Raw::Text(text) => vec![(text, None)],
        Raw::Gateways(all) => all.into_iter().map(|one| (one.address, one.token)).collect(),
        _ => panic!("{content}"),
    };
    let pair = |address: &str, token: Option<&str>| (address.to_owned(), token.map(str::to_owned));
    assert_eq!(gateway("gateway: https://a"), [pair("https://a", None)]);
    assert_eq!(gateway("gateway: |\n  https://a\n"), [pair("https://a\n", None)]);
    assert_eq!(
        gateway("gateways: [https://a, {url: 'https://b', token: 0123}, 12]"),
        [pair("https://a", None), pair("https://b", Some("0123")), pair("12", None)]
    );
    assert_eq!(gateway("gateway: {url: https://a}"), [pair("https://a", None)]);
    assert_eq!(gateway("gateway:\n  - https://a\n"), [pair("https://a", None)]);
    assert!(read("gateway:\n").unwrap().top.is_empty());
    let json = read_json(r#"{"gateway": ["https://a"]}"#).unwrap();
    assert!(matches!(&json.top[0].value, Raw::Gateways(list) if list[0].address == "https://a"));
    assert_eq!(refused("gateway: [[https://a]]").1, "config.syntax");
    let error = read("gateway: {url: https://a, tokn: hunter2}").err().unwrap();
    assert_eq!((error.code(), error.action().as_ref()), ("config.unknown_key", "Did you mean token?"));
    assert_eq!(error.to_string(), "c.yaml:1:27: the key \"tokn\" is not known");
}

#[test]
fn servers_are_sections_with_their_own_keys() {
    let document =
        read("log_level: debug\nservers:\n  - name: a\n    command: x\n  - &b {name: b}\n  - <<: *b\n    cwd: /\n");
    let sections = document.unwrap().servers.unwrap();
    let keys =
        |section: &Section| section.members.as_ref().unwrap().iter().map(|member| member.key).collect::<Vec<_>>();
    assert_eq!(keys(&sections[0]), [Key::ServerName, Key::LocalStdio]);
    assert_eq!(sections[1].place.to_string(), "c.yaml:5:8");
    assert!(keys(&sections[2]).contains(&Key::ServerName) && keys(&sections[2]).contains(&Key::Cwd));
    assert!(read("servers:\n").unwrap().servers.unwrap().is_empty());
}

/// What is wrong with each entry, by the name that could be read.
fn broken(content: &str) -> Vec<(Option<String>, Option<String>)> {
    let sections = read(content).unwrap().servers.unwrap();
    sections.into_iter().map(|section| (section.name, section.members.err().map(|error| error.to_string()))).collect()
}

#[test]
fn a_wrong_entry_is_wrong_by_itself() {
    let content = "keepalive: 5\nservers:\n- {name: a, command: x}\n- {args: hunter2, name: b}\n- hunter2\n\
                   - {name: d, colour: red}\n-\n- {name: [f], env: {A: }}\n- {name: g, command: y}\n";
    let name = |name: &str| Some(name.to_owned());
    let wrong = |text: &str| Some(text.to_owned());
    assert_eq!(
        broken(content),
        [
            (name("a"), None),
            (name("b"), wrong("c.yaml:4:10: a list is expected here")),
            (None, wrong("c.yaml:5:3: keys with values are expected here")),
            (name("d"), wrong("c.yaml:6:13: the key \"colour\" is not known")),
            (None, None),
            (None, wrong("c.yaml:8:10: one text or number is expected here")),
            (name("g"), None),
        ]
    );
    let many = "servers:\n".to_owned() + &"- hunter2\n".repeat(MOST_MISSHAPEN);
    assert_eq!(broken(&many).len(), MOST_MISSHAPEN);
    assert_eq!(refused(&(many + "- hunter2\n")).1, "config.syntax");
}

#[test]
fn syntax_errors_have_line_and_column() {
    for (content, message) in [
        ("gateway: x\ntoken: \"open", "c.yaml:2:8: "),
        ("gateway: a: b", "c.yaml:1:11: "),
        ("token: @x", "c.yaml:1:8: "),
        ("a: 1\n---\nb: 2", "c.yaml:"),
        ("gateway: *nowhere", "c.yaml:1:10: "),
        ("keepalive: 1\nkeepalive: 2", "c.yaml:2:1: the key \"keepalive\" stands here for the second time"),
    ] {
        let (text, code) = refused(content);
        assert!(text.starts_with(message), "{content:?}: {text}");
        assert_eq!(code, "config.syntax", "{content:?}");
    }
    let error = read_json("{\n  \"token\": \"x\",\n}").err().unwrap();
    assert_eq!(error.to_string(), "c.json:3:1: key must be a string");
    assert!(read_json("gateway: yaml").is_err());
}

#[test]
fn values_of_another_shape_say_what_is_expected() {
    for (content, message) in [
        ("token: [hunter2]", "c.yaml:1:8: one text or number is expected here"),
        ("token: {hunter2: 1}", "c.yaml:1:8: one text or number is expected here"),
        ("args: hunter2", "c.yaml:1:7: a list is expected here"),
        ("env: [hunter2]", "c.yaml:1:6: keys with values are expected here"),
        ("env: {A: }", "c.yaml:1:8: a value is missing here; write \"\" for an empty one"),
        ("- a\n- b", "c.yaml:1:1: keys with values are expected here"),
        ("hunter2", "c.yaml:1:1: keys with values are expected here"),
        ("servers: hunter2", "c.yaml:1:10: a list is expected here"),
        ("? [a]\n: 1", "c.yaml:1:3: one text or number is expected here"),
    ] {
        assert_eq!(refused(content).0, message, "{content:?}");
    }
}

#[test]
fn unknown_keys_name_the_nearest() {
    let error = read("gateway: x\nkeep_alive: hunter2\n").err().unwrap();
    assert_eq!(error.to_string(), "c.yaml:2:1: the key \"keep_alive\" is not known");
    assert_eq!(error.action(), "Did you mean keepalive?");
    assert_eq!(error.code(), "config.unknown_key");
    let error = read("1: x").err().unwrap();
    assert!(error.action().starts_with("Known keys: local_stdio, args, "), "{}", error.action());
    assert_eq!(broken("servers:\n- servers: []")[0].1.as_deref(), Some("c.yaml:2:3: the key \"servers\" is not known"));
    assert_eq!(refused("\"\\e[31m\": x").0, "c.yaml:1:1: the key \"[31m\" is not known");
    assert_eq!(
        refused("name: a\nserver_name: b").0,
        "c.yaml:2:1: server_name: it is given twice, under both of its names"
    );
    assert_eq!(refused("mcpServers: {a: {command: x}}").1, "config.unsupported");
}

#[test]
fn bombs_are_refused_quickly() {
    let mut bomb = String::from("args: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for n in 1..12 {
        bomb.push_str(&format!("k{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(",")));
    }
    assert_eq!(refused(&bomb).1, "config.syntax");
    assert_eq!(refused(&format!("args: {}{}", "[".repeat(5000), "]".repeat(5000))).1, "config.syntax");
    assert_eq!(refused(&format!("args: [{}]", "x,".repeat(200_000))).1, "config.syntax");
    assert!(read_json(&format!("{{\"args\": {}{}}}", "[".repeat(50_000), "]".repeat(50_000))).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_its_secret(
        before in "[-:{}\\[\\]&*!|>'\"%@,#?a-z \n\t]{0,12}", after in "[-:{}\\[\\]&*!|>'\"%@,#?a-z \n\t]{0,12}"
    ) {
        for content in [format!("token:{before}hunter2{after}"), format!("{before}\ntoken: hunter2{after}")] {
            for result in [read(&content), read_json(&content)] {
                if let Err(error) = result {
                    let shown = format!("{error} {}", error.action());
                    let is_key = matches!(error, ConfigError::UnknownKey { .. }) || shown.contains("the key");
                    prop_assert!(is_key || !shown.contains("hunter2"), "{}", shown);
                }
            }
        }
    }
}

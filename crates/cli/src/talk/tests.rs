use culvert_protocol::Cause;

use super::*;
use crate::sample;
use crate::terminal::{Colours, Format};
use crate::writer::tests::Written;

struct Story {
    talk: Talk,
    written: Written,
    start: Instant,
    transport: Carriage,
}

impl Story {
    fn new(kind: Kind) -> Self {
        Self::in_company(kind, Company::Alone)
    }

    fn in_company(kind: Kind, company: Company) -> Self {
        let written = Written::default();
        let config = sample::tunnel("/usr/bin/uvx mcp-server-git", "https://gw.example.com", "git-laptop-7");
        let talk = Talk::new(written.terminal(kind), &config, company, []);
        Self { talk, written, start: Instant::now(), transport: Carriage::WebSocket }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn online(&mut self, since: u64, notices: Vec<Notice>) {
        self.used(since, since, &[], notices);
    }

    /// Online since then, and used by these at that time.
    fn used(&mut self, since: u64, at: u64, users: &[&str], notices: Vec<Notice>) -> Option<Instant> {
        let online = Online {
            since: self.at(since),
            transport: self.transport,
            session: "s".to_owned(),
            server: culvert_tunnel::Server::Ready,
            tools: Some(12),
            round_trip: None,
            in_use_by: users.iter().map(|user| (*user).to_owned()).collect(),
            notices,
        };
        self.talk.status(&Status::Online(online), self.at(at))
    }

    fn refused(&mut self, at: u64, wait: u64, attempt: u32) {
        let cause = Cause::Refused { gateway: "https://gw.example.com".to_owned() };
        self.talk.status(&Status::Waiting { attempt, retry_at: self.at(at + wait), cause }, self.at(at));
    }
}

#[test]
fn a_story_told_in_lines_has_each_change_once() {
    let mut story = Story::new(Kind::Lines);
    let since = story.at(0);
    story.talk.status(&Status::Starting { since }, since);
    assert_eq!(story.talk.tick(story.at(1)), Some(story.at(15)));
    assert_eq!(story.talk.tick(story.at(15)), Some(story.at(60)));
    story.talk.status(&Status::Connecting, story.at(16));
    story.refused(17, 4, 1);
    story.talk.status(&Status::Connecting, story.at(21));
    story.refused(22, 9, 2);
    story.online(30, vec![]);
    story.online(30, vec![]);
    story.talk.status(&Status::Connecting, story.at(40));
    story.refused(40, 0, 1);
    story.online(52, vec![]);
    let refused = "warning: Connection refused: nothing listens at https://gw.example.com [gateway.refused]";
    assert_eq!(
        story.written.text(),
        format!(
            "culvert: starting the local server (uvx)\n\
             culvert: still starting the local server (uvx may be downloading…) 15 s\n\
             culvert: {refused}; trying again in 4 s\n  → Check the gateway's URL and the network.\n\
             culvert: online as \"git-laptop-7\" at https://gw.example.com, 12 tools\n  \
             MCP clients: https://gw.example.com/servers/git-laptop-7/mcp\n\
             culvert: {refused}; trying again now\n  → Check the gateway's URL and the network.\n\
             culvert: online again after 12 s\n"
        )
    );
}

#[test]
fn a_link_over_sse_is_said_so_until_it_is_on_websocket_again() {
    let mut story = Story::new(Kind::Lines);
    story.transport = Carriage::Sse;
    story.online(1, vec![]);
    story.refused(5, 1, 1);
    story.online(8, vec![]);
    story.transport = Carriage::WebSocket;
    story.online(8, vec![]);
    story.online(8, vec![]);
    let text = story.written.text();
    assert!(
        text.starts_with("culvert: online as \"git-laptop-7\" at https://gw.example.com over SSE, 12 tools"),
        "{text}"
    );
    assert!(text.contains("culvert: online again over SSE after 3 s\n"), "{text}");
    assert!(text.ends_with("culvert: the link is on WebSocket again\n"), "{text}");
    assert_eq!(text.matches("WebSocket").count(), 1, "{text}");
}

#[test]
fn a_gateway_without_routing_is_said_once_and_no_url_is_promised() {
    let mut story = Story::new(Kind::Lines);
    story.online(1, vec![Notice::NoRouting]);
    story.online(5, vec![Notice::NoRouting]);
    let text = story.written.text();
    assert_eq!(text.matches("[gateway.no_routing]").count(), 1, "{text}");
    assert!(!text.contains("/mcp"), "{text}");
}

#[test]
fn who_uses_it_is_told_quietly() {
    let mut story = Story::new(Kind::Lines);
    story.online(0, vec![]);
    assert_eq!(story.used(0, 1, &["claude 1.2"], vec![]), None);
    story.used(0, 2, &["claude 1.2", "claude 1.2"], vec![]);
    story.used(0, 3, &["inspector", "claude 1.2"], vec![]);
    // One that comes and goes with each call is no news.
    assert_eq!(story.used(0, 4, &["claude 1.2"], vec![]), Some(story.at(9)));
    assert_eq!(story.used(0, 5, &["inspector", "claude 1.2"], vec![]), None);
    assert_eq!(story.used(0, 6, &["claude 1.2"], vec![]), Some(story.at(11)));
    assert_eq!(story.used(0, 8, &[], vec![]), Some(story.at(13)));
    assert_eq!(story.talk.tick(story.at(13)), None);
    let text = story.written.text();
    let told: Vec<_> = text.lines().skip(2).collect();
    assert_eq!(
        told,
        ["culvert: in use by claude 1.2", "culvert: in use by claude 1.2, inspector", "culvert: no longer in use"]
    );
}

#[test]
fn among_several_each_line_says_whose_it_is() {
    let mut story = Story::in_company(Kind::Lines, Company::Gateways);
    let since = story.at(0);
    story.talk.status(&Status::Starting { since }, since);
    story.refused(1, 4, 1);
    story.online(6, vec![Notice::NoRouting]);
    story.talk.status(&Status::Stopped { cause: None }, story.at(7));
    let text = story.written.text();
    let whose: Vec<_> = text.lines().filter(|line| line.starts_with("culvert: ")).collect();
    assert_eq!(whose.len(), 5, "{text}");
    for line in whose {
        assert!(line.trim_start_matches("culvert: ").trim_start_matches("warning: ").starts_with("https://gw"));
    }
    assert!(text.contains("https://gw.example.com: online as \"git-laptop-7\", 12 tools\n"), "{text}");
}

#[test]
fn a_server_by_address_is_not_said_to_be_started() {
    let written = Written::default();
    let config = sample::by_address("http://127.0.0.1:8000/mcp");
    let mut talk = Talk::new(written.terminal(Kind::Lines), &config, Company::Alone, []);
    let since = Instant::now();
    talk.status(&Status::Starting { since }, since);
    assert_eq!(written.text(), "culvert: asking the local server (http://127.0.0.1:8000/mcp)\n");
}

#[test]
fn a_screen_shows_what_is_waited_for_and_is_left_clean() {
    let mut story = Story::new(Kind::Screen(Colours::Off));
    let since = story.at(0);
    story.talk.status(&Status::Starting { since }, since);
    assert_eq!(story.talk.tick(story.at(1)), Some(story.at(2)));
    assert_eq!(story.talk.tick(story.at(12)), Some(story.at(13)));
    assert!(story.written.text().ends_with("starting the local server (uvx may be downloading…) 12 s"));
    story.refused(20, 3, 1);
    assert!(story.written.text().ends_with("next try in 3 s (1 failed)"));
    assert_eq!(story.talk.tick(story.at(21)), Some(story.at(22)));
    assert_eq!(story.talk.tick(story.at(23)), None);
    story.talk.status(&Status::Stopped { cause: None }, story.at(24));
    assert!(story.written.text().ends_with("\r\x1b[Kculvert: stopped\n"), "{:?}", story.written.text());
}

#[test]
fn after_the_reason_for_which_it_stopped_its_end_is_no_news() {
    for (company, told) in [(Company::Alone, 0), (Company::Servers, 1)] {
        let mut story = Story::in_company(Kind::Lines, company);
        let cause = Cause::Refused { gateway: "https://gw.example.com".to_owned() };
        story.talk.status(&Status::Stopped { cause: Some(cause) }, story.at(1));
        story.talk.status(&Status::Stopping, story.at(2));
        story.talk.status(&Status::Stopped { cause: None }, story.at(2));
        let lines = story.written.text().lines().filter(|line| line.starts_with("culvert: ")).count();
        assert_eq!(lines, told, "{}", story.written.text());
    }
}

#[test]
fn a_line_of_json_says_whose_it_is() {
    let written = Written::default();
    let terminal = written.terminal(Kind::Lines);
    terminal.set_format(Format::Json);
    let config = sample::tunnel("/usr/bin/uvx mcp-server-git", "https://gw.example.com", "git-laptop-7");
    let mut talk = Talk::new(terminal.clone(), &config, Company::Alone, []);
    talk.status(&Status::Starting { since: Instant::now() }, Instant::now());
    terminal.say(Mood::Info, "of nobody's");
    let text = written.text();
    let lines: Vec<_> = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
    let [of_tunnel, other] = &lines[..] else { panic!("{text}") };
    let span = serde_json::json!({"name": "tunnel", "server": "git-laptop-7", "gateway": "https://gw.example.com"});
    assert_eq!((&of_tunnel["span"], &other["span"]), (&span, &serde_json::Value::Null));
}

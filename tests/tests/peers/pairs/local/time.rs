//! PyPI `mcp-server-time`.

use serde_json::json;

use super::{Client, Local, Payload, Step, program};

#[derive(Debug)]
pub(crate) struct Time;

impl Local for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn says_it_is(&self) -> &'static str {
        "mcp-time"
    }

    fn is_modern(&self) -> bool {
        true
    }

    fn command(&self) -> Vec<String> {
        vec![program("TIME"), "--local-timezone".into(), "UTC".into()]
    }

    fn tools(&self, _: Client) -> Vec<&'static str> {
        vec!["convert_time", "get_current_time"]
    }

    /// No tool of its takes or gives much, but it complains of a zone at the zone's full length.
    fn steps(&self, marker: &str, payloads: &[Payload]) -> Vec<Step> {
        let mut steps = vec![Step::holds("get_current_time", json!({"timezone": "UTC"}), "\"timezone\": \"UTC\"")];
        for payload in payloads {
            let zone = json!({"timezone": payload.argument()});
            steps.push(Step::fails("get_current_time", zone, "Invalid timezone", payload.text.len()));
        }
        steps.extend(self.marked(marker));
        steps
    }

    /// The mark is the minute.
    fn marked(&self, marker: &str) -> Vec<Step> {
        let minute: u32 = marker.trim_start_matches('m').parse().unwrap();
        let at = |hour: u32| {
            let time = format!("{hour:02}:{minute:02}");
            let arguments = json!({"source_timezone": "UTC", "time": time, "target_timezone": "Asia/Tokyo"});
            Step::holds("convert_time", arguments, format!("T{:02}:{minute:02}:00+09:00", hour + 9))
        };
        vec![at(3), at(7), at(12)]
    }
}

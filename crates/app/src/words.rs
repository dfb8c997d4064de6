//! A tunnel's state as the tray and the window say it: a shape, a few words with figures, and the same without.

use std::time::Duration;

use culvert_instance::EXPIRES_SOON;

use crate::shown::{Mark, ServerState, Status};

/// How many callers are named; more are counted.
const NAMED: usize = 2;

/// How a profile or tunnel is, said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// As a shape.
    pub mark: Mark,
    /// With figures.
    pub words: String,
    /// Without figures, to be said aloud when it changes.
    pub said: String,
}

impl Words {
    /// The same with and without figures.
    pub fn plain(mark: Mark, words: &str) -> Self {
        Self { mark, words: words.to_owned(), said: words.to_owned() }
    }
}

/// What is said of a status.
pub fn words(status: &Status) -> Words {
    match status {
        Status::Off | Status::Stopping | Status::Stopped { cause: None } => Words::plain(Mark::Off, "off"),
        Status::Starting { .. } => Words::plain(Mark::Connecting, "starting"),
        Status::Connecting | Status::Registering => Words::plain(Mark::Connecting, "connecting"),
        Status::Waiting { cause, .. } => of_cause(&cause.code, Mark::Connecting),
        Status::Stopped { cause: Some(cause) } => {
            Words { mark: Mark::Attention, ..of_cause(&cause.code, Mark::Attention) }
        }
        Status::Online { round_trip_ms, server, in_use_by, notices, .. } => match (server, notices.first()) {
            (ServerState::Silent { .. }, _) => Words::plain(Mark::Attention, "server does not answer"),
            (ServerState::Restarting { .. }, _) => Words::plain(Mark::Attention, "server restarts"),
            (_, Some(notice)) => {
                let word = match notice.code.as_str() {
                    "gateway.no_routing" => "online, no calls arrive",
                    EXPIRES_SOON => "online, token ends soon",
                    "tools.held" => "tools changed",
                    _ => "online, needs a look",
                };
                Words::plain(Mark::Attention, word)
            }
            (_, None) => {
                let trip = round_trip_ms.map(|ms| format!(", {ms} ms")).unwrap_or_default();
                Words {
                    mark: Mark::Online,
                    words: format!("online{trip}{}", used_by(in_use_by)),
                    said: "online".to_owned(),
                }
            }
        },
    }
}

/// What is said where all else is well and so many tools wait for a decision.
pub fn tools_changed(status: &Status, held: usize) -> Option<Words> {
    let Status::Online { server: ServerState::Ready | ServerState::Unprobed, notices, .. } = status else {
        return None;
    };
    // What keeps all calls away, or soon will, comes first.
    let is_worse = |code: &str| matches!(code, "gateway.no_routing" | EXPIRES_SOON);
    let has = |is: &dyn Fn(&str) -> bool| notices.iter().any(|notice| is(&notice.code));
    let said = match held {
        0 => return None,
        1 => "1 tool changed".to_owned(),
        several => format!("{several} tools changed"),
    };
    (has(&|code| code == "tools.held") && !has(&is_worse)).then(|| Words::plain(Mark::Attention, &said))
}

/// What is said of a cause. What passes by itself is `passing`, what the user must see to is attention.
fn of_cause(code: &str, passing: Mark) -> Words {
    let attention = Mark::Attention;
    let (mark, word) = match code {
        "gateway.lookup" | "gateway.unreachable" => (passing, "waiting for the network"),
        "gateway.refused" | "gateway.unavailable" | "gateway.upgrade" | "gateway.no_endpoint" | "gateway.no_sse" => {
            (passing, "waiting for the gateway")
        }
        "gateway.tls" => (attention, "no secure connection"),
        "tls.files" => (attention, "certificate cannot be used"),
        "proxy.failed" => (passing, "waiting for the proxy"),
        "proxy.rejected" => (attention, "refused by the proxy"),
        "auth.rejected" => (attention, "token rejected"),
        "auth.missing" => (attention, "needs a token"),
        "auth.forbidden" => (attention, "token refused"),
        "auth.expired" => (attention, "token expired"),
        "keychain.locked" => (attention, "keychain locked"),
        "keychain.absent" => (attention, "no keychain"),
        "keychain.silent" => (attention, "keychain does not answer"),
        "keychain.no_entry" => (attention, "token not in the keychain"),
        code if code.starts_with("secret.") || code.starts_with("keychain.") => (attention, "a secret cannot be read"),
        "register.refused" => (attention, "refused by the gateway"),
        "register.displaced" => (attention, "name in use elsewhere"),
        code if code.starts_with("register.") => (passing, "waiting for the gateway"),
        "link.retries_exhausted" => (attention, "gave up"),
        code if code.starts_with("link.") => (passing, "connecting again"),
        "command.not_found" => (attention, "command not found"),
        "command.changed" => (attention, "command changed"),
        code if code.starts_with("command.") => (attention, "command cannot run"),
        "server.exited" | "server.lost" => (attention, "server restarts"),
        "server.failed_to_start" => (attention, "server does not start"),
        "server.silent" => (attention, "server does not answer"),
        "server.handshake" => (attention, "no MCP server"),
        code if code.starts_with("server.") => (attention, "server not reachable"),
        _ => (attention, "needs a look"),
    };
    Words::plain(mark, word)
}

fn used_by(sessions: &[String]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in sessions {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    match names.len() {
        0 => String::new(),
        count if count > NAMED => format!(", in use by {} and {} more", names[..NAMED].join(", "), count - NAMED),
        _ => format!(", in use by {}", names.join(" and ")),
    }
}

/// The status line: how many of the wanted ones are online.
pub fn status_line(marks: &[Mark]) -> String {
    let wanted = marks.iter().filter(|mark| **mark != Mark::Off).count();
    let online = marks.iter().filter(|mark| **mark == Mark::Online).count();
    match (marks.len(), wanted) {
        (0, _) => "Nothing is shared yet".to_owned(),
        (_, 0) => "All off".to_owned(),
        (_, 1) if online == 1 => "1 online".to_owned(),
        (_, wanted) => format!("{online} of {wanted} online"),
    }
}

/// The one shape for all: the worst of those that are wanted.
pub fn worst(marks: impl IntoIterator<Item = Mark>) -> Mark {
    let rank = |mark: &Mark| match mark {
        Mark::Off => 0,
        Mark::Online => 1,
        Mark::Connecting => 2,
        Mark::Attention => 3,
    };
    marks.into_iter().max_by_key(rank).unwrap_or(Mark::Off)
}

/// A round trip as it is shown: what was shown stays until it is off by a quarter and by 3 ms, so that words do not
/// flicker.
pub fn steady(shown: Option<u32>, now: Duration) -> u32 {
    let now = u32::try_from(now.as_millis()).unwrap_or(u32::MAX).max(1);
    match shown {
        Some(shown) if shown.abs_diff(now) < 3 || shown.abs_diff(now) * 4 < shown => shown,
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shown::{Explained, Time, Transport};

    fn online(round_trip_ms: Option<u32>, server: ServerState, in_use_by: &[&str], notices: &[&str]) -> Status {
        Status::Online {
            since: Time(0),
            transport: Transport::Ws,
            round_trip_ms,
            server,
            tools: None,
            in_use_by: in_use_by.iter().map(|name| (*name).to_owned()).collect(),
            notices: notices.iter().map(|code| Explained::new(code, "", "")).collect(),
            url: None,
        }
    }

    #[test]
    fn what_is_so_is_said_in_a_few_words() {
        let said = |status: &Status| {
            let Words { mark, words, said } = words(status);
            (mark, words, said)
        };
        let is = |mark, words: &str, said_: &str| (mark, words.to_owned(), said_.to_owned());
        let ready = || ServerState::Ready;
        assert_eq!(
            said(&online(Some(12), ready(), &["claude", "claude"], &[])),
            is(Mark::Online, "online, 12 ms, in use by claude", "online")
        );
        assert_eq!(
            said(&online(None, ready(), &["a", "b", "c", "d"], &[])),
            is(Mark::Online, "online, in use by a, b and 2 more", "online")
        );
        let silent = ServerState::Silent { cause: Explained::new("server.silent", "", "") };
        assert_eq!(
            said(&online(Some(12), silent, &["a"], &[])),
            is(Mark::Attention, "server does not answer", "server does not answer")
        );
        assert_eq!(said(&online(None, ready(), &[], &["gateway.no_routing"])).0, Mark::Attention);
        let held = online(Some(12), ready(), &[], &["secret.readable", "tools.held"]);
        assert_eq!(tools_changed(&held, 2), Some(Words::plain(Mark::Attention, "2 tools changed")));
        assert_eq!(tools_changed(&online(None, ready(), &[], &["gateway.no_routing", "tools.held"]), 2), None);
        let cause = |code: &str| Explained::new(code, "", "");
        let waiting = |code| Status::Waiting { attempt: 1, retry_at: Time(0), cause: cause(code) };
        assert_eq!(
            said(&waiting("gateway.lookup")),
            is(Mark::Connecting, "waiting for the network", "waiting for the network")
        );
        assert_eq!(said(&waiting("keychain.locked")), is(Mark::Attention, "keychain locked", "keychain locked"));
        assert_eq!(
            said(&Status::Stopped { cause: Some(cause("auth.rejected")) }),
            is(Mark::Attention, "token rejected", "token rejected")
        );
        assert_eq!(said(&Status::Stopped { cause: Some(cause("gateway.lookup")) }).0, Mark::Attention);
        assert_eq!(said(&Status::Stopped { cause: None }).0, Mark::Off);
    }

    #[test]
    fn the_status_line_counts_what_is_wanted() {
        use Mark::{Attention, Off, Online};
        assert_eq!(status_line(&[]), "Nothing is shared yet");
        assert_eq!(status_line(&[Off, Off]), "All off");
        assert_eq!(status_line(&[Off, Online]), "1 online");
        assert_eq!(status_line(&[Online, Online, Attention, Off]), "2 of 3 online");
        assert_eq!(worst([Online, Attention, Mark::Connecting]), Attention);
        assert_eq!(worst([]), Off);
    }

    #[test]
    fn a_round_trip_is_shown_anew_only_by_steps_that_matter() {
        let ms = Duration::from_millis;
        assert_eq!(steady(None, ms(12)), 12);
        assert_eq!(steady(Some(12), ms(14)), 12);
        assert_eq!(steady(Some(12), ms(15)), 15);
        assert_eq!(steady(Some(100), ms(120)), 100);
        assert_eq!(steady(Some(100), ms(126)), 126);
        assert_eq!(steady(None, Duration::from_micros(80)), 1);
    }
}

//! A token given after `--token` leaves the list of arguments, which every user of the machine can read: the process
//! starts its own program anew under the same process id, without it, and hands it over on stdin. The commands that
//! this is for do not read stdin otherwise.

use std::ffi::{OsStr, OsString};

/// The arguments of a command line without the token, and the flag that tells where it is instead. What follows
/// `--token` is its value: the flag parser takes no value that begins with a hyphen, so that no other flag's can be
/// mistaken for it.
#[cfg_attr(not(unix), allow(dead_code))]
fn without_token(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut rest = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_encoded_bytes();
        if argument == OsStr::new("--token") {
            arguments.next();
        } else if !bytes.starts_with(b"--token=") {
            rest.push(argument);
            continue;
        }
        rest.push(format!("--{}", crate::token_flags::HANDED_OVER).into());
    }
    rest
}

/// Starts this program anew without the token in its arguments. Returns only where that cannot be done; then all stays
/// as it is, and the warning about it is true. Signals, their dispositions and the process id stay.
#[cfg(unix)]
pub(crate) fn leave_arguments(token: &culvert_protocol::Secret) {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    let started_anew = || -> std::io::Result<std::convert::Infallible> {
        let program = std::env::current_exe()?;
        // Looked at before anything is changed: one that was replaced while it runs is not there any more.
        program.metadata()?;
        let (reader, mut writer) = UnixStream::pair()?;
        // Nobody reads yet: a token that does not fit must not block for ever.
        writer.set_nonblocking(true)?;
        std::io::Write::write_all(&mut writer, token.expose().as_bytes())?;
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into());
        let mut anew = Command::new(&program);
        anew.arg0(name).args(without_token(arguments)).stdin(Stdio::from(OwnedFd::from(reader)));
        // The writer is closed by it, so that the reader sees the end.
        Err(anew.exec())
    };
    let _ = started_anew();
}

/// Elsewhere no process can become another one, so that only the warning is left.
#[cfg(not(unix))]
pub(crate) fn leave_arguments(_token: &culvert_protocol::Secret) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_leaves_the_arguments_wherever_it_stands() {
        let left = |line: &[&str]| {
            let left = without_token(line.iter().map(OsString::from));
            left.into_iter().map(|argument| argument.into_string().unwrap()).collect::<Vec<_>>()
        };
        let over = "--token-handed-over";
        assert_eq!(left(&["run", "--token", "hunter2", "--json"]), ["run", over, "--json"]);
        assert_eq!(left(&["run", "--json", "--token=hunter2"]), ["run", "--json", over]);
        assert_eq!(left(&["run", "--local-stdio", "x --token y"]), ["run", "--local-stdio", "x --token y"]);
        assert_eq!(left(&["run", "--token-file", "t"]), ["run", "--token-file", "t"]);
    }
}

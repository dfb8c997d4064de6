//! The `PATH` of the user's login shell. A program that a desktop starts does not have it, and would not find `npx` or
//! `uvx` where the user's own terminal does.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use culvert_profiles::System;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a shell may take: one that loads much takes a second or two.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most bytes of a shell's output that are read.
const MOST: u64 = 1 << 20;

/// What stands around the path: banners and prompts may come before and after it.
const MARK: &str = "__culvert_path__";

/// The login shell's `PATH`, where this process was started by a desktop and not from a shell.
pub async fn of_this_process() -> Option<OsString> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if !is_needed(System::here(), &variable) {
        return None;
    }
    let shell = shell(System::here(), variable("SHELL"));
    let own = variable("PATH").unwrap_or_default();
    let found = ask(&shell).await?;
    let path = merged(&found, &own);
    tracing::info!(shell, "commands are looked up as in the login shell");
    (path != own).then(|| path.into())
}

/// Whether a login shell knows more: whoever starts a program in a terminal gives it `TERM` and the shell's own `PATH`.
/// Windows keeps one `PATH` for all.
fn is_needed(system: System, variable: &dyn Fn(&str) -> Option<String>) -> bool {
    match system {
        System::Windows => false,
        System::Linux | System::MacOs => variable("TERM").is_none_or(|term| term == "dumb"),
    }
}

/// The shell to ask: the user's, else the system's.
fn shell(system: System, given: Option<String>) -> String {
    given.filter(|shell| shell.starts_with('/')).unwrap_or_else(|| match system {
        System::MacOs => "/bin/zsh".to_owned(),
        System::Linux | System::Windows => "/bin/sh".to_owned(),
    })
}

/// What a shell is started with so that it reads what a login shell reads, says its path and ends.
fn arguments(shell: &str) -> Vec<String> {
    let say = match shell.rsplit('/').next().unwrap_or(shell) {
        // Fish's is a list.
        "fish" => format!("printf '%s' {MARK}(string join : $PATH){MARK}"),
        "nu" => format!("print -n ('{MARK}' + ($env.PATH | str join ':') + '{MARK}')"),
        _ => format!("printf '%s' \"{MARK}${{PATH}}{MARK}\""),
    };
    // Many set it only where they are also interactive.
    ["-l", "-i", "-c"].map(str::to_owned).into_iter().chain([say]).collect()
}

async fn ask(shell: &str) -> Option<String> {
    let mut command = Command::new(shell);
    command.args(arguments(shell)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    // Not the terminal's foreground: an interactive shell without one must not stop its parent.
    #[cfg(unix)]
    command.process_group(0);
    for name in culvert_protocol::secret::VARIABLES {
        command.env_remove(name);
    }
    let mut child = command.spawn().ok()?;
    let mut output = child.stdout.take()?;
    let mut said = Vec::new();
    // The answer is there before the end: what the shell left running may hold its output open.
    let read = async {
        let mut piece = [0; 4096];
        loop {
            let count = output.read(&mut piece).await.unwrap_or_default();
            said.extend_from_slice(&piece[..count]);
            let path = path_in(&String::from_utf8_lossy(&said));
            if path.is_some() || count == 0 || said.len() as u64 > MOST {
                return path;
            }
        }
    };
    let path = timeout(PATIENCE, read).await.ok().flatten();
    let _ = child.kill().await;
    path
}

/// The path between the marks.
fn path_in(said: &str) -> Option<String> {
    let (_, rest) = said.split_once(MARK)?;
    let (path, _) = rest.split_once(MARK)?;
    let is_path = !path.is_empty() && !path.contains(char::is_control);
    is_path.then(|| path.to_owned())
}

/// The shell's path, then what only this process has.
fn merged(shell: &str, own: &str) -> String {
    let mut all: Vec<&str> = Vec::new();
    for folder in shell.split(':').chain(own.split(':')) {
        // An empty entry is the current folder, which nobody means here.
        if !folder.is_empty() && !all.contains(&folder) {
            all.push(folder);
        }
    }
    all.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_asked_only_by_what_a_desktop_started() {
        let none = |_: &str| None;
        let terminal = |name: &str| (name == "TERM").then(|| "xterm".to_owned());
        for system in [System::Linux, System::MacOs] {
            assert!(is_needed(system, &none) && !is_needed(system, &terminal));
        }
        assert!(!is_needed(System::Windows, &none));
        assert_eq!(shell(System::MacOs, None), "/bin/zsh");
        assert_eq!(shell(System::Linux, Some("fish".to_owned())), "/bin/sh");
        assert_eq!(shell(System::Linux, Some("/usr/bin/fish".to_owned())), "/usr/bin/fish");
        assert!(arguments("/usr/bin/fish")[3].contains("string join"));
    }

    #[test]
    fn banners_do_no_harm() {
        let said = format!("Welcome!\n{MARK}/a:/b{MARK}bye\n");
        assert_eq!(path_in(&said).as_deref(), Some("/a:/b"));
        assert_eq!(path_in(&format!("{MARK}/a")), None);
        assert_eq!(path_in(&format!("{MARK}{MARK}")), None);
        assert_eq!(path_in(&format!("{MARK}/a\n/b{MARK}")), None);
        assert_eq!(merged("/home/a/bin:/usr/bin", "/usr/bin:/snap/bin:"), "/home/a/bin:/usr/bin:/snap/bin");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_real_shell_with_a_banner_is_understood_and_one_that_hangs_is_left() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path.to_string_lossy().into_owned()
        };
        let talkative = script(
            "talkative",
            "#!/bin/sh\necho hello\nPATH=/opt/tools:/bin\nexport PATH\nshift 3\n/bin/sh -c \"$1\"\necho bye\nsleep 60\n",
        );
        assert_eq!(ask(&talkative).await.as_deref(), Some("/opt/tools:/bin"));
        let silent = script("silent", "#!/bin/sh\nexit 1\n");
        assert_eq!(ask(&silent).await, None);
        assert_eq!(ask("/no/such/shell").await, None);
    }
}

//! From a command to a program file: where it is looked for, and how to get it when it is not there.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use culvert_protocol::Cause;

use crate::config::StdioCommand;

/// The folders in which a command's program is looked up: its own `PATH`, else this process's.
pub(crate) fn path_of(command: &StdioCommand) -> Option<OsString> {
    command.env.get("PATH").cloned().or_else(|| env::var_os("PATH"))
}

/// Finds the file that a command's program means. A name without a slash is looked up in `path`, as a shell does.
///
/// # Errors
/// [`Cause::CommandNotFound`], with a way to get the program where one is known, or [`Cause::CommandRefused`] when the
/// file is there but may not be executed.
pub(crate) fn resolve(command: &StdioCommand, path: Option<&OsStr>) -> Result<PathBuf, Cause> {
    let program = command.program.as_str();
    if program.is_empty() {
        return Err(Cause::CommandInvalid { detail: "it is empty".to_owned() });
    }
    if program.contains(std::path::is_separator) {
        let base = command.cwd.clone().unwrap_or_default();
        return check(program, base.join(program));
    }
    let mut refused = None;
    for folder in path.map(env::split_paths).into_iter().flatten() {
        for file in candidates(&folder, program) {
            match is_program(&file) {
                Found::Program => return Ok(file),
                Found::NotExecutable => refused = Some(file),
                Found::Nothing => {}
            }
        }
    }
    match refused {
        Some(file) => Err(not_executable(program, &file)),
        None => Err(Cause::CommandNotFound {
            program: program.to_owned(),
            searched: " in PATH".to_owned(),
            remedy: remedy(program).map(str::to_owned),
        }),
    }
}

fn check(program: &str, file: PathBuf) -> Result<PathBuf, Cause> {
    match is_program(&file) {
        Found::Program => Ok(file),
        Found::NotExecutable => Err(not_executable(program, &file)),
        Found::Nothing => {
            Err(Cause::CommandNotFound { program: program.to_owned(), searched: String::new(), remedy: None })
        }
    }
}

fn not_executable(program: &str, file: &Path) -> Cause {
    let detail = if file.is_dir() { "it is a folder" } else { "the file is not marked executable" };
    Cause::CommandRefused { program: program.to_owned(), detail: detail.to_owned() }
}

enum Found {
    Program,
    NotExecutable,
    Nothing,
}

#[cfg(unix)]
fn is_program(file: &Path) -> Found {
    use std::os::unix::fs::PermissionsExt as _;
    match file.metadata() {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => Found::Program,
        Ok(_) => Found::NotExecutable,
        Err(_) => Found::Nothing,
    }
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> Found {
    match file.metadata() {
        Ok(found) if found.is_file() => Found::Program,
        Ok(_) => Found::NotExecutable,
        Err(_) => Found::Nothing,
    }
}

/// The files that `program` may mean in `folder`: on Windows the usual endings are tried too.
fn candidates(folder: &Path, program: &str) -> Vec<PathBuf> {
    let plain = folder.join(program);
    if cfg!(windows) && plain.extension().is_none() {
        return ["exe", "cmd", "bat", "com"].map(|ending| plain.with_extension(ending)).into();
    }
    vec![plain]
}

/// How to get the programs that MCP servers are usually started with.
fn remedy(program: &str) -> Option<&'static str> {
    Some(match program {
        "uvx" | "uv" => "Install uv: `pipx install uv`, or `curl -LsSf https://astral.sh/uv/install.sh | sh`.",
        "npx" | "npm" | "node" if cfg!(target_os = "macos") => "Install Node.js: `brew install node`.",
        "npx" | "npm" | "node" if cfg!(windows) => "Install Node.js: `winget install OpenJS.NodeJS.LTS`.",
        "npx" | "npm" | "node" => "Install Node.js: `sudo apt install nodejs npm`, or see https://nodejs.org.",
        "docker" => {
            "Install Docker: see https://docs.docker.com/engine/install/ (Debian: `sudo apt install docker.io`)."
        }
        "podman" => "Install Podman: `sudo apt install podman`.",
        "python3" | "python" if cfg!(target_os = "macos") => "Install Python: `brew install python`.",
        "python3" | "python" if cfg!(windows) => "Install Python: `winget install Python.Python.3.13`.",
        "python" => "Install Python: `sudo apt install python3`, and write python3 instead of python.",
        "python3" => "Install Python: `sudo apt install python3`.",
        "pipx" => "Install pipx: `sudo apt install pipx`.",
        "bunx" | "bun" => "Install Bun: see https://bun.sh.",
        "deno" => "Install Deno: see https://deno.com.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use culvert_protocol::Explain as _;

    fn command(program: &str) -> StdioCommand {
        StdioCommand { program: program.to_owned(), ..StdioCommand::default() }
    }

    #[test]
    fn a_missing_runner_names_how_to_get_it() {
        for program in ["uvx", "npx", "docker", "node", "python3"] {
            let cause = resolve(&command(program), Some(OsStr::new("/nonexistent"))).unwrap_err();
            assert_eq!(cause.code(), "command.not_found");
            assert!(cause.action().contains("nstall"), "{program}: {}", cause.action());
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_are_looked_up_and_paths_are_not() {
        let path = Some(OsStr::new("/nonexistent:/usr/bin:/bin"));
        assert!(resolve(&command("sh"), path).unwrap().ends_with("sh"));
        assert!(resolve(&command("/bin/sh"), None).is_ok());
        assert_eq!(resolve(&command("./sh"), path).unwrap_err().code(), "command.not_found");
        assert_eq!(resolve(&command("/etc/passwd"), path).unwrap_err().code(), "command.refused");
        assert_eq!(resolve(&command("/usr"), path).unwrap_err().code(), "command.refused");
        assert_eq!(resolve(&command(""), path).unwrap_err().code(), "command.invalid");
    }
}

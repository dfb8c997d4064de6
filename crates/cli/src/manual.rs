//! Completions for shells and manual pages, both made from the flags themselves.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;
use crate::terminal::{Mood, Terminal};

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Where to.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder that gets a page for each command, as culvert.1, culvert-run.1, …; made where it is not there
    folder: PathBuf,
}

/// Writes a completion script to stdout.
pub(crate) fn completions(args: &CompletionsArgs, terminal: &Terminal) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "culvert", &mut script);
    written(io::stdout().write_all(&script), terminal)
}

/// Writes a manual page for each command.
pub(crate) fn man(args: &ManArgs, terminal: &Terminal) -> Exit {
    let pages = fs::create_dir_all(&args.folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder));
    written(pages, terminal)
}

fn written(outcome: io::Result<()>, terminal: &Terminal) -> Exit {
    match outcome {
        Ok(()) => Exit::Asked,
        // Whoever reads had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Asked,
        Err(error) => {
            terminal.say(Mood::Error, &format!("it cannot be written: {error}"));
            Exit::Internal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_every_shell_a_script() {
        let folder = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(Cli::command(), folder.path()).unwrap();
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let page = folder.path().join(format!("culvert-{}.1", command.get_name()));
            assert!(page.is_file(), "{}", page.display());
        }
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "culvert", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("local-stdio"), "{shell}");
        }
    }
}

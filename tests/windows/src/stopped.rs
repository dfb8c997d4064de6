//! A profile that is stopped while its Culvert goes on: asked over the named pipe, and nobody of the family may stay.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::time::Duration;

use crate::Trial;
use crate::family::{Done, WATCHED_AT, Watch};

/// How long a local server may take to be there, on a slow machine.
const BEGINNING: Duration = Duration::from_secs(60);

/// How long a local server that ignores the end of its input has.
const END: Duration = Duration::from_secs(20);

/// Saves a profile, has it run, asks about it, and has it stopped.
///
/// # Errors
/// That somebody stayed, or that Culvert did not do as it was told.
pub(crate) fn a_stopped_server_leaves_nobody_on_windows(trial: &Trial) -> Done {
    let user = User::new(trial)?;
    let watch = Watch::begin()?;
    let server = format!("\"{}\" serve", env::current_exe()?.display());
    user.told(&["profiles", "add", "family", "--local-stdio", &server, "--gateway", &trial.gateway])?;
    let nobody = user.told(&["status"])?;
    if !nobody.contains("nothing runs") {
        return Err(format!("somebody is there already: {nobody}").into());
    }
    let mut up = user.culvert(&["up"]).env(WATCHED_AT, watch.address()?).stderr(Stdio::null()).spawn()?;
    let tried = watched_over(&watch, &user, &mut up);
    up.kill()?;
    up.wait()?;
    tried?;
    println!("a server was stopped over the named pipe: nobody stayed, and its Culvert went on");
    Ok(())
}

fn watched_over(watch: &Watch, user: &User, up: &mut Child) -> Done {
    let family = watch.family(BEGINNING)?;
    let status = match user.told(&["status", "--json"]) {
        // Not online yet.
        Err(refused) if refused.to_string().contains("\"wanted\":true") => refused.to_string(),
        other => other?,
    };
    if !status.contains("\"wanted\":true") {
        return Err(format!("nobody was asked: {status}").into());
    }
    user.told(&["down", "family"])?;
    for member in family {
        member.see_off(END)?;
    }
    if let Some(status) = up.try_wait()? {
        return Err(format!("it ended itself: {status}").into());
    }
    match user.told(&["status", "--json"])? {
        after if after.contains("\"wanted\":false") => Ok(()),
        after => Err(format!("it is still wanted: {after}").into()),
    }
}

/// A user with nothing saved.
struct User<'a> {
    trial: &'a Trial,
    folder: PathBuf,
}

impl<'a> User<'a> {
    fn new(trial: &'a Trial) -> std::io::Result<Self> {
        let folder = env::temp_dir().join(format!("culvert-windows-{}", process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { trial, folder })
    }

    fn culvert(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.trial.culvert);
        command.args(arguments).env("APPDATA", &self.folder).env("LOCALAPPDATA", &self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// What Culvert says.
    ///
    /// # Errors
    /// What it says where it fails.
    fn told(&self, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
        let output = self.culvert(arguments).stdout(Stdio::piped()).output()?;
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        match output.status.success() {
            true => Ok(said),
            false => Err(format!("culvert {}: {}: {said}", arguments.join(" "), output.status).into()),
        }
    }
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

//! A configuration file, all the way to profiles. Its errors are shown, so they must be fit for a terminal.

use std::io;
use std::path::Path;

use culvert_profiles::{ConfigFile, Platform, Settings, Surroundings, loaded};
use culvert_protocol::Explain as _;

pub(crate) fn run(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let path = Path::new(if first % 2 == 0 { "servers.yaml" } else { "servers.json" });
    let surroundings = Surroundings {
        variable: &|name| name.starts_with("SET").then(|| "of-the-environment".to_owned()),
        secret_file: &|path| match path.extension() {
            Some(_) => Err(io::ErrorKind::NotFound.into()),
            None => Ok("of-a-file".to_owned()),
        },
        host: "host.example".to_owned(),
        folder: "/home/ann".into(),
        platform: if first % 4 < 2 { Platform::Unix } else { Platform::Windows },
    };
    let file = match ConfigFile::parse(text, path) {
        Ok(file) => file,
        Err(error) => return fit_to_show(&error.to_string(), &error.action()),
    };
    match loaded(Settings::default(), Some(file), &surroundings) {
        Ok(loaded) => {
            for broken in &loaded.broken {
                fit_to_show(&broken.error.to_string(), &broken.error.action());
            }
            for profile in &loaded.profiles {
                let _ = loaded.dead_reference(profile, &surroundings);
            }
        }
        Err(error) => fit_to_show(&error.to_string(), &error.action()),
    }
}

fn fit_to_show(message: &str, action: &str) {
    for shown in [message, action] {
        let foreign = shown.chars().find(|char| char.is_control() && *char != '\n');
        assert!(foreign.is_none(), "{foreign:?} would reach a terminal: {shown:?}");
    }
}

//! The corpus, run once as it is and with small changes that a seed repeats: also where there is no fuzzer.

use std::path::Path;

use super::*;

/// Changed copies of each file.
const CHANGES: u64 = 40;

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut all: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

/// A byte set, dropped or doubled, a run copied elsewhere, or another file's end put on.
fn change(data: &mut Vec<u8>, other: &[u8], random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..5) {
        if data.is_empty() {
            return;
        }
        let at = random.usize(..data.len());
        let end = random.usize(at..=data.len()).min(at + 64);
        match random.u8(..6) {
            0 => data[at] = random.u8(..),
            1 => data[at] ^= 1 << random.u8(..8),
            2 => _ = data.drain(at..end),
            3 => data.insert(at, *random.choice(b"\0\n\r\"\\{}[]:,.-<\xff").unwrap_or(&0)),
            4 => {
                let run = data[at..end].to_vec();
                let to = random.usize(..=data.len());
                data.splice(to..to, run);
            }
            _ => {
                data.truncate(at);
                data.extend_from_slice(&other[random.usize(..=other.len())..]);
            }
        }
    }
}

#[test]
fn no_file_of_the_corpus_and_no_small_change_to_one_is_a_finding() {
    let mut random = fastrand::Rng::with_seed(6);
    for target in TARGETS {
        let files = corpus(target.name);
        assert!(files.len() >= 3, "{} has hardly a corpus", target.name);
        for (name, data) in &files {
            println!("{name}");
            (target.run)(data);
            for number in 0..CHANGES {
                let mut changed = data.clone();
                let (_, other) = random.choice(&files).unwrap();
                change(&mut changed, other, &mut random);
                println!("change {number}: {:?}", changed.escape_ascii().to_string());
                (target.run)(&changed);
            }
        }
    }
}

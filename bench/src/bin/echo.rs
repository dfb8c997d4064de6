//! The local server behind every measured tunnel: MCP over stdio, one thread, one tool
//! that returns its argument.

#[path = "../echo.rs"]
mod echo;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use memchr::memchr;

use crate::echo::reply;

/// What one `read` takes at most: a Linux pipe holds as much.
const READ: usize = 64 * 1024;

fn main() -> io::Result<()> {
    // Unbuffered on purpose: the standard handles would copy everything once more.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut pending = Vec::new();
    let mut answer = Vec::new();
    let mut chunk = vec![0; READ];
    loop {
        let got = input.read(&mut chunk)?;
        if got == 0 {
            return Ok(());
        }
        let searched = pending.len();
        pending.extend_from_slice(chunk.get(..got).unwrap_or_default());
        let mut begin = 0;
        let mut from = searched;
        while let Some(length) = pending.get(from..).and_then(|rest| memchr(b'\n', rest)) {
            let end = from + length;
            answer.clear();
            if reply(pending.get(begin..end).unwrap_or_default(), &mut answer) {
                // One write per answer, as stdio servers do: answers gathered into one
                // write would spare the measured tunnel reads that it has in real life.
                output.write_all(&answer)?;
            }
            begin = end + 1;
            from = begin;
        }
        pending.drain(..begin);
    }
}

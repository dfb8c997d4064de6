//! The servers: what each is started with, what it offers, and what a client is to do with it.

pub(crate) mod both_eras;
pub(crate) mod everything;
pub(crate) mod filesystem;
pub(crate) mod git;
pub(crate) mod memory;
pub(crate) mod time;

pub(crate) use both_eras::BothEras;
pub(crate) use everything::Everything;
pub(crate) use filesystem::Filesystem;
pub(crate) use git::Git;
pub(crate) use memory::Memory;
pub(crate) use time::Time;

use std::pin::Pin;

use culvert_tests::peers::peer;

use super::client::Client;
use super::payload::Payload;
use super::step::Step;

pub(crate) trait Local {
    /// The name to register.
    fn name(&self) -> &'static str;
    /// What it calls itself.
    fn says_it_is(&self) -> &'static str;
    /// Whether it takes requests of 2026-07-28.
    fn is_modern(&self) -> bool;
    /// Program and arguments.
    fn command(&self) -> Vec<String>;
    /// Variables that it needs.
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![]
    }
    /// What it lists for this client, sorted.
    fn tools(&self, client: Client) -> Vec<&'static str>;
    /// All that can be shown with it in one session of this mark.
    fn steps(&self, marker: &str, payloads: &[Payload]) -> Vec<Step>;
    /// Calls whose answers belong to the session of this mark and no other.
    fn marked(&self, marker: &str) -> Vec<Step>;
    /// Prepares a payload so that a call of few bytes brings it.
    fn gives(&self, _payload: &Payload) -> Option<Step> {
        None
    }
    /// Checks, where a payload went further than to the server's memory, that it is there, unchanged.
    fn holds<'a>(&'a self, _payload: &'a Payload) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async {})
    }
}

/// The program of a peer, as text.
fn program(name: &str) -> String {
    peer(name).to_str().unwrap().to_owned()
}

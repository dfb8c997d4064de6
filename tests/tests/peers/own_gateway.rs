//! Each client and each server once, through Culvert alone. `matrix.rs` has all of their pairs.

use crate::pairs::client::Client::{Python1, Python2, TypeScript1, TypeScript2};
use crate::pairs::client::Mode::{Auto, Legacy, Modern};
use crate::pairs::inspector::{Era, inspect};
use crate::pairs::local::{BothEras, Everything, Filesystem, Git, Memory, Time};
use crate::pairs::{MIB, crowd, meet};

#[tokio::test]
async fn python_1_answers_all_that_everything_asks() {
    meet(Python1, &Everything, &[MIB]).await;
}

#[tokio::test]
async fn python_2_falls_back_with_a_server_of_the_legacy_era() {
    meet(Python2(Auto), &Filesystem::new(), &[MIB]).await;
}

#[tokio::test]
async fn python_2_is_legacy_when_told_so() {
    meet(Python2(Legacy), &Memory::new(), &[MIB]).await;
}

#[tokio::test]
async fn python_2_is_modern_when_told_so() {
    meet(Python2(Modern), &BothEras, &[MIB]).await;
}

#[tokio::test]
async fn typescript_1_answers_all_that_everything_asks() {
    meet(TypeScript1, &Everything, &[MIB]).await;
}

#[tokio::test]
async fn typescript_2_finds_a_server_modern_by_itself() {
    meet(TypeScript2(Auto), &Git::new(), &[MIB]).await;
}

#[tokio::test]
async fn the_inspector_lists_and_calls() {
    inspect(Era::Auto, &Time, &[MIB]).await;
}

#[tokio::test]
async fn many_sessions_at_once_hear_nothing_of_each_other() {
    crowd(TypeScript1, &Memory::new()).await;
}

#[tokio::test]
async fn many_requests_that_stand_alone_share_a_process_and_hear_nothing_of_each_other() {
    crowd(TypeScript2(Modern), &BothEras).await;
}

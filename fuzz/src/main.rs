//! The fuzzer: libFuzzer's own command line, on the target that `CULVERT_FUZZ_TARGET` names. `fuzz/run` builds and
//! starts it.

#![no_main]
#![allow(clippy::expect_used, reason = "a panic is how a mistake is told")]

use std::sync::OnceLock;

use culvert_fuzz::{Target, target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("CULVERT_FUZZ_TARGET").unwrap_or_default();
        target(&name).expect("CULVERT_FUZZ_TARGET names a target")
    });
    (chosen.run)(data);
});

//! Where chance in a test comes from: a number that no run before had, and that a failure tells.

/// The variable that makes a run use the same number as a failed one.
pub const VARIABLE: &str = "CULVERT_TEST_SEED";

/// The seed of this run, told on stderr: a failed test shows it.
pub fn fresh() -> u64 {
    let given = std::env::var(VARIABLE).ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(1..1_000_000));
    eprintln!("{VARIABLE}={seed} repeats this run");
    seed
}

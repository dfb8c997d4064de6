//! How calls are counted at both ends: by a closed list of methods, and by how long they took. Plain numbers, cheap to
//! count and to look at.

mod histogram;
mod method;

pub use histogram::{Histogram, HistogramSnapshot};
pub use method::Method;

/// Upper bounds of the buckets for calls, in microseconds: 1 ms to 5 min.
pub static CALL_TIMES: [u64; 16] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];

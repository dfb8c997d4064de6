//! Input that says for itself how it is cut: readers of streams must not care.

use bytes::Bytes;

/// The rest of `data` after its first two bytes, in pieces whose lengths these two choose.
pub(crate) fn pieces(data: &[u8]) -> (Bytes, Vec<Bytes>) {
    let Some((seed, rest)) = data.split_first_chunk::<2>() else { return Default::default() };
    let mut random = fastrand::Rng::with_seed(u16::from_be_bytes(*seed).into());
    // Both many tiny pieces and a few large ones.
    let longest = 1 << random.u32(0..8);
    let whole = Bytes::copy_from_slice(rest);
    let (mut left, mut pieces) = (whole.clone(), Vec::new());
    while !left.is_empty() {
        pieces.push(left.split_to(random.usize(1..=longest).min(left.len())));
    }
    (whole, pieces)
}

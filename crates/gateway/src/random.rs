//! Identifiers that nobody can guess.

use std::fmt::Write as _;

/// 128 random bits in hexadecimal.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// 30 random bits: a number to begin counting at, so that two who count have none in common. Whoever counts on from it
/// a thousand million times still has numbers of 31 bits, which every server takes for an id.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn number() -> Result<u32, getrandom::Error> {
    Ok(getrandom::u32()? >> 2)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_long_and_differ() {
        let (a, b) = (super::id().unwrap(), super::id().unwrap());
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
        assert_eq!(super::hex(&[0, 255]), "00ff");
    }
}

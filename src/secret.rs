//! Secrets that somebody shows, and whether they are right.

use std::hint::black_box;

/// Whether `given` is `secret`, in a time that does not tell how much of it was right; only its length does.
pub(crate) fn is_same(given: &[u8], secret: &[u8]) -> bool {
    let pairs = given.iter().zip(secret);
    let differing = pairs.fold(0, |differing, (one, other)| {
        // Or the compiler may leave the loop as soon as the outcome is known.
        black_box(differing | (one ^ other))
    });
    given.len() == secret.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever they differ, and also where one is the beginning of the other.
    #[test]
    fn secrets_are_compared_whole() {
        assert!(is_same(b"0123456789abcdef", b"0123456789abcdef"));
        assert!(is_same(b"", b""));
        for other in [
            "",
            "1123456789abcdef",
            "0123456789abcdeF",
            "0123456789abcde",
            "0123456789abcdef0",
        ] {
            assert!(!is_same(other.as_bytes(), b"0123456789abcdef"), "{other}");
            assert!(!is_same(b"0123456789abcdef", other.as_bytes()), "{other}");
        }
    }
}

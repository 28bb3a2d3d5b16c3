//! Looking for the few bytes that matter in text that mostly consists of others.

/// Index of the first byte at or after `from` for which `is_special` holds, or the length.
///
/// `is_special` must be branch-free (`|`, not `||`): then a block of ordinary bytes is skipped by vector instructions.
#[inline]
pub(super) fn find(bytes: &[u8], from: usize, is_special: impl Fn(u8) -> bool) -> usize {
    const BLOCK: usize = 32;
    let mut at = from;
    while let Some(block) = bytes.get(at..at + BLOCK) {
        if block
            .iter()
            .fold(false, |found, &byte| found | is_special(byte))
        {
            break;
        }
        at += BLOCK;
    }
    bytes[at..]
        .iter()
        .position(|&byte| is_special(byte))
        .map_or(bytes.len(), |offset| at + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks and the rest after them give the same answer as a plain search.
    #[test]
    fn first_special_byte_is_found_at_every_offset() {
        for length in 0..100 {
            let mut bytes = vec![b'a'; length];
            assert_eq!(find(&bytes, 0, |byte| byte == b'"'), length);
            for at in 0..length {
                bytes[at] = b'"';
                assert_eq!(find(&bytes, 0, |byte| byte == b'"'), at);
                assert_eq!(find(&bytes, at, |byte| byte == b'"'), at);
                bytes[at] = b'a';
            }
        }
    }
}

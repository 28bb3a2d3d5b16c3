//! WebSocket frames, as the floor and its relay read and write them. Source: RFC 6455 §5.2.

use std::ops::Range;

/// A frame at the start of some bytes.
pub(crate) struct Frame {
    /// 1 text, 2 binary, 8 close, 9 Ping, 10 Pong.
    pub(crate) opcode: u8,
    pub(crate) payload: Range<usize>,
}

/// Reads the frame at the start of `bytes`, and takes its mask off. `None` while it is not complete.
pub(crate) fn take(bytes: &mut [u8]) -> Option<Frame> {
    let &mut [first, second, ..] = bytes else {
        return None;
    };
    let (length, start) = match (second & 0x7f, &bytes[2..]) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (usize::try_from(length).ok()?, 10)
        }
        (126 | 127, _) => return None,
        (short, _) => (usize::from(short), 2),
    };
    let masked = second & 0x80 != 0;
    let head: usize = start + if masked { 4 } else { 0 };
    let payload = head..head.checked_add(length)?;
    if bytes.len() < payload.end {
        return None;
    }
    if masked {
        let mask: [u8; 4] = bytes[start..head].try_into().expect("four bytes");
        apply(mask, &mut bytes[payload.clone()]);
    }
    Some(Frame {
        opcode: first & 0x0f,
        payload,
    })
}

/// Puts a mask on, or takes it off.
pub(crate) fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for eight in &mut words {
        let bytes: [u8; 8] = (&*eight).try_into().expect("eight bytes");
        eight.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    words
        .into_remainder()
        .iter_mut()
        .zip(mask.iter().cycle())
        .for_each(|(byte, mask)| *byte ^= mask);
}

/// Appends the head of a frame to `out`: its first byte, and the length with the bit that says whether a mask follows.
pub(crate) fn push_head(out: &mut Vec<u8>, first: u8, masked: bool, length: usize) {
    let bit = if masked { 0x80 } else { 0 };
    match length {
        0..126 => out.extend_from_slice(&[first, bit | length as u8]),
        126..65536 => {
            let [a, b] = (length as u16).to_be_bytes();
            out.extend_from_slice(&[first, bit | 126, a, b]);
        }
        _ => {
            out.extend_from_slice(&[first, bit | 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The value of a field of HTTP, without spaces around it.
pub(crate) fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

//! Finds the end of a chunked body without reading it. (RFC 9112 §7.1)

/// Where in the chunked coding the bytes so far have led. hyper decodes them and refuses what is wrong; here only the end
/// matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkEnd {
    /// In the digits of a chunk's size.
    Size(usize),
    /// Behind them, up to the LF.
    SizeLine(usize),
    /// This many bytes of data, and the CR LF behind them, are still to come.
    Data(usize),
    /// At the start of a line of the trailer section.
    TrailerStart,
    /// In such a line.
    Trailer,
    /// Behind a CR at the start of a line.
    LastReturn,
    /// Not the chunked coding: its end is not to be found.
    Broken,
}

impl Default for ChunkEnd {
    fn default() -> Self {
        Self::Size(0)
    }
}

impl ChunkEnd {
    /// Index behind the end of the body in `piece`; starts anew afterwards.
    pub(super) fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            if let Self::Data(left) = *self {
                let skipped = left.min(piece.len() - at);
                at += skipped;
                *self = if skipped == left {
                    Self::Size(0)
                } else {
                    Self::Data(left - skipped)
                };
                continue;
            }
            at += 1;
            if matches!(
                (*self, byte),
                (Self::TrailerStart | Self::LastReturn, b'\n')
            ) {
                *self = Self::default();
                return Some(at);
            }
            *self = self.next(byte);
        }
        None
    }

    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size(size) | Self::SizeLine(size), b'\n') => match size.checked_add(2) {
                Some(2) => Self::TrailerStart,
                Some(length) => Self::Data(length),
                None => Self::Broken,
            },
            (Self::Size(size), byte) => match char::from(byte).to_digit(16) {
                Some(digit) => match size.checked_mul(16) {
                    Some(size) => Self::Size(size | digit as usize),
                    None => Self::Broken,
                },
                None => Self::SizeLine(size),
            },
            (Self::SizeLine(size), _) => Self::SizeLine(size),
            (Self::TrailerStart, b'\r') => Self::LastReturn,
            (Self::Trailer, b'\n') => Self::TrailerStart,
            (Self::TrailerStart | Self::Trailer, _) => Self::Trailer,
            (Self::LastReturn | Self::Broken | Self::Data(_), _) => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end is found however the bytes are cut, and nothing behind it is touched.
    #[test]
    fn end_of_a_chunked_body_is_found_across_pieces() {
        let bodies = [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "0A;x=y\r\n0123456\r\n0\r\n1\r\nz\r\n000\r\nT: x\r\nU: y\r\n\r\n",
        ];
        for body in bodies {
            let stream = format!("{body}POST");
            for size in 1..=stream.len() {
                let mut end = ChunkEnd::default();
                let found = stream.as_bytes().chunks(size).enumerate();
                let found = found
                    .filter_map(|(index, piece)| end.find(piece).map(|at| index * size + at))
                    .next();
                assert_eq!(found, Some(body.len()), "{body:?} in pieces of {size}");
            }
        }
    }

    /// What is not the chunked coding has no end, and no size is too large to be refused.
    #[test]
    fn broken_coding_has_no_end() {
        for broken in [
            "ffffffffffffffffffff\r\n0\r\n\r\n",
            "0\r\n\rX\r\n\r\n",
            "ffffffffffffffff\r\n0\r\n\r\n",
        ] {
            assert_eq!(
                ChunkEnd::default().find(broken.as_bytes()),
                None,
                "{broken:?}"
            );
        }
    }
}

//! The bytes that HTTP/2 begins with, which no other version has. (RFC 9113 §3.4)

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Preface {
    /// Something else.
    None,
    /// Its beginning.
    Part,
    /// All of it.
    Whole,
}

/// Looks at the first bytes of a connection.
pub(in super::super) fn recognise(input: &[u8]) -> Preface {
    if input.starts_with(PREFACE) {
        Preface::Whole
    } else if PREFACE.starts_with(input) {
        Preface::Part
    } else {
        Preface::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preface_is_known_by_all_of_its_bytes() {
        for length in 0..PREFACE.len() {
            assert_eq!(recognise(&PREFACE[..length]), Preface::Part);
        }
        assert_eq!(recognise(&[PREFACE, b"\0\0\0"].concat()), Preface::Whole);
        for other in [
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r",
            "PRI * HTTP/2.1",
            "GET /",
        ] {
            assert_eq!(recognise(other.as_bytes()), Preface::None, "{other:?}");
        }
    }
}

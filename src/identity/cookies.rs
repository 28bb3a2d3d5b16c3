//! The cookies of a request: looked through, and taken out. (RFC 6265 §4.2)

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use crate::fields::Fields;

/// Names and values, in the order of the request. Bytes, since browsers send any: one that is strange hides no other.
pub(crate) fn cookies(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields
        .get_all(&COOKIE)
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'))
        .filter_map(|pair| {
            let pair = pair.trim_ascii();
            let (name, value) =
                pair.split_at_checked(pair.iter().position(|&byte| byte == b'=')?)?;
            Some((name, &value[1..]))
        })
}

/// Takes out the cookies whose names are `meant`; the others stay, in their order.
pub(crate) fn take_out(headers: &mut HeaderMap, meant: impl Fn(&[u8]) -> bool) {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for line in lines {
        let is_other = |pair: &&[u8]| {
            let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
            !meant(name.trim_ascii())
        };
        let pairs = line.as_bytes().split(|&byte| byte == b';');
        let others: Vec<_> = pairs.map(<[u8]>::trim_ascii).filter(is_other).collect();
        if let Ok(value) = HeaderValue::from_bytes(&others.join(&b"; "[..]))
            && !value.is_empty()
        {
            headers.append(COOKIE, value);
        }
    }
}

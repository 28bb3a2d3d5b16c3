//! What a certificate says of whom it is for. (RFC 5280 §4.1)
//!
//! Just enough of DER to find that in a certificate that TLS has read and verified; what is not as expected gives nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::claims::Claims;

/// What of a certificate says who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectFrom {
    /// The common name of its subject, of which there must be one.
    #[default]
    CommonName,
    /// The first of its alternative names that is a DNS name.
    Dns,
    /// The first of its alternative names that is a mail address.
    Email,
    /// The first of its alternative names that is a URI, such as a SPIFFE id.
    Uri,
}

/// What is of interest in a certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    /// A digest of who signed it.
    pub(super) issuer: String,
    /// When it ends, in seconds since 1970.
    pub(super) expires: f64,
    common_names: Vec<String>,
    dns: Vec<String>,
    emails: Vec<String>,
    uris: Vec<String>,
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERAL_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]` and `[3]`, constructed.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// `[1]`, `[2]` and `[6]` of a GeneralName.
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];

/// Values one after another.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Iterator for Der<'a> {
    type Item = (u8, &'a [u8]);

    /// The next tag and its content. (X.690 §8.1)
    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                let length = digits
                    .iter()
                    .fold(0, |length, digit| length << 8 | usize::from(*digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

impl<'a> Der<'a> {
    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(tag, _)| *tag == wanted)
            .map(|(_, content)| content)
    }
}

impl Certificate {
    /// Reads it.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let mut to_be_signed = Der(Der(Der(der).expect(SEQUENCE)?).expect(SEQUENCE)?);
        if to_be_signed.0.first() == Some(&VERSION) {
            to_be_signed.next();
        }
        to_be_signed.expect(INTEGER)?;
        to_be_signed.expect(SEQUENCE)?;
        let issuer = to_be_signed.expect(SEQUENCE)?;
        let mut validity = Der(to_be_signed.expect(SEQUENCE)?);
        validity.next()?;
        let (form, until) = validity.next()?;
        let subject = to_be_signed.expect(SEQUENCE)?;
        let mut read = Self {
            issuer: URL_SAFE_NO_PAD.encode(digest(&SHA256, issuer)),
            expires: seconds(form, until)?,
            common_names: common_names(subject),
            dns: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
        };
        let extensions = to_be_signed.find(|(tag, _)| *tag == EXTENSIONS);
        if let Some((_, extensions)) = extensions {
            read.take_names(Der(extensions).expect(SEQUENCE)?);
        }
        Some(read)
    }

    fn take_names(&mut self, extensions: &[u8]) {
        for (_, extension) in Der(extensions) {
            let mut parts = Der(extension);
            if parts.expect(OBJECT) != Some(ALTERNATIVE_NAMES) {
                continue;
            }
            let octets = parts.find(|(tag, _)| *tag == OCTETS);
            let names = octets.and_then(|(_, octets)| Der(octets).expect(SEQUENCE));
            for (kind, name) in Der(names.unwrap_or_default()) {
                let list = match kind {
                    DNS => &mut self.dns,
                    EMAIL => &mut self.emails,
                    URI => &mut self.uris,
                    _ => continue,
                };
                // IA5String.
                if let Ok(name) = str::from_utf8(name)
                    && name.is_ascii()
                {
                    list.push(name.to_owned());
                }
            }
        }
    }

    /// Who it is.
    ///
    /// # Errors
    /// Why that is not said.
    pub(super) fn subject(&self, from: SubjectFrom) -> Result<String, &'static str> {
        let names = match from {
            SubjectFrom::CommonName if self.common_names.len() > 1 => {
                return Err("the certificate has several common names");
            }
            SubjectFrom::CommonName => &self.common_names,
            SubjectFrom::Dns => &self.dns,
            SubjectFrom::Email => &self.emails,
            SubjectFrom::Uri => &self.uris,
        };
        let name = names.first().filter(|name| !name.is_empty());
        name.cloned().ok_or(
            "the certificate has no name of the kind that is its subject (client_certificate)",
        )
    }

    /// What it says, with `subject` for `sub`.
    pub(super) fn claims(&self, subject: &str, der: &[u8]) -> Claims {
        let digits = digest(&SHA256, der);
        let digits = digits.as_ref().iter().map(|byte| format!("{byte:02x}"));
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), subject.into());
        claims.insert("fingerprint".to_owned(), digits.collect::<String>().into());
        for (name, values) in [
            ("cn", &self.common_names),
            ("dns", &self.dns),
            ("email", &self.emails),
            ("uri", &self.uris),
        ] {
            claims.insert(name.to_owned(), Value::from(values.clone()));
        }
        Claims(claims)
    }
}

/// Those of a Name; none, when one of them is of a kind that is not read. (RFC 5280 §4.1.2.4)
fn common_names(name: &[u8]) -> Vec<String> {
    let sets = Der(name).filter(|(tag, _)| *tag == SET);
    let attributes = sets.flat_map(|(_, set)| Der(set));
    let values = attributes.filter_map(|(_, attribute)| {
        let mut parts = Der(attribute);
        let is_wanted = parts.expect(OBJECT) == Some(COMMON_NAME);
        is_wanted.then(|| parts.next().and_then(|(kind, value)| text(kind, value)))
    });
    values.collect::<Option<_>>().unwrap_or_default()
}

/// A DirectoryString. Those with two or four bytes for a character could be read as another text, and what a TeletexString says
/// is open to doubt.
fn text(kind: u8, value: &[u8]) -> Option<String> {
    let text = str::from_utf8(value).ok()?;
    let is_read = match kind {
        UTF8_STRING => true,
        PRINTABLE_STRING | IA5_STRING => text.is_ascii(),
        _ => false,
    };
    is_read.then(|| text.to_owned())
}

/// A Time in seconds since 1970. (RFC 5280 §4.1.2.5)
fn seconds(form: u8, time: &[u8]) -> Option<f64> {
    let digits = str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let (year, rest) = match form {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year)?;
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        GENERAL_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| number(rest.get(at..at + 2)?);
    let (month, day) = (part(0)?, part(2)?);
    let of_day = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    // Years that begin with March have their leap day at the end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    const UNTIL_1970: i64 = 719_468;
    Some(((days - UNTIL_1970) * 86_400 + of_day) as f64)
}

fn number(digits: &str) -> Option<i64> {
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5280 §4.1.2.5: two digits of a year are 1950 to 2049.
    #[test]
    fn times_are_read() {
        for (form, time, expected) in [
            (UTC_TIME, "700101000000Z", Some(0.0)),
            (UTC_TIME, "240229235959Z", Some(1_709_251_199.0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999.0)),
            (GENERAL_TIME, "20500101000000Z", Some(2_524_608_000.0)),
            (GENERAL_TIME, "20500101000000", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "70010100+000Z", None),
            (SET, "700101000000Z", None),
        ] {
            assert_eq!(seconds(form, time.as_bytes()), expected, "{time}");
        }
    }

    /// Texts of other kinds are no names, though their bytes may look like one: neither alone, nor beside another.
    #[test]
    fn names_are_texts_of_known_kinds() {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let name = |kind, value: &[u8]| {
            let parts = [wrap(OBJECT, COMMON_NAME), wrap(kind, value)].concat();
            wrap(SET, &wrap(SEQUENCE, &parts))
        };
        for kind in [UTF8_STRING, PRINTABLE_STRING, IA5_STRING] {
            assert_eq!(common_names(&name(kind, b"admins")), ["admins"]);
        }
        assert_eq!(
            common_names(&name(UTF8_STRING, "\u{fc}".as_bytes())),
            ["\u{fc}"]
        );
        // UniversalString, BMPString, TeletexString, OCTET STRING.
        for kind in [0x1C, 0x1E, 0x14, OCTETS] {
            let strange = name(kind, b"admins");
            let both = [name(UTF8_STRING, b"a"), strange.clone()].concat();
            assert!(common_names(&strange).is_empty() && common_names(&both).is_empty());
        }
        assert!(common_names(&name(PRINTABLE_STRING, "\u{fc}".as_bytes())).is_empty());
    }

    /// What is cut off, or is none, gives nothing and does not panic.
    #[test]
    fn broken_certificates_give_nothing() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
        let whole = params.self_signed(&key).expect("a certificate");
        let whole = whole.der().to_vec();
        let read = Certificate::read(&whole).expect("it is one");
        assert_eq!(read.subject(SubjectFrom::Dns).as_deref(), Ok("a.example"));
        assert!(read.subject(SubjectFrom::Uri).is_err());
        for length in 0..whole.len() {
            assert!(Certificate::read(&whole[..length]).is_none(), "{length}");
            let mut other = whole.clone();
            other[length] ^= 0x55;
            let _ = Certificate::read(&other);
        }
    }
}

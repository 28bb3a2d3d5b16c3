//! Fields of heads: those of a request left where they were read, and those of answers that never change.
//!
//! A request of a transport is asked for a dozen fields, most of which are not there, and its head is forgotten at once. So no map
//! of them is built, and nothing is copied: they are looked for in the head. Who keeps them, as a session's handshake does,
//! takes a [`HeaderMap`].

use std::fmt;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The fields of a request.
#[derive(Clone)]
pub struct Fields(Kept);

#[derive(Clone)]
enum Kept {
    /// In the head that they came in.
    Head {
        head: Bytes,
        lines: Vec<Line>,
        /// One bit for each name that is there: most names that are looked for are not.
        names: u64,
    },
    /// As another server hands them in; apart, so that a request is not larger for it.
    Map(Box<HeaderMap>),
}

/// Where a field is in its head.
#[derive(Clone, Copy)]
struct Line {
    name_at: u32,
    value_at: u32,
    value_length: u32,
    name_length: u16,
}

/// The value of a field: any bytes but control characters, the tab apart. (RFC 9110 §5.5)
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldValue<'a>(&'a [u8]);

/// A field that is always the same, ready to be written.
#[derive(Debug)]
pub struct Fixed {
    name: HeaderName,
    value: HeaderValue,
    line: &'static str,
}

/// `fixed!("vary", "Origin")`, a [`Fixed`] field. The name is in lower case.
macro_rules! fixed {
    ($name:literal, $value:literal) => {
        $crate::fields::Fixed::new($name, $value, concat!($name, ": ", $value, "\r\n"))
    };
}

pub(crate) use fixed;

/// Most fields that a request may have: as many fit in a [`HeaderMap`] whatever their names are. Where many names have the same
/// hash, it grows, to 32 768 places at most, as long as a fifth of them is taken; if it cannot, it panics.
pub const MAX_FIELDS: usize = 4096;

impl Fields {
    /// Those that were found in `head`, names and values as parts of it. `None` when they are more than [`MAX_FIELDS`], or one of
    /// them is too long to be a field.
    ///
    /// They must be valid: names are tokens, values as [`FieldValue`] has them. (RFC 9110 §5.1, §5.5)
    pub fn in_head<'a>(
        head: Bytes,
        found: impl ExactSizeIterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<Self> {
        if found.len() > MAX_FIELDS {
            return None;
        }
        let start = head.as_ptr().addr();
        let at = |part: &[u8]| u32::try_from(part.as_ptr().addr().checked_sub(start)?).ok();
        let mut lines = Vec::with_capacity(found.len());
        let mut names = 0;
        for (name, value) in found {
            names |= 1 << bit(name.as_bytes());
            lines.push(Line {
                name_at: at(name.as_bytes())?,
                value_at: at(value)?,
                value_length: u32::try_from(value.len()).ok()?,
                name_length: u16::try_from(name.len()).ok()?,
            });
        }
        Some(Self(Kept::Head { head, lines, names }))
    }

    /// The first value of the field.
    pub fn get(&self, name: &HeaderName) -> Option<FieldValue<'_>> {
        let wanted = name.as_str().as_bytes();
        match &self.0 {
            Kept::Head { names, .. } if names & (1 << bit(wanted)) == 0 => None,
            Kept::Head { head, lines, .. } => {
                let line = lines.iter().find(|line| line.is_named(head, wanted))?;
                Some(line.value(head))
            }
            Kept::Map(map) => map.get(name).map(|value| FieldValue(value.as_bytes())),
        }
    }

    /// All values of the field, in the order of its lines.
    pub fn get_all<'a, 'n>(
        &'a self,
        name: &'n HeaderName,
    ) -> impl Iterator<Item = FieldValue<'a>> + use<'a, 'n> {
        let wanted = name.as_str().as_bytes();
        let (head, lines, map) = match &self.0 {
            Kept::Head { head, lines, names } => {
                let may_be = names & (1 << bit(wanted)) != 0;
                (&head[..], if may_be { &lines[..] } else { &[] }, None)
            }
            Kept::Map(map) => (&[][..], &[][..], Some(map)),
        };
        let in_head = lines
            .iter()
            .filter(move |line| line.is_named(head, wanted))
            .map(move |line| line.value(head));
        let in_map = map.into_iter().flat_map(move |map| map.get_all(name));
        in_head.chain(in_map.map(|value| FieldValue(value.as_bytes())))
    }

    /// Whether the field is there.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// The items of a list field, of all its lines, as far as they are text. (RFC 9110 §5.6.1)
    pub fn items<'a, 'n>(
        &'a self,
        name: &'n HeaderName,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.get_all(name)
            .filter_map(FieldValue::text)
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|item| !item.is_empty())
    }

    /// Bytes that they take, about.
    pub fn size(&self) -> usize {
        match &self.0 {
            Kept::Head { head, .. } => head.len(),
            Kept::Map(map) => size(map),
        }
    }

    /// All of them as a map, which shares the memory of the head.
    pub fn to_map(&self) -> HeaderMap {
        let (head, lines) = match &self.0 {
            Kept::Map(map) => return HeaderMap::clone(map),
            Kept::Head { head, lines, .. } => (head, lines),
        };
        let mut map = HeaderMap::with_capacity(lines.len());
        for line in lines {
            let value = head.slice_ref(line.value(head).0);
            // They are valid, and no more than it holds: nothing is left out.
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(line.name(head)),
                HeaderValue::from_maybe_shared(value),
            ) {
                map.append(name, value);
            }
        }
        map
    }
}

/// Bytes that fields take, about: names, values and 32 for each. (RFC 9113 §6.5.2)
pub fn size(fields: &HeaderMap) -> usize {
    const EACH: usize = 32;
    let sizes = fields.iter();
    let sizes = sizes.map(|(name, value)| name.as_str().len() + value.len() + EACH);
    sizes.sum()
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        Self(Kept::Map(Box::new(map)))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_map().fmt(f)
    }
}

impl Fixed {
    pub(crate) const fn new(name: &'static str, value: &'static str, line: &'static str) -> Self {
        Self {
            name: HeaderName::from_static(name),
            value: HeaderValue::from_static(value),
            line,
        }
    }

    /// Its name.
    pub fn name(&self) -> HeaderName {
        self.name.clone()
    }

    /// Its value.
    pub fn value(&self) -> HeaderValue {
        self.value.clone()
    }

    /// Name and value as a line of a head, with its CR LF. (RFC 9112 §5)
    pub const fn line(&self) -> &'static [u8] {
        self.line.as_bytes()
    }
}

impl Line {
    fn name<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        let start = self.name_at as usize;
        &head[start..start + usize::from(self.name_length)]
    }

    /// Whether its name is `wanted`, which is in lower case.
    fn is_named(&self, head: &[u8], wanted: &[u8]) -> bool {
        usize::from(self.name_length) == wanted.len() && is_name(self.name(head), wanted)
    }

    fn value<'a>(&self, head: &'a [u8]) -> FieldValue<'a> {
        let start = self.value_at as usize;
        FieldValue(&head[start..start + self.value_length as usize])
    }
}

impl<'a> FieldValue<'a> {
    /// Its bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Its text, when all of it is visible ASCII, spaces and tabs.
    pub fn text(self) -> Option<&'a str> {
        let is_visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        // All are looked at, which takes fewer steps than to stop at the first that is not.
        let visible = self.0.iter().fold(true, |all, byte| all & is_visible(byte));
        visible.then(|| std::str::from_utf8(self.0).ok()).flatten()
    }

    /// A copy, that does not keep the memory of its head.
    pub fn to_header_value(self) -> HeaderValue {
        HeaderValue::from_bytes(self.0).expect("it is a field's value")
    }
}

impl fmt::Debug for FieldValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.0), f)
    }
}

/// Whether `name` is `wanted`, a token in lower case, in any case. All bytes are looked at, which takes fewer steps than to stop at
/// the first that differs.
pub(crate) fn is_name(name: &[u8], wanted: &[u8]) -> bool {
    let pairs = name.iter().zip(wanted);
    // The bit that tells upper from lower case does so for letters only.
    let lower = |is: &u8, be: &u8| is | (u8::from(be.is_ascii_lowercase()) << 5);
    name.len() == wanted.len() && pairs.fold(0, |other, (is, be)| other | (lower(is, be) ^ be)) == 0
}

/// The bit of a name in [`Kept::Head`]: the same in any case, and mostly another for another name.
fn bit(name: &[u8]) -> u8 {
    let [first, .., last] = name else { return 0 };
    let letter = |byte: &u8| byte | 0x20;
    let mixed = letter(first).wrapping_mul(7) ^ letter(last).wrapping_mul(29);
    mixed.wrapping_add((name.len() as u8).wrapping_mul(11)) & 63
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, CONNECTION, COOKIE, HOST, ORIGIN, VIA};

    use super::*;

    fn fields(head: &Bytes) -> Option<Fields> {
        let lines: Vec<_> = std::str::from_utf8(head)
            .expect("text")
            .lines()
            .map(|line| line.split_once(':').expect("a field"))
            .map(|(name, value)| (name, value.as_bytes()))
            .collect();
        Fields::in_head(head.clone(), lines.into_iter())
    }

    fn read(head: &'static str) -> Fields {
        fields(&head.into()).expect("fits")
    }

    const HEAD: &str =
        "Host:a.example\ncookie:a=1\nCOOKIE:b=2\nVia:1.1 a, ,1.1 b\nvia:2 c\nX:\u{e9}\nY:";

    /// As a map finds them: in any case, the first of several, or all in their order.
    #[test]
    fn fields_in_a_head_are_found_as_in_a_map() {
        let in_head = read(HEAD);
        for fields in [&in_head, &Fields::from(in_head.to_map())] {
            let text = |name| fields.get(name).and_then(FieldValue::text);
            assert_eq!(text(&HOST), Some("a.example"));
            assert_eq!(text(&COOKIE), Some("a=1"));
            assert_eq!(text(&HeaderName::from_static("y")), Some(""));
            let all: Vec<_> = fields.get_all(&COOKIE).map(FieldValue::as_bytes).collect();
            assert_eq!(all, [b"a=1", b"b=2"]);
            let items: Vec<_> = fields.items(&VIA).collect();
            assert_eq!(items, ["1.1 a", "1.1 b", "2 c"]);
            for absent in [ACCEPT, CONNECTION, ORIGIN] {
                assert!(!fields.contains(&absent), "{absent}");
            }
        }
    }

    /// No other token is taken for a name, whatever the bit is that tells upper from lower case.
    #[test]
    fn names_differ_in_case_only() {
        let marks = "!#$%&'*+-.^_`|~";
        let tokens: Vec<_> = marks.chars().map(|mark| format!("x{mark}")).collect();
        let names = ["a", "sec-websocket-key1", "x-0"].map(str::to_owned);
        for wanted in names.iter().chain(&tokens) {
            assert!(is_name(wanted.as_bytes(), wanted.as_bytes()));
            assert!(is_name(wanted.to_uppercase().as_bytes(), wanted.as_bytes()));
            assert!(!is_name(&wanted.as_bytes()[1..], wanted.as_bytes()));
            for other in (0..=255_u8).filter(|byte| HeaderName::from_bytes(&[*byte]).is_ok()) {
                let mut name = wanted.as_bytes().to_vec();
                let last = name.last_mut().expect("names are not empty");
                let is_same = last.eq_ignore_ascii_case(&other);
                *last = other;
                assert_eq!(
                    is_name(&name, wanted.as_bytes()),
                    is_same,
                    "{wanted} {other}"
                );
            }
        }
    }

    /// Nothing is left out, whatever its bytes are.
    #[test]
    fn map_has_all_fields() {
        let map = read(HEAD).to_map();
        assert_eq!(map.len(), 7);
        assert_eq!(map["x"].as_bytes(), "\u{e9}".as_bytes());
        let values: Vec<_> = map.get_all(VIA).into_iter().collect();
        assert_eq!(values, ["1.1 a, ,1.1 b", "2 c"]);
    }

    /// What is no text is no item, and has no text.
    #[test]
    fn only_visible_characters_are_text() {
        let fields = read("A:\u{e9}\nB:a\tb ~\nC:a\u{7f}");
        let text = |name| {
            fields
                .get(&HeaderName::from_static(name))
                .and_then(FieldValue::text)
        };
        assert_eq!(
            (text("a"), text("b"), text("c")),
            (None, Some("a\tb ~"), None)
        );
    }

    /// Names with the same hash in a [`HeaderMap`]: FNV-1a, of which it uses 15 bits, first over the kind of the name.
    fn colliding_names() -> impl Iterator<Item = String> {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut hash = 1_u64
            .to_ne_bytes()
            .into_iter()
            .fold(0xcbf2_9ce4_8422_2325, step);
        let mut parts = Vec::new();
        for _ in 0..5 {
            let mut alike = std::collections::HashMap::<u64, Vec<String>>::new();
            for number in 0..36_u32.pow(3) {
                let digit = |nth: u32| char::from_digit(number / 36_u32.pow(nth) % 36, 36);
                let part: String = (0..3).filter_map(digit).collect();
                let after = part.bytes().fold(hash, step) & 0x7fff;
                alike.entry(after).or_default().push(part);
            }
            let most = alike.into_iter().max_by_key(|(_, parts)| parts.len());
            let (after, most) = most.expect("there are many");
            hash = after;
            parts.push(most);
        }
        let count: usize = parts.iter().map(Vec::len).product();
        (0..count).map(move |mut number| {
            let mut name = String::new();
            for parts in &parts {
                name += &parts[number % parts.len()];
                number /= parts.len();
            }
            name
        })
    }

    /// Nor do they let a map panic.
    #[test]
    fn names_may_be_chosen_to_collide() {
        let usual = (0..MAX_FIELDS / 2).map(|name| name.to_string());
        let names = usual.chain(colliding_names()).take(MAX_FIELDS);
        let head: String = names.map(|name| format!("{name}:\n")).collect();
        let fields = fields(&head.into()).expect("fits");
        assert_eq!(fields.to_map().len(), MAX_FIELDS);
    }

    #[test]
    fn more_fields_than_a_map_holds_are_refused() {
        for (count, fits) in [(MAX_FIELDS, true), (MAX_FIELDS + 1, false)] {
            let head: String = (0..count).map(|name| format!("{name}:\n")).collect();
            let fields = fields(&head.into());
            let held = fields.map(|fields| fields.to_map().len());
            assert_eq!(held, fits.then_some(count));
        }
    }
}

//! What the bench sends: messages that say who sent them, as which and when; and whether they come back in order. Pure.

/// Digits before the padding: the run, the session, the number of the message, and the time.
pub(super) const MIN_SIZE: usize = RUN + SESSION + SEQUENCE + TIME;
const RUN: usize = 4;
const SESSION: usize = 6;
const SEQUENCE: usize = 10;
const TIME: usize = 12;

/// What is in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The session that sent it.
    pub(super) session: usize,
    /// Counts the session's messages from 0.
    pub(super) sequence: u64,
    /// When it was sent, or was to be: nanoseconds since the run began.
    pub(super) time: u64,
}

/// Makes messages of one size, and reads them: hexadecimal digits, then `x` up to the size.
#[derive(Debug)]
pub(super) struct Template {
    run: u64,
    size: usize,
    padding: String,
}

impl Template {
    /// `run` tells this run's messages from those of others, by its 16 lowest bits. `size`: bytes, [`MIN_SIZE`] at least.
    pub(super) fn new(run: u64, size: usize) -> Self {
        let padding = size.saturating_sub(MIN_SIZE);
        Self {
            run: run & 0xFFFF,
            size: MIN_SIZE + padding,
            padding: "x".repeat(padding),
        }
    }

    pub(super) fn write(&self, stamp: Stamp) -> String {
        let mut text = String::with_capacity(self.size);
        digits::<RUN>(&mut text, self.run);
        digits::<SESSION>(&mut text, stamp.session as u64);
        digits::<SEQUENCE>(&mut text, stamp.sequence);
        digits::<TIME>(&mut text, stamp.time);
        text.push_str(&self.padding);
        text
    }

    /// What is in `text`; `None` when it is not one of this run's.
    pub(super) fn read(&self, text: &str) -> Option<Stamp> {
        let bytes = text.as_bytes();
        if bytes.len() != self.size {
            return None;
        }
        let (run, bytes) = number::<RUN>(bytes)?;
        let (session, bytes) = number::<SESSION>(bytes)?;
        let (sequence, bytes) = number::<SEQUENCE>(bytes)?;
        let (time, _) = number::<TIME>(bytes)?;
        (run == self.run).then_some(Stamp {
            session: usize::try_from(session).ok()?,
            sequence,
            time,
        })
    }
}

fn digits<const N: usize>(text: &mut String, number: u64) {
    for place in (0..N).rev() {
        let digit = (number >> (4 * place)) & 0xF;
        text.push(char::from(b"0123456789abcdef"[digit as usize]));
    }
}

fn number<const N: usize>(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<N>()?;
    let mut number = 0;
    for &digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u64::from(value);
    }
    Some((number, rest))
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In order, as far as that can be known: those before it may come yet.
    InOrder,
    /// After one that was sent later.
    Reordered,
    /// A second time.
    Duplicate,
}

/// Whether the messages of one sender come once and in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    next: u64,
    /// Passed over, and not here yet.
    missing: u64,
}

impl Order {
    /// Takes the number of a message that has come. Which numbers are missing is not kept, only how many: among messages that
    /// were passed over, a duplicate may be taken for one of them.
    pub(super) fn take(&mut self, sequence: u64) -> Arrival {
        if sequence >= self.next {
            self.missing += sequence - self.next;
            self.next = sequence + 1;
            Arrival::InOrder
        } else if self.missing > 0 {
            self.missing -= 1;
            Arrival::Reordered
        } else {
            Arrival::Duplicate
        }
    }

    /// Different messages that have come.
    pub(super) const fn received(&self) -> u64 {
        self.next - self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        session: 9_999,
        sequence: 1 << 39,
        time: 3_600_000_000_000,
    };

    #[test]
    fn stamps_are_read_back_at_every_size() {
        for size in [0, MIN_SIZE, 33, 64, 4096] {
            let template = Template::new(0x1_2345, size);
            let text = template.write(STAMP);
            assert_eq!(text.len(), size.max(MIN_SIZE));
            assert_eq!(template.read(&text), Some(STAMP));
        }
    }

    /// Other users of a broadcast service, and other runs of the bench.
    #[test]
    fn messages_of_others_are_told_apart() {
        let template = Template::new(1, 64);
        let other = Template::new(2, 64).write(STAMP);
        let longer = Template::new(1, 65).write(STAMP);
        for foreign in [
            "",
            "hello",
            &other,
            &longer,
            &"ä".repeat(32),
            &"-".repeat(64),
        ] {
            assert_eq!(template.read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn order_counts_what_is_late_double_or_missing() {
        use Arrival::{Duplicate, InOrder, Reordered};
        let mut order = Order::default();
        let arrivals = [0, 1, 4, 2, 5, 5, 3, 3].map(|sequence| order.take(sequence));
        assert_eq!(
            arrivals,
            [
                InOrder, InOrder, InOrder, Reordered, InOrder, Reordered, Duplicate, Duplicate
            ]
        );
        assert_eq!(order.received(), 6);

        let mut order = Order::default();
        for sequence in [0, 2, 3, 7] {
            assert_eq!(order.take(sequence), InOrder);
        }
        assert_eq!(order.received(), 4);
    }
}

//! Encoding a message once, however many sessions it goes to.

use std::cell::RefCell;

use bytestring::ByteString;

use super::frame::{Frame, Message};
use super::framing::Framing;

/// Longest frame that is kept for the next session. What was kept last stays until another takes its place.
const LONGEST_KEPT: usize = 256 * 1024;

/// The last frame of a framing that holds one message of many owners, for whoever sends that message next.
///
/// It is found by where its content is, and keeps that content, so nothing else can be there meanwhile.
#[derive(Debug)]
pub(crate) struct Once<T>(RefCell<Option<(ByteString, T)>>);

impl<T: Clone + From<String>> Once<T> {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// `frame` as `framing` wraps it, which must be the same for every use of this. (One of these belongs to a thread, so that
    /// nobody waits for it; sessions of two threads wrap the same message twice.)
    pub(crate) fn wrap(&self, framing: &(impl Framing + ?Sized), frame: &Frame<'_>) -> T {
        let Some(message) = shared_message(frame) else {
            return framing.wrap(frame).into();
        };
        if let Some((known, wrapped)) = &*self.0.borrow()
            && is_same(known, message)
        {
            return wrapped.clone();
        }
        let wrapped = framing.wrap(frame);
        let length = wrapped.len();
        let wrapped = T::from(wrapped);
        if length <= LONGEST_KEPT {
            *self.0.borrow_mut() = Some((message.clone(), wrapped.clone()));
        }
        wrapped
    }
}

/// The only message of `frame`, when others have it too.
fn shared_message<'a>(frame: &Frame<'a>) -> Option<&'a ByteString> {
    let Frame::Messages(messages) = frame else {
        return None;
    };
    match messages.iter().next() {
        Some(Message::Text(text)) if messages.len() == 1 && !text.as_bytes().is_unique() => {
            Some(text)
        }
        _ => None,
    }
}

fn is_same(one: &ByteString, other: &ByteString) -> bool {
    one.len() == other.len() && one.as_bytes().as_ptr() == other.as_bytes().as_ptr()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::frame::Messages;
    use super::super::framing::Line;
    use super::*;

    thread_local! {
        static LINES: Once<Bytes> = const { Once::new() };
    }

    fn wrap(messages: &[Message]) -> Bytes {
        let frame = Frame::Messages(Messages::new(messages, &[]));
        LINES.with(|lines| lines.wrap(&Line, &frame))
    }

    /// Sessions that send the same message send the same bytes of the same memory.
    #[test]
    fn message_of_many_is_encoded_once() {
        let message = Message::from("a \"quoted\" message");
        let (first, second) = ([message.clone()], [message]);
        let (one, other) = (wrap(&first), wrap(&second));
        assert_eq!(one, "a[\"a \\\"quoted\\\" message\"]\n");
        assert_eq!(one, other);
        assert_eq!(one.as_ptr(), other.as_ptr(), "it was encoded twice");
    }

    /// Neither an equal length nor a place that was used before makes two messages the same.
    #[test]
    fn other_messages_have_frames_of_their_own() {
        for number in 0..100_u8 {
            let message = Message::from(format!("number {number:03}"));
            let all = [message.clone(), message];
            let expected = format!("a[\"number {number:03}\"]\n");
            assert_eq!(wrap(&all[..1]), expected);
            assert_eq!(wrap(&all[1..]), expected);
            let both = format!("a[\"number {number:03}\",\"number {number:03}\"]\n");
            assert_eq!(wrap(&all), both);
        }
    }

    /// What nobody else sends is not kept.
    #[test]
    fn message_of_one_is_not_kept() {
        wrap(&[Message::from("of one session")]);
        LINES.with(|Once(last)| assert!(last.borrow().is_none()));
    }

    /// Neither is what is very long.
    #[test]
    fn long_message_is_not_kept() {
        let message = Message::from("x".repeat(LONGEST_KEPT));
        let all = [message.clone(), message];
        assert_eq!(wrap(&all[..1]), wrap(&all[1..]));
        LINES.with(|Once(last)| assert!(last.borrow().is_none()));
    }
}

//! A bounded queue of messages.

use std::collections::VecDeque;

use crate::protocol::Message;

use super::config::QueueLimits;

/// First in, first out, bounded by bytes and by count.
#[derive(Debug)]
pub(super) struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// Capacity that an empty queue keeps, so that one burst does not cost memory for ever.
const KEPT_CAPACITY: usize = 16;

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Whether `count` more messages of `bytes` together may be pushed.
    pub(super) fn has_room(&self, limits: QueueLimits, count: usize, bytes: usize) -> bool {
        self.messages.is_empty()
            || (self.messages.len().saturating_add(count) <= limits.messages
                && self.bytes.saturating_add(bytes) <= limits.bytes)
    }

    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        if self.messages.is_empty() && self.messages.capacity() > KEPT_CAPACITY {
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    /// Takes out the first message behind `kept` others; whether there was one.
    pub(super) fn drop_behind(&mut self, kept: usize) -> bool {
        let dropped = self.messages.remove(kept);
        self.bytes -= dropped.as_ref().map_or(0, Message::len);
        dropped.is_some()
    }

    pub(super) fn drain(&mut self) -> Vec<Message> {
        self.bytes = 0;
        std::mem::take(&mut self.messages).into()
    }

    pub(super) fn messages(&self) -> &VecDeque<Message> {
        &self.messages
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

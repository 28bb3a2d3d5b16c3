//! The kinds of values that say how sessions are ended.

use std::time::Duration;

use bytestring::ByteString;

use crate::protocol::CloseReason;
use crate::session::{RateExceeded, SlowConsumer};

use super::key::{Kind, Shape};
use super::kinds::{Choice, Number};
use super::mistake::Mistake;
use super::spans::SpanOrOff;
use super::value::{Content, Value};

/// A code that may stand in a WebSocket close frame.
pub(super) struct CloseCode;

/// A reason that fits one.
pub(super) struct CloseText;

/// Time over which something is spread; `"off"` for none.
pub(super) struct Window;

impl Choice for SlowConsumer {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("pause", Self::Pause),
        ("close", Self::Close),
        ("drop-oldest", Self::DropOldest),
    ];
}

impl Kind for CloseCode {
    type Held = u16;
    const SHAPE: Shape = Number::<u16, 1000, 4999>::SHAPE;

    fn read(value: &Value) -> Result<u16, Vec<Mistake>> {
        let code = Number::<u16, 1000, 4999>::read(value)?;
        if CloseReason::new(code, "").is_sendable() {
            return Ok(code);
        }
        let what = format!(
            "{value} may not stand in a close frame; write 1000 to 1003, 1007 to 1014, or 3000 to 4999"
        );
        Err(vec![Mistake::new(&value.origin, "", what)])
    }

    fn write(held: &u16) -> Option<Value> {
        Number::<u16, 1000, 4999>::write(held)
    }
}

impl Kind for CloseText {
    type Held = ByteString;
    const SHAPE: Shape = Shape::Text("Service restart");

    fn read(value: &Value) -> Result<ByteString, Vec<Mistake>> {
        /// Bytes of a close frame's reason. (RFC 6455 §5.5)
        const LONGEST: usize = 123;
        match &value.content {
            Content::Text(text) if text.len() <= LONGEST => Ok(text.as_str().into()),
            _ => Err(vec![Mistake::of_value(
                value,
                "a reason; write a text of at most 123 bytes in quotes",
            )]),
        }
    }

    fn write(held: &ByteString) -> Option<Value> {
        Some(Value::text(held.to_string()))
    }
}

impl Kind for Window {
    type Held = Duration;
    const SHAPE: Shape = SpanOrOff::SHAPE;

    fn read(value: &Value) -> Result<Duration, Vec<Mistake>> {
        SpanOrOff::read(value).map(Option::unwrap_or_default)
    }

    fn write(held: &Duration) -> Option<Value> {
        SpanOrOff::write(&Some(*held).filter(|window| !window.is_zero()))
    }
}

impl Choice for RateExceeded {
    const NAMES: &'static [(&'static str, Self)] = &[("wait", Self::Wait), ("close", Self::Close)];
}

//! The kinds of values that keys of authenticators take.

use http::header::HeaderName;

use crate::auth::{Source, SubjectFrom};
use crate::backend::without_secrets;
use crate::identity::SessionBinding;

use super::key::{Kind, Shape};
use super::kinds::{Choice, list, refused, upstream_field};
use super::mistake::Mistake;
use super::value::{Content, Value};

/// Places of tokens, at least one.
pub(super) struct Sources;

/// Texts.
pub(super) struct Texts;

/// A text.
pub(super) struct OneText;

/// The URL of a server that is asked.
pub(super) struct HttpUrl;

/// A field of its answers.
pub(super) struct AnswerField;

/// Fields of upstreams, and the claims that they get.
pub(super) struct UpstreamFields;

impl Choice for SubjectFrom {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("cn", Self::CommonName),
        ("dns", Self::Dns),
        ("email", Self::Email),
        ("uri", Self::Uri),
    ];
}

impl Choice for SessionBinding {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("identity", Self::Identity),
        ("cookie", Self::Cookie),
        ("none", Self::None),
    ];
}

impl Kind for Sources {
    type Held = Vec<Source>;
    const SHAPE: Shape = Shape::Texts {
        example: "cookie:session",
        or_one: false,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let expected = "a list of places, like [\"cookie:session\", \"query:token\", \"header\"]";
        let sources = list(value, expected, str::parse)?;
        if sources.is_empty() {
            let what =
                "the list is empty; leave it out for \"header\", or write at least one place";
            return refused(value, what);
        }
        Ok(sources)
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::list(held.iter().map(ToString::to_string)))
    }
}

impl Kind for Texts {
    type Held = Vec<String>;
    const SHAPE: Shape = Shape::Texts {
        example: "https://login.example.com",
        or_one: true,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        match &value.content {
            Content::Text(text) => Ok(vec![text.clone()]),
            _ => list(value, "a text, or a list of texts", |text| {
                Ok(text.to_owned())
            }),
        }
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::list(held.iter().cloned()))
    }
}

impl Kind for HttpUrl {
    type Held = String;
    const SHAPE: Shape = Shape::Text("https://login.example.com/jwks.json");

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let expected = "a URL in quotes, like \"https://login.example.com/jwks.json\"";
        match &value.content {
            Content::Text(text) => Ok(text.clone()),
            _ => Err(vec![Mistake::of_value(value, expected)]),
        }
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::text(held))
    }

    fn show(held: &Self::Held) -> Option<Value> {
        Some(Value::text(without_secrets(held)))
    }
}

impl Kind for AnswerField {
    type Held = HeaderName;
    const SHAPE: Shape = Shape::Text("remote-user");

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let expected = "the name of a header field, like \"remote-user\"";
        let text = match &value.content {
            Content::Text(text) => text.parse().ok(),
            _ => None,
        };
        text.ok_or_else(|| vec![Mistake::of_value(value, expected)])
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::text(held.as_str()))
    }
}

impl Kind for OneText {
    type Held = String;
    const SHAPE: Shape = Shape::Text("at+jwt");

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        match &value.content {
            Content::Text(text) => Ok(text.clone()),
            _ => Err(vec![Mistake::of_value(value, "a text; write it in quotes")]),
        }
    }

    fn write(held: &Self::Held) -> Option<Value> {
        Some(Value::text(held))
    }
}

impl Kind for UpstreamFields {
    type Held = Vec<(HeaderName, String)>;
    const SHAPE: Shape = Shape::Texts {
        example: "x-user=sub",
        or_one: false,
    };

    fn read(value: &Value) -> Result<Self::Held, Vec<Mistake>> {
        let expected = "a list of fields and claims, like [\"x-user=sub\", \"x-roles=roles\"]";
        list(value, expected, |text| {
            let (name, claim) = text
                .split_once('=')
                .filter(|(_, claim)| !claim.is_empty())
                .ok_or_else(|| {
                    format!("{text:?} is no field and its claim; write them like \"x-user=sub\"")
                })?;
            Ok((upstream_field(name)?, claim.to_owned()))
        })
    }

    fn write(held: &Self::Held) -> Option<Value> {
        let texts = held.iter().map(|(name, claim)| format!("{name}={claim}"));
        Some(Value::list(texts))
    }
}

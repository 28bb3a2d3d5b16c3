//! What a token says: a JSON object in which no name is there twice, because two readers may take different ones. (RFC 7519 §4)

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// An object whose names are unique.
pub(super) struct Claims(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Claims, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name is there twice"));
                    }
                }
                Ok(Claims(map))
            }
        }
        deserializer.deserialize_map(Unique)
    }
}

impl Claims {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A point in time, in seconds since 1970. `Err` when there is something else. (RFC 7519 §2, NumericDate)
    pub(super) fn date(&self, name: &str) -> Result<Option<f64>, ()> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(()),
        }
    }

    /// Whether a claim that is a text, or a list of texts, has one of `wanted`.
    pub(super) fn has_one_of(&self, name: &str, wanted: &[String]) -> bool {
        let is_wanted = |value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| wanted.iter().any(|wanted| wanted == text))
        };
        match self.0.get(name) {
            Some(Value::Array(values)) => values.iter().any(is_wanted),
            Some(value) => is_wanted(value),
            None => false,
        }
    }

    /// A claim as a field's value: texts as they are, lists of texts with commas, numbers and booleans as JSON has them.
    ///
    /// # Errors
    /// A text of a list has a comma itself: one would be read as two.
    pub(super) fn field(&self, name: &str) -> Result<Option<String>, &'static str> {
        Ok(match self.0.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Array(values)) => {
                let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
                let texts = texts.unwrap_or_default();
                if texts.iter().any(|text| text.contains(',')) {
                    return Err("a claim is a list of texts with commas");
                }
                (!texts.is_empty()).then(|| texts.join(","))
            }
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
            None | Some(Value::Null | Value::Object(_)) => None,
        })
    }
}

//! A JSON Schema of the file, for editors.

use serde_json::{Map, Value as Json, json};

use super::key::{Described, Field, Key, Section, Shape, joined, plain};
use super::keys::{OWN, SERVICE, TOP};
use super::{Config, ServiceSettings};

const DURATION: &str = "^0*[1-9][0-9]*(ms|s|m|h)$";
const SIZE: &str = "^0*[1-9][0-9]*(B|KiB|MiB|GiB)$";

/// The schema, in JSON Schema's draft 2020-12.
pub fn schema() -> Json {
    let settings = ServiceSettings::default();
    let mut properties = tables(TOP, &Config::empty(), &[]);
    let service = tables(SERVICE, &settings, &[]);
    properties.insert(
        "defaults".to_owned(),
        object(
            "For all services that do not say otherwise",
            &tables(SERVICE, &settings, OWN),
        ),
    );
    let mut item = object("A service", &service);
    item["required"] = json!(["prefix", "backend"]);
    properties.insert(
        "service".to_owned(),
        json!({ "type": "array", "minItems": 1, "items": item }),
    );
    let mut schema = object("Configuration of sockjs-gateway", &properties);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema
}

fn object(description: &str, properties: &Map<String, Json>) -> Json {
    json!({
        "type": "object",
        "description": description,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn tables<C>(sections: &[Section<C>], config: &C, without: &[&str]) -> Map<String, Json> {
    let mut properties = Map::new();
    for section in sections {
        let keys = section.keys.iter();
        let keys = keys.filter(|key| !without.contains(&key.field.name));
        let own = keys.map(|key| (key.field.name.to_owned(), of_key(key, config)));
        if section.name.is_empty() {
            properties.extend(own);
        } else {
            let table = object(&plain(&joined(section.about)), &own.collect());
            properties.insert(section.name.to_owned(), table);
        }
    }
    properties
}

fn of_key<C>(key: &Key<C>, config: &C) -> Json {
    described(&Described {
        field: key.field,
        default: (key.get)(config).filter(|_| !OWN.contains(&key.field.name)),
    })
}

fn described(one: &Described) -> Json {
    let mut schema = of_field(&one.field);
    if let Some(default) = &one.default {
        schema["default"] = Json::from(default);
    }
    schema
}

fn of_field(field: &Field) -> Json {
    let mut schema = match field.shape {
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Choice(names) => json!({ "enum": names() }),
        Shape::Count {
            least,
            most: i64::MAX,
        } => json!({ "type": "integer", "minimum": least }),
        Shape::Count { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Duration { off: false } => json!({ "type": "string", "pattern": DURATION }),
        Shape::Duration { off: true } => {
            json!({ "anyOf": [{ "type": "string", "pattern": DURATION }, { "const": "off" }] })
        }
        Shape::Size => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": SIZE }] })
        }
        Shape::Tables(keys) => {
            let keys = keys();
            let properties = keys
                .iter()
                .map(|one| (one.field.name.to_owned(), described(one)));
            json!({ "type": "array", "items": object(field.name, &properties.collect()) })
        }
        Shape::Text(_) => json!({ "type": "string", "examples": [field.text_example()] }),
        Shape::Texts { or_one, .. } => {
            let examples: Vec<_> = field.text_example().split(", ").collect();
            let item = json!({ "type": "string", "examples": examples });
            if or_one {
                json!({ "anyOf": [
                    { "type": "string" },
                    { "type": "array", "minItems": 1, "items": item },
                ] })
            } else {
                json!({ "type": "array", "items": item })
            }
        }
    };
    schema["description"] = json!(plain(&field.meaning()));
    schema
}

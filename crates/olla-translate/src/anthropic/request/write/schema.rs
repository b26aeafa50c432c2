//! Makes the schema of an answer one that Anthropic takes.
//!
//! It enforces a part of JSON Schema, and refuses a request with more:
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>.

use serde_json::{Map, Value};

use crate::{
    canonical::{OutputFormat, Request},
    notes::Notes,
};

/// How the form of the answer is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    Any,
    /// In words; nothing else enforces it.
    Told(String),
    /// By a schema.
    Enforced(String),
}

/// What is not enforced and can be left out: the answer fits all the same, or nearly.
const LEFT_OUT: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "$schema",
];

/// The formats of strings that are enforced.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// What stands in for JSON mode, which Anthropic does not have.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else.";

/// What was found in a schema.
#[derive(Debug, Default)]
struct Found {
    /// An object may have fields that nobody has named.
    open: bool,
    left_out: Vec<String>,
}

// === impl Form ===

impl Form {
    /// Decides, and notes what is not enforced.
    pub(super) fn of(request: &Request<'_>, notes: &mut Notes<'_>) -> Self {
        let schema = match &request.format {
            None => return Self::Any,
            Some(OutputFormat::Json) => {
                notes.dropped.note("response_format (as an instruction)");
                return Self::Told(JSON_ONLY.into());
            }
            Some(OutputFormat::Schema { schema, .. }) => schema.get(),
        };
        let Ok(mut value) = serde_json::from_str(schema) else { return Self::Enforced(schema.into()) };
        let mut found = Found::default();
        fit(&mut value, &mut found);
        if found.open {
            notes.dropped.note("response_format (as an instruction: its objects have fields of any name)");
            return Self::Told(format!(
                "Answer with JSON that fits this schema, and nothing else:\n{schema}"
            ));
        }
        if !found.left_out.is_empty() {
            notes.dropped.note(format!("response_format (without {})", found.left_out.join(", ")));
        }
        Self::Enforced(value.to_string())
    }

    /// Returns what the model is told of it.
    pub(super) fn told(&self) -> Option<&str> {
        match self {
            Self::Told(text) => Some(text),
            Self::Any | Self::Enforced(_) => None,
        }
    }
}

fn fit(schema: &mut Value, found: &mut Found) {
    let Value::Object(schema) = schema else { return };
    leave_out(schema, found);
    if let Some(variants) = schema.shift_remove("oneOf") {
        // Variants that exclude each other are not told apart from others.
        schema.insert("anyOf".into(), variants);
    }
    for (key, value) in schema.iter_mut() {
        match (&**key, value) {
            ("properties" | "$defs" | "definitions", Value::Object(inner)) => {
                inner.values_mut().for_each(|inner| fit(inner, found));
            }
            ("items" | "anyOf" | "allOf" | "prefixItems", Value::Array(inner)) => {
                inner.iter_mut().for_each(|inner| fit(inner, found));
            }
            ("items", inner) => fit(inner, found),
            ("patternProperties" | "unevaluatedProperties", _) => found.open = true,
            _ => {}
        }
    }
    if is_object(schema) {
        let names_none = schema.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            None if !names_none => {
                schema.insert("additionalProperties".into(), Value::Bool(false));
            }
            Some(_) | None => found.open = true,
        }
    }
}

fn is_object(schema: &Map<String, Value>) -> bool {
    let object = |kind: &Value| kind == "object";
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(object),
        Some(kind) => object(kind),
        None => schema.contains_key("properties"),
    }
}

fn leave_out(schema: &mut Map<String, Value>, found: &mut Found) {
    schema.retain(|key, value| {
        let kept = match &**key {
            "minItems" => matches!(value.as_u64(), Some(0 | 1)),
            "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
            key => !LEFT_OUT.contains(&key),
        };
        if !kept && key != "$schema" && !found.left_out.contains(key) {
            found.left_out.push(key.clone());
        }
        kept
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fitted(mut schema: Value) -> (Value, Found) {
        let mut found = Found::default();
        fit(&mut schema, &mut found);
        (schema, found)
    }

    #[test]
    fn every_object_of_a_schema_is_closed() {
        let object = json!({ "type": "object", "properties": { "minimum": { "type": "string" } } });
        let closed = json!({
            "type": "object", "properties": { "minimum": { "type": "string" } }, "additionalProperties": false,
        });

        for place in [
            |inner: &Value| json!({ "type": "object", "properties": { "a": inner }, "additionalProperties": false }),
            |inner: &Value| json!({ "type": "array", "items": inner }),
            |inner: &Value| json!({ "anyOf": [{ "type": "null" }, inner] }),
            |inner: &Value| json!({ "allOf": [inner] }),
            |inner: &Value| json!({ "$ref": "#/$defs/a", "$defs": { "a": inner } }),
            |inner: &Value| json!({ "$ref": "#/definitions/a", "definitions": { "a": inner } }),
            |inner: &Value| inner.clone(),
        ] {
            let (schema, found) = fitted(place(&object));
            assert_eq!((schema, found.open, found.left_out.len()), (place(&closed), false, 0));
        }
        let nullable = json!({ "type": ["object", "null"], "properties": { "a": {} } });
        assert_eq!(fitted(nullable).0["additionalProperties"], false);
    }

    #[test]
    fn an_object_with_fields_of_any_name_stays_one() {
        for open in [
            json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": true }),
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            json!({ "type": "object" }),
            json!({ "type": "object", "properties": { "a": { "type": "object", "properties": {} } } }),
            json!({ "type": "object", "properties": { "a": {} }, "patternProperties": { "^x": {} } }),
        ] {
            assert!(fitted(open.clone()).1.open, "{open}");
        }
    }

    #[test]
    fn what_is_not_enforced_is_left_out() {
        let (schema, found) = fitted(json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "oneOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "format": "date", "pattern": "^2" },
                { "type": "string", "format": "binary", "maxLength": 3 },
                { "type": "array", "items": { "type": "number", "minimum": 0.5 }, "minItems": 1 },
                { "type": "array", "minItems": 2 },
            ],
        }));

        let kept = json!({ "anyOf": [
            { "type": "integer" },
            { "type": "string", "format": "date", "pattern": "^2" },
            { "type": "string" },
            { "type": "array", "items": { "type": "number" }, "minItems": 1 },
            { "type": "array" },
        ] });
        assert_eq!((schema, found.open), (kept, false));
        assert_eq!(found.left_out, ["minimum", "format", "maxLength", "minItems"]);
    }
}

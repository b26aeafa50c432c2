//! A dotted path into a JSON document: `details.family`, `data.0.owned_by`, or `.` for the document itself.

use std::fmt;

use serde_json::Value;

/// A compiled path. A step into an array is its position; keys that hold a dot cannot be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath {
    source: Box<str>,
}

// === impl JsonPath ===

impl JsonPath {
    /// Compiles a path; `None` if a step is blank.
    pub(crate) fn parse(source: &str) -> Option<Self> {
        let valid = source == "." || source.split('.').all(|step| !step.trim().is_empty());
        valid.then(|| Self { source: source.into() })
    }

    /// Returns what the path leads to.
    pub(crate) fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        if &*self.source == "." {
            return Some(document);
        }
        self.source.split('.').try_fold(document, |value, step| match value {
            Value::Object(entries) => entries.get(step),
            Value::Array(elements) => elements.get(step.parse::<usize>().ok()?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.source {
            "." => f.write_str("the top"),
            source => write!(f, "{source:?}"),
        }
    }
}

/// Returns a scalar as text, trimmed; `None` for anything else and for blank text.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim()).filter(|t| !t.is_empty()).map(str::to_owned),
        // 1.7e9 is a way to write a time stamp: whole numbers look the same however they were sent.
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
            _ => number.to_string(),
        }),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn leads_through_objects_and_arrays() {
        let document = json!({"data": [{"owned_by": "me"}], "n": 1});
        let find = |path: &str| JsonPath::parse(path).unwrap().find(&document).cloned();

        assert_eq!(find("data.0.owned_by"), Some(json!("me")));
        assert_eq!(find("n"), Some(json!(1)));
        assert_eq!(find("."), Some(document.clone()));
        assert_eq!(find("data.1"), None);
        assert_eq!(find("n.x"), None);
        assert_eq!(JsonPath::parse("a..b"), None);
    }

    #[test]
    fn scalars_read_as_text() {
        assert_eq!(scalar_text(&json!(1700000000.0)), Some("1700000000".into()));
        assert_eq!(scalar_text(&json!(0.38)), Some("0.38".into()));
        assert_eq!(scalar_text(&json!(true)), Some("true".into()));
        assert_eq!(scalar_text(&json!("  ")), None);
        assert_eq!(scalar_text(&json!([])), None);
    }
}

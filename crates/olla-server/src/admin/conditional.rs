//! Conditional answers: a document is sent again only when it shows something new.
//!
//! The tag covers all that the body shows except clock readings, which change without anything happening.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use super::failure;

/// Fields that tell the time: the moment of the answer, ages, and when periodic work ran or will run.
const CLOCK_READINGS: [&str; 17] = [
    "timestamp",
    "uptime",
    "uptime_seconds",
    "last_check",
    "next_check",
    "next_check_at",
    "health_check",
    "health_check_at",
    "last_model_sync",
    "last_model_sync_at",
    "last_updated",
    "last_seen",
    "last_seen_at",
    // Both are told from now on: the same moment, a little off.
    "ejected_until",
    "aside_until",
    // How long the last check took is a reading of the same moment.
    "response_time",
    "response_time_ms",
];
/// A longer list of tags is not read.
const MAX_TAGS_BYTES: usize = 1024;

/// Answers with the document, or with 304 when the client already has it.
pub(super) fn answer(request: &HeaderMap, document: &impl Serialize) -> Response {
    let Ok(document) = serde_json::to_value(document) else { return failure::internal() };
    let tag = tag(&document);
    let known = is_known(request, &tag);
    let headers = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept-encoding"),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, axum::Json(document)).into_response()
}

fn tag(document: &Value) -> String {
    let mut lasting = document.clone();
    remove_clock_readings(&mut lasting);
    let mut hasher = DefaultHasher::new();
    lasting.to_string().hash(&mut hasher);
    format!("W/\"{:x}\"", hasher.finish())
}

fn remove_clock_readings(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !CLOCK_READINGS.contains(&name.as_str()));
            fields.values_mut().for_each(remove_clock_readings);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_clock_readings),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Compares weakly (RFC 9110 §13.1.2): `W/` does not matter.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lists = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists
        .filter(|list| list.len() <= MAX_TAGS_BYTES)
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || opaque(known) == opaque(tag))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(if_none_match: &str, document: &Value) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, if_none_match.parse().unwrap());
        answer(&headers, document).status()
    }

    #[test]
    fn the_tag_ignores_clock_readings_at_any_depth_and_nothing_else() {
        let first = json!({"timestamp": 1, "endpoints": [{"last_check": "1s ago", "requests": 1}]});
        let later = json!({"timestamp": 2, "endpoints": [{"last_check": "2s ago", "requests": 1}]});
        let busier = json!({"timestamp": 2, "endpoints": [{"last_check": "2s ago", "requests": 2}]});

        assert_eq!(tag(&first), tag(&later));
        assert_ne!(tag(&later), tag(&busier));
    }

    #[test]
    fn matches_weak_and_strong_tags_lists_and_the_star() {
        let document = json!({"a": 1});
        let weak = tag(&document);
        let strong = opaque(&weak);

        for known in [&weak, strong, "*", &format!("\"x\", {strong},\"y\"")] {
            assert_eq!(ask(known, &document), StatusCode::NOT_MODIFIED, "{known}");
        }
        for unknown in ["\"x\"", "", &"\"x\",".repeat(300), &weak[..5]] {
            assert_eq!(ask(unknown, &document), StatusCode::OK, "{unknown}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_not_read() {
        let document = json!({"a": 1});

        assert_eq!(ask(&format!("{}{}", "\"x\",".repeat(300), tag(&document)), &document), StatusCode::OK);
    }
}

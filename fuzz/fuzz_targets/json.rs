//! The JSON scanner against serde_json: the first byte is the chunk size, the rest a body.

#![no_main]

#[path = "../../crates/olla-proxy/src/scan/json.rs"]
mod json;
#[path = "../../crates/olla-proxy/src/scan/prompt.rs"]
mod prompt;

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let Some((&size, body)) = data.split_first() else { return };
    let mut scanner = json::Scanner::default();
    body.chunks(usize::from(size).max(1)).for_each(|chunk| scanner.feed(chunk));
    let is_object = scanner.is_object();
    let (span, _) = scanner.finish();

    // What is no JSON may name anything, as long as nothing panics.
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(body) else { return };
    let found = span.map(|span| {
        serde_json::from_slice::<String>(&body[span.start as usize..span.end as usize])
            .expect("a JSON string")
    });
    assert!(is_object);
    assert_eq!(found.as_deref(), object.get("model").and_then(Value::as_str));
});

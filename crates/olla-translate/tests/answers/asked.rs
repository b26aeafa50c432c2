//! A request that every format of clients can read, and what turns its answer back.

use olla_translate::{Abilities, Format, ResponseTranslator, Stamp, Translation};
use serde_json::json;

pub(crate) fn response(client: Format, backend: Format) -> ResponseTranslator {
    let body = json!({
        "model": "m", "max_tokens": 10, "messages": [{ "role": "user", "content": "Hi" }], "input": "Hi", "prompt": "Hi",
        "stream_options": { "include_usage": true },
    });
    let translation = Translation::between(client, backend).unwrap();
    translation.plan(body.to_string().as_bytes(), &Abilities::default(), Stamp::default()).unwrap().response
}

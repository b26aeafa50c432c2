//! The tables of what is kept of answers, as `answers-of-….json` shows it.

use std::{fs, path::PathBuf};

use bytes::BytesMut;
use olla_translate::{Abilities, Format, Outcome, ResponseTranslator, Stamp, Translation};
use serde_json::{Value, json};

/// Makes a table for each kind of backend.
pub(super) fn tables() -> String {
    [Format::Chat, Format::Messages].into_iter().map(table).collect()
}

fn key(format: Format) -> &'static str {
    match format {
        Format::Messages => "messages",
        Format::Chat => "chat",
        Format::Responses => "responses",
        Format::OllamaChat => "ollama-chat",
        _ => "ollama-generate",
    }
}

fn table(backend: Format) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/golden/answers-of-{}.json", key(backend)));
    let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let clients: Vec<_> = Format::ALL.into_iter().filter(|client| *client != backend).collect();
    let heads: Vec<_> = clients.iter().map(|client| client.as_str()).collect();
    let mut table = format!("\n### From {backend}\n\n| Feature | to {} |\n|---|", heads.join(" | to "));
    table += &("---|".repeat(clients.len()) + "\n");
    for case in &cases {
        let cells: Vec<_> = clients.iter().map(|client| verdict(*client, backend, case)).collect();
        table += &format!("| {} | {} |\n", case["feature"].as_str().unwrap(), cells.join(" | "));
    }
    table
}

/// What a whole answer keeps, a stream does. A note counts only where something is left.
fn verdict(client: Format, backend: Format, case: &Value) -> String {
    let whole = response(client, backend).whole(case["whole"].to_string().as_bytes()).unwrap();
    let whole = str::from_utf8(&whole).unwrap();
    let stream = streamed(client, backend, case);
    let signs: Vec<_> = case["signs"].as_array().unwrap().iter().map(|sign| sign.as_str().unwrap()).collect();
    let is_kept = signs.iter().any(|sign| whole.contains(sign));
    let is_kept_streamed = signs.iter().any(|sign| stream.contains(sign));
    assert_eq!(is_kept, is_kept_streamed, "{client} {backend} {}: {whole} {stream}", case["feature"]);
    match (is_kept, case["approximated"][key(client)].as_str()) {
        (true, None) => "kept".to_owned(),
        (true, Some(how)) => format!("approximated: {how}"),
        (false, None) => "dropped".to_owned(),
        (false, Some(_)) => panic!("{client}: nothing is left of {}: {whole}", case["feature"]),
    }
}

fn streamed(client: Format, backend: Format, case: &Value) -> String {
    let (mut translator, mut out) = (response(client, backend).stream(), BytesMut::new());
    for event in case["stream"].as_array().unwrap() {
        translator.feed(format!("data: {event}\n\n").as_bytes(), &mut out);
    }
    translator.finish(&mut out);
    assert_eq!(translator.outcome(), Outcome::Complete, "{client} {backend} {}", case["feature"]);
    String::from_utf8(out.to_vec()).unwrap()
}

fn response(client: Format, backend: Format) -> ResponseTranslator {
    let body = json!({
        "model": "asked", "max_tokens": 10, "messages": [{ "role": "user", "content": "Hi" }], "input": "Hi", "prompt": "Hi",
        "stream_options": { "include_usage": true },
    });
    let translation = Translation::between(client, backend).unwrap();
    translation.plan(body.to_string().as_bytes(), &Abilities::default(), Stamp::default()).unwrap().response
}

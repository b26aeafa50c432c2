//! The estimate of tokens, held against what real tokenizers count.
//!
//! `tokens/*.txt` is a corpus of prose, code and data; `tokens/counts.json` is what OpenAI's `o200k_base` (by
//! js-tiktoken 1.0) and Llama 3's tokenizer (by llama3-tokenizer-js 1.2) make of each text.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

use std::{fs, path::PathBuf};

use olla_translate::{Format, estimate_tokens};
use serde_json::{Value, json};

/// What the frame of a single message takes.
const FRAME: u64 = 4;

fn corpus() -> Vec<(String, String, [u64; 2])> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tokens");
    let counts: Value =
        serde_json::from_str(&fs::read_to_string(directory.join("counts.json")).unwrap()).unwrap();
    let texts = counts.as_object().unwrap().iter();
    texts
        .map(|(name, counts)| {
            let text = fs::read_to_string(directory.join(format!("{name}.txt"))).unwrap();
            let counts = ["o200k_base", "llama3"].map(|tokenizer| counts[tokenizer].as_u64().unwrap());
            (name.clone(), text, counts)
        })
        .collect()
}

fn estimate(text: &str) -> u64 {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
    estimate_tokens(Format::Messages, body.to_string().as_bytes()).unwrap() - FRAME
}

fn is_within_15_percent(estimate: u64, real: u64) -> bool {
    estimate * 100 >= real * 85 && estimate * 100 <= real * 115
}

#[test]
fn each_text_is_within_15_percent_of_the_mean_of_two_tokenizers() {
    for (name, text, [one, two]) in corpus() {
        let estimate = estimate(&text);
        assert!(is_within_15_percent(2 * estimate, one + two), "{name}: {estimate}, really {one} and {two}");
    }
}

#[test]
fn the_whole_corpus_is_within_5_percent_of_each_tokenizer() {
    let corpus = corpus();
    let estimate: u64 = corpus.iter().map(|(_, text, _)| estimate(text)).sum();
    for tokenizer in 0..2 {
        let real: u64 = corpus.iter().map(|(_, _, counts)| counts[tokenizer]).sum();
        assert!(estimate * 100 >= real * 95 && estimate * 100 <= real * 105, "{estimate}, really {real}");
    }
}

#[test]
fn everything_in_a_prompt_counts() {
    let base = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    let least = estimate_tokens(Format::Messages, base.to_string().as_bytes()).unwrap();

    for (key, value) in [
        ("system", json!("Be brief.")),
        ("tools", json!([{ "name": "f", "description": "Does it", "input_schema": { "type": "object" } }])),
        (
            "messages",
            json!([{ "role": "user", "content": [{ "type": "image", "source": { "type": "url", "url": "x" } }] }]),
        ),
        (
            "messages",
            json!([{ "role": "assistant", "content": [{ "type": "tool_use", "id": "t", "name": "f", "input": {} }] }]),
        ),
        (
            "messages",
            json!([{ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": "All is well" }] }]),
        ),
    ] {
        let mut body = base.clone();
        body[key] = value;
        let estimate = estimate_tokens(Format::Messages, body.to_string().as_bytes()).unwrap();
        assert!(estimate > least, "{body}: {estimate}");
    }
}

#[test]
fn a_body_without_messages_is_refused() {
    let error = estimate_tokens(Format::Messages, br#"{"model":"m"}"#).unwrap_err();
    assert_eq!(error.to_string(), "messages: at least one message is required");
}

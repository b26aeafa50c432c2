//! What makes two beginnings the same, and what makes them different.

use std::{hash::RandomState, sync::LazyLock};

use bytes::Bytes;
use http::Method;
use olla_profiles::Profiles;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Settings, route, tongues::Tongues};

const CHAT: &str = "/v1/chat/completions";

static PROFILES: LazyLock<Profiles> = LazyLock::new(Profiles::builtin);
static TONGUES: LazyLock<Tongues> = LazyLock::new(|| Tongues::new(&PROFILES, &Settings::default()));

/// Hashes with one secret, so that hashes can be compared.
struct Bench {
    secret: RandomState,
    limit: usize,
}

impl Bench {
    fn new() -> Self {
        Self { secret: RandomState::new(), limit: 512 }
    }

    fn of_chunks(&self, path: &str, chunks: impl IntoIterator<Item = String>) -> Option<u64> {
        self.of_bytes(path, chunks.into_iter().map(String::into_bytes))
    }

    fn of_bytes(&self, path: &str, chunks: impl IntoIterator<Item = Vec<u8>>) -> Option<u64> {
        let route = route::read(&Method::POST, &path.parse().unwrap(), (&PROFILES, &TONGUES)).unwrap();
        let mut body = Replay::default();
        chunks.into_iter().for_each(|chunk| body.push(Bytes::from(chunk)));
        of(&body, Shape::of(&route)?, Digest::new(&self.secret, self.limit))
    }

    fn of(&self, path: &str, body: &Value) -> Option<u64> {
        self.of_chunks(path, [body.to_string()])
    }

    fn of_chat(&self, messages: &Value) -> Option<u64> {
        self.of(CHAT, &json!({"model": "m", "messages": messages}))
    }
}

fn turn(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

#[test]
fn later_turns_of_a_conversation_have_the_hash_of_the_first() {
    let bench = Bench::new();
    let (system, hello) = (turn("system", "be brief"), turn("user", "hello"));
    let (answer, more) = (turn("assistant", "hi"), turn("user", "and then?"));

    let first = bench.of_chat(&json!([system, hello]));
    let later = bench.of_chat(&json!([system, hello, answer, more]));

    assert!(first.is_some());
    assert_eq!(first, later);
}

#[test]
fn conversations_with_a_long_system_prompt_in_common_differ_by_what_the_user_says_first() {
    let bench = Bench::new();
    let system = turn("system", &"You are a coding agent. ".repeat(1000));

    let hashes =
        ["fix the bug", "write a test", ""].map(|text| bench.of_chat(&json!([system, turn("user", text)])));

    assert!(hashes.iter().all(Option::is_some));
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2], "{hashes:?}");
}

#[test]
fn conversations_with_different_system_prompts_differ() {
    let bench = Bench::new();
    let user = turn("user", "hello");

    let one = bench.of_chat(&json!([turn("system", "be brief"), user]));

    assert_ne!(one, bench.of_chat(&json!([turn("developer", "be long"), user])));
    assert_ne!(one, bench.of_chat(&json!([user])));
    assert_ne!(one, bench.of_chat(&json!([turn("system", "be brief"), turn("system", "be kind"), user])));
}

#[test]
fn each_dialect_keeps_its_beginning_elsewhere() {
    let bench = Bench::new();
    let user = json!([turn("user", "hello")]);
    let item =
        json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}]);
    for (path, body) in [
        (CHAT, json!({"messages": user})),
        ("/v1/messages", json!({"messages": user, "system": "be brief"})),
        (
            "/v1/messages/count_tokens",
            json!({"system": [{"type": "text", "text": "be brief"}], "messages": user}),
        ),
        ("/v1/responses", json!({"input": "hello", "instructions": "be brief"})),
        ("/v1/responses", json!({"instructions": "be brief", "input": item})),
        ("/v1/completions", json!({"prompt": "hello"})),
        ("/v1/completions", json!({"prompt": ["hello"]})),
        ("/v1/completions", json!({"prompt": [1, 2, 3]})),
        ("/olla/proxy/api/chat", json!({"messages": user})),
        ("/olla/proxy/api/generate", json!({"prompt": "hello", "system": "be brief"})),
    ] {
        let changed = |from: &str, to: &str| bench.of_chunks(path, [body.to_string().replace(from, to)]);
        let hash = bench.of(path, &body);

        assert!(hash.is_some(), "{path} {body}");
        assert_ne!(
            hash,
            changed("hello", "goodbye").filter(|_| body.to_string().contains("hello")),
            "{path} {body}"
        );
        assert_ne!(
            hash,
            changed("be brief", "be long").filter(|_| body.to_string().contains("brief")),
            "{path}"
        );
        assert_ne!(hash, changed("1,2,3", "1,2,4").filter(|_| body.to_string().contains("1,2,3")), "{path}");
    }
}

#[test]
fn what_is_no_conversation_has_no_beginning() {
    let bench = Bench::new();
    for (path, body) in [
        (CHAT, json!({})),
        (CHAT, json!({"messages": []})),
        (CHAT, json!({"messages": null})),
        (CHAT, json!({"messages": [turn("assistant", "hello")]})),
        (CHAT, json!({"prompt": "hello", "messages": 1})),
        (CHAT, json!([turn("user", "hello")])),
        ("/v1/completions", json!({"prompt": ""})),
        ("/v1/completions", json!({"prompt": null, "": "x"})),
        ("/v1/embeddings", json!({"input": "hello"})),
        ("/v1/models", json!({"messages": [turn("user", "hello")]})),
    ] {
        assert_eq!(bench.of(path, &body), None, "{path} {body}");
    }
    assert_eq!(bench.of_chunks(CHAT, ["model=m&messages=x".to_owned()]), None);
    assert_eq!(bench.of_chunks(CHAT, []), None);
}

#[test]
fn a_text_is_the_same_in_a_list_and_with_a_mark_for_the_cache() {
    let bench = Bench::new();
    let plain = bench.of_chat(&json!([turn("system", "be brief"), turn("user", "hello")]));
    let mark = json!({"type": "ephemeral"});

    let listed = bench.of_chat(&json!([
        {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
        {"role": "user", "name": "eve", "content": [{"cache_control": mark, "type": "text", "text": "hello"}]},
    ]));

    assert_eq!(plain, listed);
}

#[test]
fn pictures_count_and_so_does_their_order() {
    let bench = Bench::new();
    let picture = |url: &str| json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}});
    let asked = |parts: Value| bench.of_chat(&json!([{"role": "user", "content": parts}]));
    let ollama =
        |images: Value| bench.of_chat(&json!([{"role": "user", "content": "look", "images": images}]));

    let one = asked(json!([picture("a"), picture("b")]));

    assert!(one.is_some());
    assert_ne!(one, asked(json!([picture("b"), picture("a")])));
    assert_ne!(one, asked(json!([picture("a"), picture("c")])));
    assert_ne!(ollama(json!(["aa"])), ollama(json!(["ab"])));
    assert_ne!(ollama(json!([])), ollama(json!(["aa"])));
}

#[test]
fn of_each_text_the_first_bytes_count() {
    let asked = |limit, text: &str| {
        let bench = Bench { secret: RandomState::new(), limit };
        let hash = |tail: &str| bench.of_chat(&json!([turn("user", &format!("{text}{tail}"))]));
        (hash("a"), hash("b"))
    };
    let differ = |(one, other): (Option<u64>, Option<u64>)| one != other;

    assert!(differ(asked(8, "1234567")));
    assert!(!differ(asked(8, "12345678")));
    assert!(!differ(asked(8, "1234567é")), "also in the middle of a letter");
    assert!(differ(asked(0, &"x".repeat(100_000))), "zero means all");
    let bench = Bench { secret: RandomState::new(), limit: 2 };
    let tokens = |last: u32| bench.of("/v1/completions", &json!({"prompt": [7, 8, last]}));
    assert_eq!(tokens(1), tokens(2), "tokens count like bytes");
}

#[test]
fn nothing_behind_the_beginning_is_parsed() {
    let bench = Bench::new();
    let whole = bench.of(CHAT, &json!({"messages": [turn("user", "hello"), turn("assistant", "hi")]}));

    let broken =
        bench.of_chunks(CHAT, [r#"{"messages":[{"role":"user","content":"hello"},]]garbage"#.to_owned()]);

    assert_eq!(whole, broken);
    assert!(whole.is_some());
}

#[test]
fn a_body_too_large_for_one_piece_is_read_in_chunks() {
    let bench = Bench::new();
    let long = "x".repeat(2 * usize::try_from(JOINED).unwrap());
    let body =
        |text: &str| json!({"messages": [turn("user", "hello"), turn("assistant", text)], "system": "s"});
    let text = body(&long).to_string();
    let chunks = text.as_bytes().chunks(5000).map(|chunk| String::from_utf8(chunk.to_vec()).unwrap());

    let hash = bench.of_chunks("/v1/messages", chunks);

    assert!(hash.is_some());
    assert_eq!(hash, bench.of("/v1/messages", &body("x")));
}

/// Writes a value as another writer could: other white space, another order of keys, other escapes.
fn rewrite(value: &Value, random: &mut fastrand::Rng) -> String {
    let blank = |random: &mut fastrand::Rng| ["", " ", "\n\t", "\r\n  "][random.usize(..4)];
    let written = match value {
        Value::Array(list) => {
            let list: Vec<_> = list.iter().map(|value| rewrite(value, random)).collect();
            format!("[{}{}]", blank(random), list.join(","))
        }
        Value::Object(object) => {
            let mut fields: Vec<_> = object
                .iter()
                .map(|(key, value)| format!("{}:{}", rewrite_text(key, random), rewrite(value, random)))
                .collect();
            random.shuffle(&mut fields);
            format!("{{{}{}}}", blank(random), fields.join(","))
        }
        Value::String(text) => rewrite_text(text, random),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    format!("{}{written}{}", blank(random), blank(random))
}

fn rewrite_text(text: &str, random: &mut fastrand::Rng) -> String {
    let letters = text.chars().map(|letter| match random.bool() {
        true => letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        false => {
            let quoted = Value::from(letter.to_string()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    });
    format!("\"{}\"", letters.collect::<String>())
}

fn content() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        "\\PC{0,12}".prop_map(|text| json!({"type": "text", "text": text})),
        ("\\PC{0,12}", any::<bool>(), any::<i32>()).prop_map(
            |(url, flag, number)| json!({"type": "image", "image": {"url": url, "x": flag, "y": [number]}})
        ),
    ];
    prop_oneof![
        "\\PC{0,20}".prop_map(Value::from),
        prop::collection::vec(part, 0..4).prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn body() -> impl Strategy<Value = Value> {
    let role = prop_oneof![Just("system"), Just("developer"), Just("user"), Just("assistant"), Just("tool")];
    let message = (role, content()).prop_map(|(role, content)| json!({"role": role, "content": content}));
    (prop::collection::vec(message, 0..5), content(), "\\PC{0,9}").prop_map(|(messages, system, tool)| {
        json!({"model": "m", "messages": messages, "system": system, "tools": [{"name": tool}], "n": 1})
    })
}

proptest! {
    #[test]
    fn how_a_body_is_written_does_not_matter(body in body(), seed: u64, chunk in 1_usize..60) {
        let bench = Bench::new();
        let rewritten = rewrite(&body, &mut fastrand::Rng::with_seed(seed));
        prop_assert_eq!(&serde_json::from_str::<Value>(&rewritten).unwrap(), &body, "the test itself");
        let letters: Vec<char> = rewritten.chars().collect();
        let chunks: Vec<String> = letters.chunks(chunk).map(|chunk| chunk.iter().collect()).collect();

        for path in [CHAT, "/v1/messages"] {
            prop_assert_eq!(bench.of_chunks(path, chunks.clone()), bench.of(path, &body));
        }
    }

    #[test]
    fn no_body_is_too_strange(body in "[\\[\\]{}\",:a-z0-9 \\\\]{0,60}") {
        for path in [CHAT, "/v1/messages", "/v1/responses", "/v1/completions"] {
            Bench::new().of_chunks(path, [body.clone(), format!("{{\"messages\":{body}}}")]);
        }
    }

    #[test]
    fn one_changed_letter_is_another_conversation(text in "[a-z]{1,30}", at in any::<prop::sample::Index>()) {
        let bench = Bench::new();
        let mut other = text.clone().into_bytes();
        let at = at.index(other.len());
        other[at] = b'A';

        let hashes = [text, String::from_utf8(other).unwrap()].map(|t| bench.of_chat(&json!([turn("user", &t)])));

        prop_assert_ne!(hashes[0], hashes[1]);
    }
}

/// The first byte chooses a path, the second is the size of the chunks, the rest is a body.
#[test]
fn fuzz_conversation() {
    let words = [
        "{",
        "}",
        "[",
        "]",
        "\"messages\":[",
        "\"system\":",
        "\"role\":\"user\"",
        "\"content\":",
        "\"text\":\"x\"",
        "\"input\":",
        "\"prompt\":",
        "null",
        "\\u0000",
        ",",
        "[[[[[[[[[[[[[[[[",
    ];
    let bench = Bench::new();
    let paths = [CHAT, "/v1/messages", "/v1/responses", "/v1/completions", "/olla/proxy/api/generate"];
    olla_fuzz::fuzz("conversation", &words, |input| {
        let [path, size, body @ ..] = input else { return None };
        let (path, body) = (paths[usize::from(*path) % paths.len()], String::from_utf8_lossy(body));
        let cut: Vec<_> = body.as_bytes().chunks(usize::from(*size).max(1)).collect();
        let text = |bytes: &[u8]| bytes.to_vec();

        let whole = bench.of_bytes(path, [text(body.as_bytes())]);

        assert_eq!(bench.of_bytes(path, cut.into_iter().map(text)), whole);
        whole.map(|_| (path.len(), body.len().min(64)))
    });
}

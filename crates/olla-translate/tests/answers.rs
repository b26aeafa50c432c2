//! Answers of every backend for every client: whole or streamed, cut anywhere, among things nobody knows, they say
//! the same; and what one client hears, a backend could say to another.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where an assumption fails")]

#[path = "answers/asked.rs"]
mod asked;
#[path = "answers/heard.rs"]
mod heard;
#[path = "answers/said.rs"]
mod said;

use bytes::BytesMut;
use olla_translate::{Format, Outcome, Translation};
use proptest::prelude::*;
use serde_json::Value;

use asked::response;
use heard::{Heard, assembled};
use said::{Block, Said, blocks, said};

fn pairs() -> impl Iterator<Item = (Format, Format)> {
    let all = Format::ALL.into_iter().flat_map(|client| Format::ALL.map(|backend| (client, backend)));
    all.filter(|(client, backend)| client != backend && Translation::between(*client, *backend).is_some())
}

fn whole(client: Format, backend: Format, body: &Value) -> Value {
    let told = response(client, backend).whole(body.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&told).unwrap()
}

/// Translates a stream that is cut at these places.
fn streamed(client: Format, backend: Format, stream: &str, cuts: &[usize]) -> String {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    let (mut translator, mut out) = (response(client, backend).stream(), BytesMut::new());
    for cut in cuts.windows(2) {
        translator.feed(&stream.as_bytes()[cut[0]..cut[1]], &mut out);
    }
    translator.finish(&mut out);
    assert_eq!(translator.outcome(), Outcome::Complete, "{client} {backend}");
    String::from_utf8(out.to_vec()).unwrap()
}

/// Puts between the events of a stream what no reader knows, and ends its lines in another way.
fn among_strangers(stream: &str, kinds: &[u8]) -> String {
    let strangers = [
        "",
        ": a comment\n\n",
        "id: 7\nretry: 10\n\n",
        "event: to_come\ndata: {\"type\":\"to_come\",\"object\":\"to_come\",\"delta\":{\"more\":[1]}}\n\n",
        "data:\n\n",
        "data: no json\n\n",
    ];
    let mut kinds = kinds.iter().cycle();
    let mut told = String::new();
    for event in stream.split_inclusive("\n\n") {
        told += strangers[usize::from(*kinds.next().unwrap()) % strangers.len()];
        told += &event.replacen("data: {", "data: {\"to_come\":{\"index\":-1,\"type\":[]},", 1);
    }
    if kinds.next().unwrap().is_multiple_of(2) { told } else { told.replace('\n', "\r\n") }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_says_what_a_whole_answer_does_for_every_pair(
        said in said(), cuts in prop::collection::vec(any::<usize>(), 0..9),
    ) {
        for (client, backend) in pairs() {
            let told = whole(client, backend, &said.whole(backend));

            let stream = streamed(client, backend, &said.stream(backend), &cuts);

            prop_assert_eq!(assembled(client, &stream), told, "{} {}: {}", client, backend, stream);
        }
    }

    #[test]
    fn blocks_in_any_order_are_told_alike(blocks in blocks(), cuts in prop::collection::vec(any::<usize>(), 0..9)) {
        let said = Said::of_blocks(blocks);
        for (client, backend) in pairs().filter(|(_, backend)| *backend == Format::Messages) {
            let told = whole(client, backend, &said.whole(backend));

            let stream = streamed(client, backend, &said.stream(backend), &cuts);

            prop_assert_eq!(assembled(client, &stream), told, "{} {}: {}", client, backend, stream);
        }
    }

    #[test]
    fn what_a_backend_says_is_what_the_client_hears(said in said()) {
        for (client, backend) in pairs() {
            let told = whole(client, backend, &said.whole(backend));

            prop_assert_eq!(Heard::from(client, &told), said.shared_by(client), "{} {}: {}", client, backend, told);
        }
    }

    #[test]
    fn what_a_client_has_heard_can_be_told_to_the_next(said in said()) {
        for (first, backend) in pairs().filter(|(first, _)| matches!(first, Format::Messages | Format::Chat)) {
            let body = whole(first, backend, &said.whole(backend));
            let stream = streamed(first, backend, &said.stream(backend), &[]);
            for (client, _) in pairs().filter(|(_, between)| *between == first) {
                let told = whole(client, first, &body);

                prop_assert_eq!(Heard::from(client, &told), said.shared_by(client), "{}: {}", client, body);
                let told = assembled(client, &streamed(client, first, &stream, &[]));
                prop_assert_eq!(Heard::from(client, &told), said.shared_by(client), "{}: {}", client, stream);
            }
        }
    }

    #[test]
    fn any_cut_and_any_stranger_changes_nothing(
        said in said(), cuts in prop::collection::vec(any::<usize>(), 0..20),
        strangers in prop::collection::vec(any::<u8>(), 1..9),
    ) {
        for (client, backend) in pairs() {
            let stream = said.stream(backend);
            let plain = streamed(client, backend, &stream, &[]);

            let cut = streamed(client, backend, &among_strangers(&stream, &strangers), &cuts);

            prop_assert_eq!(cut, plain, "{} {}", client, backend);
        }
    }
}

#[test]
fn every_client_may_begin_before_the_backend_speaks() {
    let said = Said::of_blocks(vec![Block::Text(vec!["Hi".to_owned()])]);
    for (client, backend) in pairs() {
        let (mut translator, mut out) = (response(client, backend).stream(), BytesMut::new());

        translator.begin(&mut out);
        translator.feed(said.stream(backend).as_bytes(), &mut out);

        let told = String::from_utf8(out.to_vec()).unwrap();
        assert_eq!(
            Heard::from(client, &assembled(client, &told)),
            said.shared_by(client),
            "{client} {backend}"
        );
    }
}

#[test]
fn halves_of_characters_and_bytes_that_are_no_text_spoil_no_answer() {
    let chat = |text: &[u8]| {
        [&br#"{"choices":[{"message":{"content":""#[..], text, br#""},"finish_reason":"stop"}]}"#].concat()
    };
    let message = |text: &[u8]| {
        [&br#"{"type":"message","content":[{"type":"text","text":""#[..], text, br#""}]}"#].concat()
    };
    for (client, backend) in pairs() {
        for text in [&br"a\ud83d b \uDE00"[..], b"a\xff b \xff"] {
            let body = if backend == Format::Chat { chat(text) } else { message(text) };

            let told = response(client, backend).whole(&body).unwrap();
            let streamed = response(client, backend).whole_as_stream(&body).unwrap();

            for told in [told, streamed] {
                let told = str::from_utf8(&told).unwrap();
                assert!(told.contains("a\u{fffd} b \u{fffd}"), "{client} {backend}: {told}");
            }
        }
    }
}

//! Whether a stream that is passed on comes to the end that its format has: one that only stops was cut off, however
//! cleanly.
//!
//! Chats and Ollama's lines are not judged: many servers leave their end out.

use bytes::Bytes;
use memchr::memmem;
use olla_core::Failure;
use olla_translate::Format;
use serde_json::json;

use crate::{render, responses::find_id};

/// Looks for the end of one stream, cut into pieces anywhere.
#[derive(Debug)]
pub(crate) struct Ending {
    words: &'static [&'static [u8]],
    /// The last bytes before the next piece.
    before: [u8; CUT],
    /// Set where the format tells of a failure in words of its own.
    response: Option<Box<Response>>,
}

/// What an event about a response says.
#[derive(Debug, Default)]
struct Response {
    id: Option<Box<str>>,
    sequence: u64,
}

/// No word is longer.
const CUT: usize = 24;
/// In quotes, as they stand in the type of an event and within no text.
const MESSAGE: [&[u8]; 1] = [b"\"message_stop\""];
const RESPONSE: [&[u8]; 4] = [
    b"\"response.completed\"",
    b"\"response.incomplete\"",
    b"\"response.failed\"",
    b"\"response.cancelled\"",
];
const SEQUENCE: &[u8] = b"\"sequence_number\":";

// === impl Ending ===

impl Ending {
    /// Begins with a stream of a format, if its streams have an end that is sure.
    pub(crate) fn of(format: Format) -> Option<Self> {
        let before = [b' '; CUT];
        match format {
            Format::Messages => Some(Self { words: &MESSAGE, before, response: None }),
            // alloc: one for each such stream.
            Format::Responses => Some(Self { words: &RESPONSE, before, response: Some(Box::default()) }),
            _ => None,
        }
    }

    /// Reads the next piece, and returns whether the end has come.
    pub(super) fn feed(&mut self, piece: &[u8]) -> bool {
        if let Some(response) = &mut self.response {
            response.read(piece);
        }
        // What the cut has parted, and then the piece itself.
        let begin = &piece[..piece.len().min(CUT)];
        let mut seam = [b' '; 2 * CUT];
        seam[..CUT].copy_from_slice(&self.before);
        seam[CUT..CUT + begin.len()].copy_from_slice(begin);
        let seam = &seam[..CUT + begin.len()];
        let ends = |bytes: &[u8]| self.words.iter().any(|word| memmem::find(bytes, word).is_some());
        let ended = ends(seam) || ends(piece);
        match piece.last_chunk() {
            Some(last) => self.before = *last,
            None => self.before.copy_from_slice(&seam[begin.len()..]),
        }
        ended
    }

    /// Returns the event that says that the stream breaks off, where the format has one of its own.
    pub(super) fn last_words(&self, failure: Failure) -> Option<Bytes> {
        let Response { id, sequence } = self.response.as_deref()?;
        let event = json!({
            "type": "response.failed",
            "sequence_number": sequence + 1,
            "response": {
                "id": id,
                "object": "response",
                "status": "failed",
                "error": { "code": "server_error", "message": render::broke_off(failure) },
                "incomplete_details": null,
                "output": [],
                "usage": null,
            },
        });
        Some(Bytes::from(format!("event: response.failed\ndata: {event}\n\n")))
    }
}

// === impl Response ===

impl Response {
    fn read(&mut self, piece: &[u8]) {
        if self.id.is_none() && self.sequence == 0 {
            // alloc: one for each stream.
            self.id = find_id(piece).map(Box::from);
        }
        if let Some(at) = memmem::rfind(piece, SEQUENCE) {
            let number = piece[at + SEQUENCE.len()..].trim_ascii_start();
            let digits = number.iter().take_while(|byte| byte.is_ascii_digit());
            let value = digits.fold(0_u64, |value, digit| value.saturating_mul(10) + u64::from(digit - b'0'));
            self.sequence = self.sequence.max(value.min(u64::from(u32::MAX)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(format: Format, pieces: &[&[u8]]) -> bool {
        let mut ending = Ending::of(format).unwrap();
        pieces.iter().filter(|piece| ending.feed(piece)).count() > 0
    }

    #[test]
    fn the_end_is_found_wherever_it_is_cut() {
        for (format, stream, ended) in [
            (Format::Messages, "event: message_stop\ndata: {\"type\": \"message_stop\"}\n\n", true),
            (Format::Messages, "data: {\"text\":\"so \\\"message_stop\\\" it is\"}\n\n", false),
            (Format::Responses, "data: {\"type\":\"response.incomplete\",\"sequence_number\":7}\n\n", true),
            (Format::Responses, "data: {\"type\":\"response.output_text.done\"}\n\n", false),
        ] {
            for first in 0..=stream.len() {
                for second in first..=stream.len() {
                    let stream = stream.as_bytes();
                    let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                    assert_eq!(ends(format, &pieces), ended, "{first} {second}");
                }
            }
            assert_eq!(ends(format, &stream.as_bytes().chunks(1).collect::<Vec<_>>()), ended);
        }
    }

    #[test]
    fn a_response_that_fails_is_the_one_that_has_begun() {
        let mut ending = Ending::of(Format::Responses).unwrap();
        let begun = br#"data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1"}}"#;
        ending.feed(begun);
        ending.feed(br#"data: {"type":"response.output_text.delta","sequence_number": 8,"delta":"x"}"#);

        let words = ending.last_words(Failure::Truncated).unwrap();

        let data = words.strip_prefix(b"event: response.failed\ndata: ").unwrap();
        let event: serde_json::Value = serde_json::from_slice(data).unwrap();
        assert_eq!(event["type"], "response.failed");
        assert_eq!((&event["sequence_number"], &event["response"]["id"]), (&json!(9), &json!("resp_1")));
        assert_eq!(event["response"]["status"], "failed");
    }
}

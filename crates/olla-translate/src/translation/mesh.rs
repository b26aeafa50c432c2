//! There and back, for every pair of formats: a request says to the backend what it said to Olla, and said once
//! more in the client's format it is the same request.

mod spell;
mod talk;

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::Value;

use super::{Translation, read, write};
use crate::{Abilities, Format, Stamp, ThoughtField, canonical::Request, notes::Notes};
use spell::spell;
use talk::{Talk, talk};

/// A backend that understands all that its format can say.
fn abilities() -> Abilities {
    Abilities {
        effort_none: true,
        thoughts: ThoughtField::ThinkingBlocks,
        adaptive_thinking: true,
        ..Abilities::default()
    }
}

/// Every client with every backend that it needs a translation for.
fn pairs() -> impl Iterator<Item = (Format, Format, Translation)> {
    let all = Format::ALL.into_iter().flat_map(|client| Format::ALL.map(|backend| (client, backend)));
    all.filter(|(client, backend)| client != backend).filter_map(|(client, backend)| {
        Translation::between(client, backend).map(|translation| (client, backend, translation))
    })
}

fn written(format: Format, request: &Request<'_>) -> String {
    let (abilities, mut out) = (abilities(), BytesMut::new());
    let backend = Translation::between(Format::Messages, format).unwrap().backend;
    write(backend, request, &mut Notes::new(&abilities), &mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn eight_pairs_are_put_to_the_test() {
    assert_eq!(pairs().count(), 8);
}

proptest! {
    #[test]
    fn every_request_survives_every_pair(said in talk()) {
        for (client, backend, translation) in pairs() {
            let said = said.clone().shared_by(client, backend);
            let body = spell(client, &said);

            let told = translation.plan(body.to_string().as_bytes(), &abilities(), Stamp::default()).unwrap();
            let told_body = str::from_utf8(&told.body).unwrap();
            let request = read(backend, told_body).unwrap();
            let heard = Talk::hear(&request);

            let pair = format!("{client} on {backend}: {told_body}");
            prop_assert_eq!(told.dropped.header_value(), "", "{}", pair);
            prop_assert_eq!(&heard, &said, "{}", pair);
            prop_assert_eq!(spell(client, &heard), body, "{}", pair);
            // What the backend's format says of it, it says once more.
            let again: Value = serde_json::from_str(&written(backend, &request)).unwrap();
            prop_assert_eq!(again, serde_json::from_str::<Value>(told_body).unwrap(), "{}", pair);
            // As far as requests are written in the client's format too, it comes back without our help.
            let is_written = matches!(client, Format::Messages | Format::Chat);
            if is_written && said.clone().shared_by(backend, client) == said {
                let back = written(client, &request);
                prop_assert_eq!(Talk::hear(&read(client, &back).unwrap()), said, "{}: {}", pair, back);
            }
        }
    }
}

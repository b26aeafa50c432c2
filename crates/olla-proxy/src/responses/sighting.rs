//! Finds the id of a response in what a backend of that format answers, whole or as a stream, while it is passed on.

use std::sync::Arc;

use memchr::memmem;
use olla_core::EndpointId;

use super::memory::{Known, Memory, Owner};

/// Looks for the id of a response.
#[derive(Debug)]
pub(crate) struct Sighting {
    memory: Arc<Memory>,
    owner: Owner,
    home: EndpointId,
    /// The beginning of the answer.
    seen: Vec<u8>,
}

/// How far into an answer an id is looked for, bytes. It comes first, or nearly so.
const FAR: usize = 4096;
/// How the ids of responses begin; those of their items begin otherwise.
const PREFIX: &[u8] = b"resp";

// === impl Sighting ===

impl Sighting {
    pub(super) fn new(memory: Arc<Memory>, owner: Owner, home: EndpointId) -> Self {
        Self { memory, owner, home, seen: Vec::new() }
    }

    /// Takes the next bytes, and returns whether there is nothing more to look for.
    pub(crate) fn feed(&mut self, data: &[u8]) -> bool {
        let room = FAR - self.seen.len();
        self.seen.extend_from_slice(data.get(..room).unwrap_or(data));
        let Some(id) = find_id(&self.seen) else { return self.seen.len() == FAR };
        self.memory.put(self.owner, id, Known::At(self.home));
        true
    }
}

/// Finds the id of a response in JSON, or in a part of it.
pub(crate) fn find_id(json: &[u8]) -> Option<&str> {
    memmem::find_iter(json, b"\"id\"").find_map(|at| {
        let value = json.get(at + 4..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let value = value.strip_prefix(b"\"")?;
        let id = value.get(..memchr::memchr(b'"', value)?)?;
        str::from_utf8(id).ok().filter(|id| id.as_bytes().starts_with(PREFIX))
    })
}

#[cfg(test)]
mod tests {
    use olla_core::{Aliases, BaseUrl, EndpointSpec, FleetCell};

    use super::*;

    fn home() -> EndpointId {
        let spec = EndpointSpec::new("e", BaseUrl::parse("http://h").unwrap());
        FleetCell::new(vec![spec], Aliases::default()).load().endpoints()[0].id
    }

    #[test]
    fn the_id_is_found_wherever_the_answer_is_cut() {
        for (answer, id) in [
            (r#"{"id":"resp_1","object":"response"}"#, Some("resp_1")),
            (r#"{ "created_at": 1, "id" : "resp_2", "output": [] }"#, Some("resp_2")),
            ("event: response.created\ndata: {\"response\":{\"id\":\"resp-3\"", Some("resp-3")),
            (r#"{"output":[{"id":"msg_1"}],"id":"resp_4"}"#, Some("resp_4")),
            (r#"{"id":"msg_1"}"#, None),
            (r#"{"id":5,"id":"resp"#, None),
        ] {
            for cut in 0..answer.len() {
                let memory = Arc::new(Memory::new(1 << 20, std::time::Duration::ZERO));
                let owner = Owner::default();
                let mut sighting = Sighting::new(Arc::clone(&memory), owner, home());

                let (first, second) = answer.as_bytes().split_at(cut);
                let found = sighting.feed(first) || sighting.feed(second);

                assert_eq!(found, id.is_some(), "{answer} {cut}");
                assert!(id.is_none_or(|id| memory.find(owner, id).is_some()), "{answer} {cut}");
            }
        }
    }

    #[test]
    fn the_search_ends_where_no_id_can_be_expected_any_more() {
        let memory = Arc::new(Memory::new(1 << 20, std::time::Duration::ZERO));
        let mut sighting = Sighting::new(memory, Owner::default(), home());

        assert!(!sighting.feed(&[b' '; FAR - 1]));
        assert!(sighting.feed(&[b' '; 100]));
    }
}

//! The responses that can be gone on from: bounded in bytes, and in the time that they are idle.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use moka::{policy::EvictionPolicy, sync::Cache};
use olla_core::EndpointId;

use crate::headers::X_API_KEY;

/// What all workers remember of responses.
pub(crate) struct Memory {
    cache: Cache<Key, Known>,
    idle_ttl: Duration,
    /// Tells owners apart, of whom nothing else is kept.
    secret: RandomState,
}

/// Whose response it is: who sends the same credentials. Addresses of clients change, and are shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Owner(u64);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    owner: Owner,
    id: Box<str>,
}

/// What is known of a response.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// It is kept here.
    Kept(Arc<Kept>),
    /// This endpoint has made it, and keeps it if anybody does.
    At(EndpointId),
}

/// One turn of a conversation.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The response that it goes on from.
    pub(crate) previous: Option<Box<str>>,
    /// What the client has said, as a JSON array.
    pub(crate) input: Box<[u8]>,
    /// The response.
    pub(crate) response: Box<[u8]>,
}

/// What an entry takes besides its texts, about, bytes.
const ENTRY_BYTES: usize = 256;
/// The cache refuses durations that no clock can add to a moment.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

// === impl Memory ===

impl Memory {
    /// `idle_ttl` is how long a response stays that nobody goes on from; zero is for ever.
    pub(super) fn new(max_bytes: u64, idle_ttl: Duration) -> Self {
        // Least recently used, and not least frequently: that would refuse new responses in favour of old ones.
        let mut cache = Cache::builder()
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|key: &Key, known: &Known| u32::try_from(bytes(key, known)).unwrap_or(u32::MAX))
            .max_capacity(max_bytes);
        if !idle_ttl.is_zero() {
            cache = cache.time_to_idle(idle_ttl.min(LONGEST));
        }
        Self { cache: cache.build(), idle_ttl, secret: RandomState::new() }
    }

    pub(super) fn idle_ttl(&self) -> Duration {
        self.idle_ttl
    }

    pub(super) fn find(&self, owner: Owner, id: &str) -> Option<Known> {
        self.cache.get(&Key { owner, id: id.into() })
    }

    /// Forgets a response that is kept here, and returns whether there was one.
    pub(super) fn forget(&self, owner: Owner, id: &str) -> bool {
        let is_kept = matches!(self.find(owner, id), Some(Known::Kept(_)));
        if is_kept {
            self.cache.invalidate(&Key { owner, id: id.into() });
        }
        is_kept
    }

    /// Returns the turns of the conversation that ends with this one, the first one first; `None` if one has been
    /// forgotten. Looking them up keeps them all.
    pub(super) fn conversation(&self, owner: Owner, last: Arc<Kept>) -> Option<Vec<Arc<Kept>>> {
        let mut turns = vec![last];
        while let Some(previous) = turns.last().and_then(|turn| turn.previous.as_deref()) {
            let Some(Known::Kept(turn)) = self.find(owner, previous) else { return None };
            turns.push(turn);
        }
        turns.reverse();
        Some(turns)
    }

    pub(super) fn put(&self, owner: Owner, id: &str, known: Known) {
        self.cache.insert(Key { owner, id: id.into() }, known);
        // The cache tidies up after a number of entries, whatever their size; the bound is one of bytes.
        self.cache.run_pending_tasks();
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("idle_ttl", &self.idle_ttl).finish_non_exhaustive()
    }
}

fn bytes(key: &Key, known: &Known) -> usize {
    let turn = match known {
        Known::Kept(turn) => {
            turn.input.len() + turn.response.len() + turn.previous.as_ref().map_or(0, |id| id.len())
        }
        Known::At(_) => 0,
    };
    ENTRY_BYTES + key.id.len() + turn
}

// === impl Owner ===

impl Owner {
    pub(super) fn of(headers: &HeaderMap, memory: &Memory) -> Self {
        let value = |name| headers.get(name).map(HeaderValue::as_bytes);
        Self(memory.secret.hash_one((value(AUTHORIZATION), value(X_API_KEY))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(previous: Option<&str>, bytes: usize) -> Known {
        let input = vec![b' '; bytes].into_boxed_slice();
        Known::Kept(Arc::new(Kept { previous: previous.map(Box::from), input, response: Box::default() }))
    }

    fn turns(memory: &Memory, id: &str) -> Option<usize> {
        let Some(Known::Kept(last)) = memory.find(Owner(1), id) else { return None };
        memory.conversation(Owner(1), last).map(|turns| turns.len())
    }

    #[test]
    fn a_conversation_is_all_of_its_turns_or_nothing() {
        let memory = Memory::new(4000, Duration::ZERO);
        memory.put(Owner(1), "a", turn(None, 1000));
        memory.put(Owner(1), "b", turn(Some("a"), 1000));
        assert_eq!((turns(&memory, "a"), turns(&memory, "b")), (Some(1), Some(2)));

        memory.put(Owner(1), "c", turn(None, 1000));
        memory.put(Owner(1), "d", turn(Some("c"), 1000));

        assert_eq!((turns(&memory, "b"), turns(&memory, "d")), (None, Some(2)));
    }

    #[test]
    fn the_bytes_are_bounded_however_large_the_entries() {
        let memory = Memory::new(100_000, Duration::ZERO);

        memory.put(Owner(1), "huge", turn(None, 100_000));
        for n in 0..100 {
            memory.put(Owner(1), &n.to_string(), turn(None, 10_000));
            assert!(memory.cache.weighted_size() <= 100_000);
        }

        assert_eq!((turns(&memory, "huge"), turns(&memory, "99")), (None, Some(1)));
    }

    #[test]
    fn nobody_finds_the_responses_of_another() {
        let memory = Memory::new(4000, Duration::ZERO);
        let with = |name: http::HeaderName, value: &'static str| {
            Owner::of(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]), &memory)
        };
        let owners = [
            Owner::of(&HeaderMap::new(), &memory),
            with(AUTHORIZATION, "a"),
            with(AUTHORIZATION, "b"),
            with(X_API_KEY, "a"),
        ];

        for (n, owner) in owners.iter().enumerate() {
            memory.put(*owner, "resp_1", turn(None, 1));
            assert!(owners[n + 1..].iter().all(|other| memory.find(*other, "resp_1").is_none()));
        }
    }
}

//! Names that go out with every response: kept once and for good.
//!
//! A shared text counts who has it, and where all workers write to that count, each waits for the others.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Returns a text that lasts as long as the process.
///
/// Each text is kept once, however often the configuration is read, and never let go of: this is for names that a
/// configuration gives, which are few, and not for what clients and backends say.
#[must_use]
pub fn lasting(text: &str) -> &'static str {
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    match texts.get(text) {
        Some(known) => known,
        None => {
            let new = Box::leak(Box::from(text));
            texts.insert(new);
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once() {
        let first = lasting("gpu-1");

        assert_eq!((first, lasting("gpu-2")), ("gpu-1", "gpu-2"));
        assert!(std::ptr::eq(first, lasting(&format!("gpu-{}", 1))));
    }
}

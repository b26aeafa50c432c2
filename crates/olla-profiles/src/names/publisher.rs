//! Who publishes a model: `unsloth` in `unsloth/Qwen3-8B`, `meta` for `llama3.2:3b`.

use std::collections::{BTreeMap, BTreeSet};

use super::{family::starts_with_word, written::Written};

/// How names tell the publisher.
#[derive(Debug, Clone, Default)]
pub(super) struct Publishers {
    /// Publishers by the beginning of the model's name.
    pub(super) by_prefix: BTreeMap<Box<str>, Box<str>>,
    /// First parts of names that are no publishers, such as `library`.
    pub(super) not_publishers: BTreeSet<Box<str>>,
}

/// A publisher before a dot, as in `us.anthropic.claude-3-haiku`.
#[derive(Debug)]
pub(super) struct Vendor<'n> {
    name: &'n str,
    /// How much of the name ends with the dot after the vendor.
    pub(super) len_with_dot: usize,
}

// === impl Publishers ===

impl Publishers {
    /// Returns the publisher that a name tells.
    pub(super) fn of(&self, written: &Written<'_>) -> Option<Box<str>> {
        if let Some(owner) = self.owner(written.original()) {
            return Some(owner.into());
        }
        if let Some(vendor) = self.vendor(written.segment()) {
            return Some(vendor.name.into());
        }
        let prefixes = self.by_prefix.iter().filter(|(prefix, _)| starts_with_word(written.bare(), prefix));
        prefixes.max_by_key(|(prefix, _)| prefix.len()).map(|(_, publisher)| publisher.clone())
    }

    /// Returns the publisher that stands before the first dot or the second, if it is a known one.
    pub(super) fn vendor<'n>(&self, segment: &'n str) -> Option<Vendor<'n>> {
        let mut start = 0;
        for (dot, _) in segment.match_indices('.').take(2) {
            let name = segment.get(start..dot)?;
            if self.by_prefix.values().any(|publisher| **publisher == *name) {
                return Some(Vendor { name, len_with_dot: dot + 1 });
            }
            start = dot + 1;
        }
        None
    }

    /// Returns the first part of a name such as `hf.co/unsloth/Qwen3-8B` that is neither a host nor a shelf.
    fn owner<'n>(&self, name: &'n str) -> Option<&'n str> {
        let (path, _) = name.rsplit_once('/')?;
        // The path of a file tells nothing.
        if path.is_empty() || path.starts_with(['/', '.', '~']) || path.contains('\\') {
            return None;
        }
        let is_host = |part: &str| part.contains(['.', ':']);
        path.split('/').find(|part| {
            !part.is_empty() && !is_host(part) && !self.not_publishers.contains(&*part.to_ascii_lowercase())
        })
    }
}

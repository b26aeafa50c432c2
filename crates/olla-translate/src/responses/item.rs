//! What requests and answers have in common: names within namespaces, and seals on thoughts.

use crate::json::Object;

/// A tool that has a namespace, and its one name of both parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespaced {
    pub(crate) flat: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Returns one name for a tool within a namespace.
pub(super) fn flat_name(namespace: &str, name: &str) -> String {
    let joint = if namespace.ends_with("__") { "" } else { "__" };
    [namespace, joint, name].concat()
}

/// What proves that thoughts are the provider's own, as it travels in `encrypted_content`. Only what this proxy
/// has sealed itself is read again: OpenAI's own means nothing to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seal<'s> {
    Signature(&'s str),
    Redacted(&'s str),
}

const SIGNATURE: &str = "olla-signature:";
const REDACTED: &str = "olla-redacted:";

// === impl Seal ===

impl<'s> Seal<'s> {
    pub(super) fn read(sealed: &'s str) -> Option<Self> {
        let signature = sealed.strip_prefix(SIGNATURE).map(Self::Signature);
        signature.or_else(|| sealed.strip_prefix(REDACTED).map(Self::Redacted))
    }

    pub(super) fn write(self, item: &mut Object<'_>) {
        let (prefix, data) = match self {
            Self::Signature(data) => (SIGNATURE, data),
            Self::Redacted(data) => (REDACTED, data),
        };
        item.texts("encrypted_content", [prefix, data]);
    }
}

//! Values that may be of any type, because what stands beside them matters more.

use serde::{Deserialize, Deserializer};

use super::RawValue;

/// A value that counts as absent where it is of another type than it should be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loose<T>(pub(crate) Option<T>);

// === impl Loose ===

impl<T> Default for Loose<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de: 'a, 'a, T: Deserialize<'a>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &'de RawValue = Deserialize::deserialize(deserializer)?;
        // An error would cost an allocation, and this is no error.
        if raw.get() == "null" {
            return Ok(Self(None));
        }
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

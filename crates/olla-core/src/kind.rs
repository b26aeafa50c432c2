//! A backend kind, named by its position in the loaded profiles.

/// Identifies one loaded backend profile; resolved from its YAML name once, at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(u16);

// === impl KindId ===

impl KindId {
    /// Creates an identifier for the profile at `position`.
    #[must_use]
    pub const fn new(position: u16) -> Self {
        Self(position)
    }

    /// Returns the position in the loaded profiles.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

//! Whether a JSON value that arrives in pieces is complete.

/// Follows the brackets of one JSON object or array.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Closing {
    depth: u32,
    begun: bool,
    in_string: bool,
    escaped: bool,
}

// === impl Closing ===

impl Closing {
    /// Reads the next piece and returns how many bytes of it belong to the value; what follows a complete
    /// value does not.
    pub(crate) fn feed(&mut self, piece: &str) -> usize {
        for (at, byte) in piece.bytes().enumerate() {
            if self.is_closed() {
                return at;
            }
            if self.in_string {
                match byte {
                    _ if std::mem::take(&mut self.escaped) => {}
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        piece.len()
    }

    /// Returns whether a value has begun and all of its brackets are closed.
    pub(crate) const fn is_closed(self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}

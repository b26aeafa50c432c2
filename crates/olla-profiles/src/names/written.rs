//! A model's name, taken apart: `hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M` is `qwen3-8b-gguf:q4_k_m` by `unsloth`.

use super::publisher::Publishers;

/// Endings of file names that say nothing of the model itself.
const EXTENSIONS: [&str; 3] = [".gguf", ".safetensors", ".bin"];

/// A name in lower case, with its parts found.
#[derive(Debug)]
pub(super) struct Written<'n> {
    original: &'n str,
    full: String,
    last_segment: usize,
    bare: usize,
    bare_end: usize,
}

// === impl Written ===

impl<'n> Written<'n> {
    pub(super) fn read(name: &'n str, publishers: &Publishers) -> Self {
        let original = name.trim();
        let full = original.to_ascii_lowercase();
        let last_segment = full.rfind(['/', '\\']).map_or(0, |slash| slash + 1);
        let bare_end =
            EXTENSIONS.iter().find_map(|extension| full.strip_suffix(extension)).unwrap_or(&full).len();
        let segment = full.get(last_segment..bare_end).unwrap_or_default();
        let vendor_len = publishers.vendor(segment).map_or(0, |vendor| vendor.len_with_dot);
        Self { original, last_segment, bare: last_segment + vendor_len, bare_end, full }
    }

    /// Returns the name as it was written, without space around it.
    pub(super) fn original(&self) -> &'n str {
        self.original
    }

    /// Returns all of the name, in lower case.
    pub(super) fn full(&self) -> &str {
        &self.full
    }

    /// Returns what follows the last slash, without an extension.
    pub(super) fn segment(&self) -> &str {
        self.full.get(self.last_segment..self.bare_end).unwrap_or_default()
    }

    /// Returns the name of the model itself: no publisher, no vendor, no extension.
    pub(super) fn bare(&self) -> &str {
        self.full.get(self.bare..self.bare_end).unwrap_or_default()
    }
}

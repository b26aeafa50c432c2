//! What the parts of a request body mean: where a prompt has its text, its images and its tools.
//!
//! It must never see more than there is: a request that seems to need what a model lacks is refused. So
//! text counts only where every dialect has some, and an image or a tool only in the shape of one. What is
//! not known counts as nothing.

/// What a body says besides the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The value of `stream`, if that is a boolean.
    pub(crate) stream: Option<bool>,
    /// Whether there are tools or functions.
    pub(crate) tools: bool,
    /// Whether the prompt has images.
    pub(crate) images: bool,
    /// Bytes of text in the prompt, as UTF-8. Names of fields are left out.
    pub(crate) text_bytes: u64,
    /// Bytes of its longest text.
    pub(crate) longest_text: u64,
}

/// What an array or an object is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing that matters, and neither does anything in it.
    #[default]
    Other,
    /// The body.
    Root,
    /// Messages, one of them, or what they consist of.
    Parts,
    /// Something whose every string is text of the prompt.
    Text,
    /// A list of tools.
    Tools,
    /// A list of images.
    Images,
}

/// What a value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Slot {
    #[default]
    Nothing,
    Model,
    Stream,
    /// The id of an earlier response.
    Previous,
    /// A list of tools.
    Tools,
    /// A list of images.
    Images,
    /// The name of what a part is.
    Type,
    /// Text, or parts.
    Prompt,
    /// The way to parts, but no text.
    Way,
    /// Text, or what consists of text.
    Text,
}

/// The longest key or name of a type, in bytes.
pub(super) const LONGEST_WORD: usize = "previous_response_id".len();

// === impl Place ===

impl Place {
    /// Returns what the value of a key is in an object that stands here.
    pub(super) fn slot(self, key: &[u8]) -> Slot {
        match (self, key) {
            (Self::Root, b"model") => Slot::Model,
            (Self::Root, b"stream") => Slot::Stream,
            (Self::Root, b"tools" | b"functions") => Slot::Tools,
            (Self::Root, b"messages" | b"prompt" | b"input" | b"system" | b"instructions") => Slot::Prompt,
            (Self::Root, b"previous_response_id") => Slot::Previous,
            // Ollama has them beside the prompt and in messages.
            (Self::Root | Self::Parts, b"images") => Slot::Images,
            (Self::Parts, b"type") => Slot::Type,
            (Self::Parts, b"content" | b"output") => Slot::Prompt,
            (Self::Parts, b"tool_calls" | b"function") => Slot::Way,
            // What tools were called with: a string in OpenAI's dialect, an object in Ollama's and Anthropic's.
            (Self::Parts, b"text" | b"arguments" | b"input") => Slot::Text,
            _ => Slot::Nothing,
        }
    }
}

// === impl Slot ===

impl Slot {
    /// Returns what an array or an object is that stands here.
    pub(super) fn place(self, is_array: bool) -> Place {
        match self {
            Self::Tools if is_array => Place::Tools,
            Self::Images if is_array => Place::Images,
            Self::Prompt | Self::Way => Place::Parts,
            Self::Text => Place::Text,
            Self::Nothing
            | Self::Model
            | Self::Stream
            | Self::Previous
            | Self::Tools
            | Self::Images
            | Self::Type => Place::Other,
        }
    }
}

// === impl Facts ===

impl Facts {
    /// Counts one text.
    pub(super) fn add_text(&mut self, bytes: u64) {
        self.text_bytes += bytes;
        self.longest_text = self.longest_text.max(bytes);
    }

    /// Notes the type of a part.
    pub(super) fn add_part(&mut self, kind: &[u8]) {
        self.images |= matches!(kind, b"image_url" | b"image" | b"input_image");
    }
}

//! What messages are made of.

use std::{borrow::Cow, fmt};

use crate::json::{Object, Text, is_object};

/// One piece of a message, and where it was found.
#[derive(Debug, Clone)]
pub(crate) struct Block<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) place: Place,
    /// Whether a cache should remember everything up to here.
    pub(crate) cached: bool,
}

/// What a block says.
#[derive(Debug, Clone)]
pub(crate) enum Content<'a> {
    Text(Text<'a>),
    Image {
        source: MediaSource<'a>,
        detail: Option<Text<'a>>,
    },
    Document(Box<Document<'a>>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    /// What the model thought, and the proof that the provider wrote it; empty if there is none.
    Thinking {
        text: Text<'a>,
        signature: Text<'a>,
    },
    /// Thoughts that only the provider can read.
    RedactedThinking(Text<'a>),
    /// A step of a tool that the provider itself runs.
    Hosted(Text<'a>),
    /// A kind of block that the dialect has and nobody else.
    Foreign(Text<'a>),
}

/// Where the bytes of an image or a document are.
#[derive(Debug, Clone)]
pub(crate) enum MediaSource<'a> {
    Base64 { media_type: Text<'a>, data: Text<'a> },
    Url(Text<'a>),
    File(Text<'a>),
}

/// A document to read.
#[derive(Debug, Clone)]
pub(crate) struct Document<'a> {
    pub(crate) source: DocumentSource<'a>,
    pub(crate) title: Option<Text<'a>>,
    pub(crate) context: Option<Text<'a>>,
}

/// The contents of a document.
#[derive(Debug, Clone)]
pub(crate) enum DocumentSource<'a> {
    Media(MediaSource<'a>),
    Text(Text<'a>),
    Blocks(Vec<Block<'a>>),
}

/// The model calls a tool.
#[derive(Debug, Clone)]
pub(crate) struct ToolUse<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) name: Text<'a>,
    /// JSON as the model wrote it, which need not be valid; the text itself of a free-form tool.
    pub(crate) input: Text<'a>,
    pub(crate) kind: ToolKind,
}

/// What a call of a tool takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ToolKind {
    /// A JSON object.
    #[default]
    Function,
    /// Any text.
    Freeform,
}

/// What a tool answered.
#[derive(Debug, Clone)]
pub(crate) struct ToolResult<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) content: Vec<Block<'a>>,
    pub(crate) is_error: bool,
}

/// Where in a request something is, for the message that it cannot be expressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) list: &'static str,
    pub(crate) message: usize,
    pub(crate) block: Option<usize>,
    pub(crate) inner: Option<usize>,
}

// === impl Block ===

impl<'a> Block<'a> {
    /// Makes a block of a content that was found here.
    pub(crate) const fn new(content: Content<'a>, place: Place) -> Self {
        Self { content, place, cached: false }
    }

    /// Returns the text of a text block.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }
}

// === impl Content ===

impl Content<'_> {
    /// Returns what people call it, for errors.
    pub(crate) fn noun(&self) -> Cow<'_, str> {
        match self {
            Self::Text(_) => "text".into(),
            Self::Image { .. } => "image".into(),
            Self::Document(_) => "document".into(),
            Self::ToolUse(_) => "tool call".into(),
            Self::ToolResult(_) => "tool result".into(),
            Self::Thinking { .. } => "thinking".into(),
            Self::RedactedThinking(_) => "redacted thinking".into(),
            Self::Hosted(kind) | Self::Foreign(kind) => Cow::Borrowed(&**kind),
        }
    }
}

// === impl ToolUse ===

impl ToolUse<'_> {
    /// Writes the input, which has to be an object whatever the model wrote.
    pub(crate) fn write_input(&self, key: &str, wire: &mut Object<'_>) {
        match self.kind {
            ToolKind::Freeform => {
                wire.object(key).text("input", &self.input);
            }
            ToolKind::Function if is_object(&self.input) => {
                wire.json(key, &self.input);
            }
            ToolKind::Function if self.input.trim().is_empty() => {
                wire.json(key, "{}");
            }
            // The tool will refuse it, and the model see what it has written.
            ToolKind::Function => {
                wire.object(key).text("_invalid_arguments", &self.input);
            }
        }
    }
}

// === impl Place ===

impl Place {
    /// Returns the place of a message.
    pub(crate) const fn message(list: &'static str, message: usize) -> Self {
        Self { list, message, block: None, inner: None }
    }

    /// Returns the place of a block within this message, or within this block.
    pub(crate) const fn child(mut self, at: usize) -> Self {
        match self.block {
            None => self.block = Some(at),
            Some(_) => self.inner = Some(at),
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.list, self.message)?;
        if let Some(block) = self.block {
            write!(f, ".content[{block}]")?;
        }
        if let Some(inner) = self.inner {
            write!(f, ".content[{inner}]")?;
        }
        Ok(())
    }
}

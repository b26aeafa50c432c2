//! Content blocks of requests and answers.

use crate::{
    canonical::{
        Block, Content, Document, DocumentSource, MediaSource, Place, ToolKind, ToolResult, ToolUse,
    },
    json::{RawValue, Text, TextOrList, lenient, record},
};

/// Content: a text, or blocks, or one block without the list.
pub(crate) type WireContent<'a> = TextOrList<'a, WireBlock<'a>>;

record! {
    /// A block of any type.
    struct WireBlock<'a> {
        kind: Option<Text<'a>> = "type",
        text: Option<Text<'a>> = "text",
        source: Option<&'a RawValue> = "source",
        title: Option<Text<'a>> = "title",
        context: Option<Text<'a>> = "context",
        citations: Option<&'a RawValue> = "citations",
        id: Option<Text<'a>> = "id",
        name: Option<Text<'a>> = "name",
        tool_name: Option<Text<'a>> = "tool_name",
        input: Option<&'a RawValue> = "input",
        tool_use_id: Option<Text<'a>> = "tool_use_id",
        content: WireContent<'a> = "content",
        is_error: Option<bool> = "is_error",
        thinking: Option<Text<'a>> = "thinking",
        signature: Option<Text<'a>> = "signature",
        data: Option<Text<'a>> = "data",
        cache_control: Option<&'a RawValue> = "cache_control",
    }
}

record! {
    /// Where an image or a document is.
    struct WireSource<'a> {
        kind: Option<Text<'a>> = "type",
        media_type: Option<Text<'a>> = "media_type",
        data: Option<Text<'a>> = "data",
        url: Option<Text<'a>> = "url",
        file_id: Option<Text<'a>> = "file_id",
        content: WireContent<'a> = "content",
    }
}

// === impl WireContent ===

impl<'a> TextOrList<'a, WireBlock<'a>> {
    /// Returns the blocks of a content that is in this message or block.
    pub(crate) fn read(self, place: Place) -> Vec<Block<'a>> {
        match self {
            Self::Absent => vec![],
            Self::Text(text) => vec![Block::new(Content::Text(text), place)],
            Self::List(blocks) => {
                let numbered = blocks.into_iter().enumerate();
                numbered.map(|(at, block)| block.read(place.child(at))).collect()
            }
        }
    }
}

// === impl WireBlock ===

impl<'a> WireBlock<'a> {
    /// Reads the block that is here.
    pub(crate) fn read(self, place: Place) -> Block<'a> {
        let cached = self.cache_control.is_some();
        Block { content: self.content(place), place, cached }
    }

    fn content(self, place: Place) -> Content<'a> {
        let kind = self.kind.unwrap_or_default();
        match &*kind {
            "text" => Content::Text(self.text.unwrap_or_default()),
            "image" => match lenient::<WireSource<'a>>(self.source).and_then(WireSource::media) {
                Some(source) => Content::Image { source, detail: None },
                None => Content::Foreign("image without a source".into()),
            },
            "document" => match lenient::<WireSource<'a>>(self.source).and_then(|s| s.document(place)) {
                Some(source) => {
                    Content::Document(Box::new(Document { source, title: self.title, context: self.context }))
                }
                None => Content::Foreign("document without a source".into()),
            },
            "search_result" => {
                let title = [self.title, lenient(self.source)].into_iter().flatten();
                let title: Vec<_> = title.map(Text::into_owned).collect();
                let source = DocumentSource::Blocks(self.content.read(place));
                let title = Some(title.join(" ").into());
                Content::Document(Box::new(Document { source, title, context: None }))
            }
            "tool_use" => Content::ToolUse(ToolUse {
                id: self.id.unwrap_or_default(),
                name: self.name.unwrap_or_default(),
                input: self.input.map_or("{}", RawValue::get).into(),
                kind: ToolKind::Function,
            }),
            "tool_result" => Content::ToolResult(ToolResult {
                id: self.tool_use_id.unwrap_or_default(),
                content: self.content.read(place),
                is_error: self.is_error.unwrap_or(false),
            }),
            "tool_reference" => {
                let name = self.tool_name.unwrap_or_default();
                Content::Text(format!("The tool {} can be called from now on.", &*name).into())
            }
            "thinking" => Content::Thinking {
                text: self.thinking.unwrap_or_default(),
                signature: self.signature.unwrap_or_default(),
            },
            "redacted_thinking" => Content::RedactedThinking(self.data.unwrap_or_default()),
            "server_tool_use" | "mcp_tool_use" => Content::Hosted(kind),
            other if other.ends_with("_tool_result") => Content::Hosted(kind),
            _ => Content::Foreign(kind),
        }
    }
}

// === impl WireSource ===

impl<'a> WireSource<'a> {
    fn media(self) -> Option<MediaSource<'a>> {
        match self.kind.as_deref() {
            Some("base64") => Some(MediaSource::Base64 {
                media_type: self.media_type.unwrap_or_default(),
                data: self.data?,
            }),
            Some("url") => self.url.map(MediaSource::Url),
            Some("file") => self.file_id.map(MediaSource::File),
            _ => None,
        }
    }

    fn document(self, place: Place) -> Option<DocumentSource<'a>> {
        match self.kind.as_deref() {
            Some("text") => self.data.map(DocumentSource::Text),
            Some("content") => Some(DocumentSource::Blocks(self.content.read(place))),
            _ => self.media().map(DocumentSource::Media),
        }
    }
}

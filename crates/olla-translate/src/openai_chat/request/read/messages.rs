//! Reads the messages of a chat.

use super::tools::{WireCall, WireFunctionCall};
use crate::{
    Untranslatable,
    canonical::{
        Block, Content, Document, DocumentSource, MediaSource, Place, Role, ToolResult, ToolUse, Turn,
    },
    json::{Items, RawValue, Text, TextOrList, record},
};

record! {
    /// A message of any role.
    struct WireMessage<'a> {
        role: Option<Text<'a>> = "role",
        content: WireContent<'a> = "content",
        refusal: Option<Text<'a>> = "refusal",
        reasoning_content: Option<Text<'a>> = "reasoning_content",
        reasoning: Option<Text<'a>> = "reasoning",
        thinking_blocks: Items<WireThought<'a>> = "thinking_blocks",
        tool_calls: Items<WireCall<'a>> = "tool_calls",
        tool_call_id: Option<Text<'a>> = "tool_call_id",
        function_call: Option<WireFunctionCall<'a>> = "function_call",
        cache_control: Option<&'a RawValue> = "cache_control",
        audio: Option<&'a RawValue> = "audio",
    }
}

record! {
    /// A thought with the provider's signature, as gateways carry it.
    struct WireThought<'a> {
        thinking: Option<Text<'a>> = "thinking",
        signature: Option<Text<'a>> = "signature",
        data: Option<Text<'a>> = "data",
    }
}

record! {
    /// A part of a message.
    struct WirePart<'a> {
        kind: Option<Text<'a>> = "type",
        text: Option<Text<'a>> = "text",
        refusal: Option<Text<'a>> = "refusal",
        image_url: Option<WireImage<'a>> = "image_url",
        file: Option<WireFile<'a>> = "file",
        cache_control: Option<&'a RawValue> = "cache_control",
    }
}

record! {
    /// An image.
    struct WireImage<'a> {
        url: Option<Text<'a>> = "url",
        detail: Option<Text<'a>> = "detail",
    }
}

record! {
    /// A file.
    struct WireFile<'a> {
        filename: Option<Text<'a>> = "filename",
        file_data: Option<Text<'a>> = "file_data",
        file_id: Option<Text<'a>> = "file_id",
    }
}

/// Content: a text, or parts.
type WireContent<'a> = TextOrList<'a, WirePart<'a>>;

/// The messages of the system at the beginning, and the turns after them.
type Conversation<'a> = (Vec<Block<'a>>, Vec<Turn<'a>>);

/// Reads the messages.
pub(super) fn read(messages: Vec<WireMessage<'_>>) -> Result<Conversation<'_>, Untranslatable> {
    let (mut system, mut turns) = (vec![], Vec::with_capacity(messages.len()));
    for (at, message) in messages.into_iter().enumerate() {
        let place = Place::message("messages", at);
        match message.role.as_deref() {
            Some("system" | "developer") if turns.is_empty() => system.extend(message.content.read(place)),
            Some("system" | "developer") => {
                turns.push(Turn { role: Role::System, blocks: message.content.read(place), place });
            }
            Some("user") => turns.push(Turn { role: Role::User, blocks: message.content.read(place), place }),
            Some("assistant") => turns.push(message.assistant(place)),
            Some("tool" | "function") => turns.push(message.tool(place)),
            Some(other) => {
                let why =
                    format_args!("role must be system, developer, user, assistant or tool, not {other:?}");
                return Err(Untranslatable::malformed(place, why));
            }
            None => return Err(Untranslatable::malformed(place, "role: field required")),
        }
    }
    Ok((system, turns))
}

/// Returns whether a cache should remember something, as gateways to Anthropic are asked.
pub(super) fn are_cached(messages: &[WireMessage<'_>]) -> bool {
    let has_mark = |content: &WireContent<'_>| match content {
        WireContent::List(parts) => parts.iter().any(|part| part.cache_control.is_some()),
        WireContent::Absent | WireContent::Text(_) => false,
    };
    messages.iter().any(|message| message.cache_control.is_some() || has_mark(&message.content))
}

// === impl WireMessage ===

impl<'a> WireMessage<'a> {
    fn assistant(self, place: Place) -> Turn<'a> {
        let mut blocks = thoughts(self.thinking_blocks.0, self.reasoning_content.or(self.reasoning), place);
        blocks.extend(self.content.read(place));
        blocks.extend(self.refusal.map(|text| Block::new(Content::Text(text), place)));
        blocks.extend(self.audio.map(|_| Block::new(Content::Foreign("audio".into()), place)));
        // The older way to call a tool has no ids. There is never more than one call at a time.
        let old = self.function_call.map(|call| call.read("call".into()));
        let calls = self.tool_calls.0.into_iter().map(WireCall::read).chain(old);
        blocks.extend(calls.map(|call: ToolUse<'a>| Block::new(Content::ToolUse(call), place)));
        Turn { role: Role::Assistant, blocks, place }
    }

    fn tool(self, place: Place) -> Turn<'a> {
        let result = ToolResult {
            id: self.tool_call_id.unwrap_or_else(|| "call".into()),
            content: self.content.read(place),
            is_error: false,
        };
        Turn { role: Role::User, blocks: vec![Block::new(Content::ToolResult(result), place)], place }
    }
}

/// Thoughts with signatures, or without. Where a stream has told them apart, the text is missing beside the
/// signature.
fn thoughts<'a>(signed: Vec<WireThought<'a>>, mut plain: Option<Text<'a>>, place: Place) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    for thought in signed {
        let content = match thought.data {
            Some(data) => Content::RedactedThinking(data),
            None => {
                let text = thought.thinking.filter(|text| !text.is_empty());
                let text = text.or_else(|| plain.take()).unwrap_or_default();
                Content::Thinking { text, signature: thought.signature.unwrap_or_default() }
            }
        };
        blocks.push(Block::new(content, place));
    }
    let told = blocks.iter().any(|block| matches!(block.content, Content::Thinking { .. }));
    if let Some(text) = plain.filter(|text| !told && !text.is_empty()) {
        blocks.push(Block::new(Content::Thinking { text, signature: Text::default() }, place));
    }
    blocks
}

// === impl WireContent ===

impl<'a> TextOrList<'a, WirePart<'a>> {
    fn read(self, place: Place) -> Vec<Block<'a>> {
        match self {
            Self::Absent => vec![],
            Self::Text(text) => vec![Block::new(Content::Text(text), place)],
            Self::List(parts) => {
                let numbered = parts.into_iter().enumerate();
                numbered.map(|(at, part)| Block::new(part.read(), place.child(at))).collect()
            }
        }
    }
}

// === impl WirePart ===

impl<'a> WirePart<'a> {
    fn read(self) -> Content<'a> {
        let kind = self.kind.unwrap_or_default();
        match (&*kind, self.image_url, self.file) {
            ("text", ..) => Content::Text(self.text.unwrap_or_default()),
            ("refusal", ..) => Content::Text(self.refusal.unwrap_or_default()),
            ("image_url", Some(WireImage { url: Some(url), detail, .. }), _) => {
                Content::Image { source: media(url), detail }
            }
            ("file", _, Some(WireFile { filename, file_data: Some(data), .. })) => {
                document(filename, media(data))
            }
            ("file", _, Some(WireFile { filename, file_id: Some(id), .. })) => {
                document(filename, MediaSource::File(id))
            }
            _ => Content::Foreign(kind),
        }
    }
}

fn document<'a>(title: Option<Text<'a>>, source: MediaSource<'a>) -> Content<'a> {
    let source = DocumentSource::Media(source);
    Content::Document(Box::new(Document { source, title, context: None }))
}

/// Reads a URL that may hold the bytes themselves: `data:image/png;base64,…`.
pub(crate) fn media(url: Text<'_>) -> MediaSource<'_> {
    let inline = |url: &str| {
        let (head, _) = url.split_once(',')?;
        let media_type = head.strip_prefix("data:")?.strip_suffix(";base64")?;
        Some((5..5 + media_type.len(), head.len() + 1))
    };
    let Some((media_type, data)) = inline(&url) else { return MediaSource::Url(url) };
    match url.0 {
        std::borrow::Cow::Borrowed(url) => MediaSource::Base64 {
            media_type: url.get(media_type).unwrap_or_default().into(),
            data: url.get(data..).unwrap_or_default().into(),
        },
        std::borrow::Cow::Owned(url) => MediaSource::Base64 {
            media_type: url.get(media_type).unwrap_or_default().to_owned().into(),
            data: url.get(data..).unwrap_or_default().to_owned().into(),
        },
    }
}

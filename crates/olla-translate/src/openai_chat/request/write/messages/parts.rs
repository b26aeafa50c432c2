//! What a user's message is made of.

use std::borrow::Cow;

use crate::{
    Format, Untranslatable,
    canonical::{Block, Content, Document, DocumentSource, MediaSource, Place},
    json::Object,
    notes::Notes,
};

/// A part of a message.
#[derive(Debug)]
pub(super) enum Part<'r> {
    Text(Cow<'r, str>),
    Image { source: &'r MediaSource<'r>, detail: Option<&'r str> },
    File { name: &'r str, media_type: &'r str, data: &'r str },
}

/// Puts an empty line between texts.
pub(super) fn joined<'t>(texts: &'t [&'t str]) -> impl Iterator<Item = &'t str> {
    texts.iter().enumerate().flat_map(|(at, text)| [if at == 0 { "" } else { "\n\n" }, *text])
}

// === impl Part ===

impl<'r> Part<'r> {
    /// Appends the parts that say what a block says.
    pub(super) fn read(
        block: &'r Block<'_>,
        notes: &mut Notes<'_>,
        parts: &mut Vec<Part<'r>>,
    ) -> Result<(), Untranslatable> {
        match &block.content {
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) => parts.push(Part::Text(Cow::Borrowed(text))),
            Content::Image { source: MediaSource::File(_), .. } => {
                return Err(stored(block.place, "an image that is stored at the provider"));
            }
            Content::Image { source, detail } if notes.abilities.images => {
                parts.push(Part::Image { source, detail: detail.as_deref() });
            }
            Content::Document(document) => Self::document(document, block, notes, parts)?,
            Content::Hosted(kind) => notes.dropped.note(kind.to_string()),
            Content::Image { .. } => return Err(Untranslatable::unseen(block.place, Format::Chat)),
            Content::ToolUse(_)
            | Content::ToolResult(_)
            | Content::Thinking { .. }
            | Content::RedactedThinking(_)
            | Content::Foreign(_) => {
                return Err(Untranslatable::block(&block.content, block.place, Format::Chat));
            }
        }
        Ok(())
    }

    fn document(
        document: &'r Document<'_>,
        block: &'r Block<'_>,
        notes: &mut Notes<'_>,
        parts: &mut Vec<Part<'r>>,
    ) -> Result<(), Untranslatable> {
        match &document.source {
            DocumentSource::Text(text) => parts.push(Part::Text(described(document, text))),
            DocumentSource::Blocks(blocks) => {
                let described = described(document, "");
                if !described.is_empty() {
                    parts.push(Part::Text(described.trim_end().to_owned().into()));
                }
                for block in blocks {
                    Self::read(block, notes, parts)?;
                }
            }
            DocumentSource::Media(MediaSource::Base64 { media_type, data }) if notes.abilities.files => {
                let name = document.title.as_deref().unwrap_or("document.pdf");
                parts.push(Part::File { name, media_type, data });
            }
            DocumentSource::Media(MediaSource::Base64 { .. }) => {
                return Err(Untranslatable::block(&block.content, block.place, Format::Chat));
            }
            DocumentSource::Media(MediaSource::Url(_)) => {
                return Err(stored(block.place, "a document by its URL"));
            }
            DocumentSource::Media(MediaSource::File(_)) => {
                return Err(stored(block.place, "a document that is stored at the provider"));
            }
        }
        Ok(())
    }

    /// Returns the text of a text part.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Part::Text(text) => Some(text),
            Part::Image { .. } | Part::File { .. } => None,
        }
    }

    /// Writes `content`: a string where there is nothing but text, which every server takes.
    pub(super) fn write(parts: &[Part<'_>], message: &mut Object<'_>) {
        let texts: Vec<&str> = parts.iter().filter_map(Part::as_text).collect();
        if texts.len() == parts.len() {
            message.texts("content", joined(&texts));
            return;
        }
        let mut list = message.array("content");
        for part in parts {
            let mut wire = list.object();
            match part {
                Part::Text(text) => {
                    wire.text("type", "text").text("text", text);
                }
                Part::Image { source, detail } => {
                    wire.text("type", "image_url");
                    let mut image = wire.object("image_url");
                    match source {
                        MediaSource::Base64 { media_type, data } => {
                            image.texts("url", ["data:", media_type, ";base64,", data]);
                        }
                        MediaSource::Url(url) | MediaSource::File(url) => {
                            image.text("url", url);
                        }
                    }
                    if let Some(detail) = detail {
                        image.text("detail", detail);
                    }
                }
                Part::File { name, media_type, data } => {
                    wire.text("type", "file");
                    let mut file = wire.object("file");
                    file.text("filename", name);
                    file.texts("file_data", ["data:", media_type, ";base64,", data]);
                }
            }
        }
    }
}

fn stored(place: Place, what: &str) -> Untranslatable {
    Untranslatable::Inexpressible {
        path: place.to_string(),
        what: what.to_owned(),
        backend: Format::Chat,
        hint: " (send its bytes as base64)",
    }
}

/// A document as text: its title and context first.
fn described<'r>(document: &'r Document<'_>, text: &'r str) -> Cow<'r, str> {
    let mut described = String::new();
    for (label, value) in [("Document", &document.title), ("Context", &document.context)] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            for piece in [label, ": ", value, "\n"] {
                described.push_str(piece);
            }
        }
    }
    if described.is_empty() {
        return Cow::Borrowed(text);
    }
    described.push_str(text);
    Cow::Owned(described)
}

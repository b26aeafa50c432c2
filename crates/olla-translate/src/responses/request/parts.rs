//! Reads the parts of a message, of an output and of thoughts.

use crate::{
    canonical::{Block, Content, Document, DocumentSource, MediaSource, Place},
    json::{Text, TextOrList, record},
    openai_chat::media,
};

/// Content: a text, or parts.
pub(super) type WireContent<'a> = TextOrList<'a, WirePart<'a>>;

record! {
    /// A part of any type.
    struct WirePart<'a> {
        kind: Option<Text<'a>> = "type",
        text: Option<Text<'a>> = "text",
        refusal: Option<Text<'a>> = "refusal",
        image_url: Option<Text<'a>> = "image_url",
        detail: Option<Text<'a>> = "detail",
        filename: Option<Text<'a>> = "filename",
        file_data: Option<Text<'a>> = "file_data",
        file_url: Option<Text<'a>> = "file_url",
        file_id: Option<Text<'a>> = "file_id",
    }
}

// === impl WireContent ===

impl<'a> TextOrList<'a, WirePart<'a>> {
    /// Returns the blocks of a content that is here.
    pub(super) fn read(self, place: Place) -> Vec<Block<'a>> {
        match self {
            Self::Absent => vec![],
            Self::Text(text) => vec![Block::new(Content::Text(text), place)],
            Self::List(parts) => {
                let numbered = parts.into_iter().enumerate();
                numbered.map(|(at, part)| Block::new(part.read(), place.child(at))).collect()
            }
        }
    }

    /// Returns the texts alone.
    pub(super) fn texts(self) -> Vec<Text<'a>> {
        match self {
            Self::Absent => vec![],
            Self::Text(text) => vec![text],
            Self::List(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

// === impl WirePart ===

impl<'a> WirePart<'a> {
    fn read(self) -> Content<'a> {
        let kind = self.kind.unwrap_or_default();
        match &*kind {
            "input_text" | "output_text" | "text" | "summary_text" => {
                Content::Text(self.text.unwrap_or_default())
            }
            "refusal" => Content::Text(self.refusal.unwrap_or_default()),
            "input_image" => match (self.image_url, self.file_id) {
                (Some(url), _) => Content::Image { source: media(url), detail: self.detail },
                (None, Some(file)) => Content::Image { source: MediaSource::File(file), detail: self.detail },
                (None, None) => Content::Foreign(kind),
            },
            "input_file" => {
                let source = match (self.file_data, self.file_url, self.file_id) {
                    (Some(data), ..) => media(data),
                    (None, Some(url), _) => MediaSource::Url(url),
                    (None, None, Some(file)) => MediaSource::File(file),
                    (None, None, None) => return Content::Foreign(kind),
                };
                let source = DocumentSource::Media(source);
                Content::Document(Box::new(Document { source, title: self.filename, context: None }))
            }
            _ => Content::Foreign(kind),
        }
    }
}

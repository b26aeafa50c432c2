//! The dialects, and the media types of their streams.

use std::fmt;

const EVENT_STREAM: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";

/// The API family that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's API and the many servers that imitate it.
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Ollama's native API.
    Ollama,
}

/// Returns whether a `Content-Type` value announces a stream of events or lines.
#[must_use]
pub fn is_stream(content_type: &str) -> bool {
    let content_type = content_type.trim_ascii_start();
    [EVENT_STREAM, NDJSON, "application/ndjson"].iter().any(|stream| {
        let Some((media_type, rest)) = content_type.split_at_checked(stream.len()) else { return false };
        media_type.eq_ignore_ascii_case(stream)
            && matches!(rest.trim_ascii_start().as_bytes(), [] | [b';', ..])
    })
}

// === impl Dialect ===

impl Dialect {
    /// Returns the proper name, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Anthropic => "Anthropic",
            Self::Ollama => "Ollama",
        }
    }

    /// Returns the `Content-Type` of a streamed answer.
    #[must_use]
    pub const fn stream_content_type(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic => EVENT_STREAM,
            Self::Ollama => NDJSON,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_from_whole_answers() {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama] {
            assert!(is_stream(dialect.stream_content_type()), "{dialect}");
        }
        assert!(is_stream("Text/Event-Stream ; charset=utf-8"));

        for whole in ["application/json", "", "text/plain; x=text/event-stream", "text/event-streams"] {
            assert!(!is_stream(whole), "{whole}");
        }
    }
}

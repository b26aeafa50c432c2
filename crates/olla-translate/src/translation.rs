//! From one format into another: the request there, the answer back.
//!
//! This is the one place that lists the readers and writers of all formats.

#[cfg(test)]
mod mesh;
mod response;
mod stream;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{
    Abilities, Dropped, Format, Stamp, Untranslatable, anthropic,
    asked::Asked,
    canonical::{Request, Tool, ToolSort},
    freeform::Freeform,
    notes::Notes,
    ollama, openai_chat, responses, tokens,
};

pub use response::ResponseTranslator;
pub use stream::{Outcome, StreamTranslator};

/// A pair of formats.
///
/// ```
/// use olla_translate::{Abilities, Format, Stamp, Translation};
///
/// let body = br#"{"model":"llama3","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}"#;
/// let translation = Translation::between(Format::Messages, Format::Chat).expect("there is one");
/// let request = translation.plan(body, &Abilities::default(), Stamp::default())?;
///
/// assert_eq!(
///     request.body,
///     r#"{"model":"llama3","messages":[{"role":"user","content":"Hi"}],"max_tokens":100,"stream":false}"#
/// );
/// # Ok::<(), olla_translate::Untranslatable>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    client: Format,
    backend: Backend,
}

/// The formats that requests are translated into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Messages,
    Chat,
}

/// A request in the backend's format.
#[derive(Debug)]
#[non_exhaustive]
pub struct TranslatedRequest {
    /// The body.
    pub body: Bytes,
    /// Whether the answer will be a stream.
    pub stream: bool,
    /// What was left out or changed, without harm.
    pub dropped: Dropped,
    /// What turns the answer back.
    pub response: ResponseTranslator,
}

// === impl Backend ===

impl Backend {
    const fn format(self) -> Format {
        match self {
            Self::Messages => Format::Messages,
            Self::Chat => Format::Chat,
        }
    }
}

// === impl Translation ===

impl Translation {
    /// Returns the translation for a client and a backend of these formats; `None` if requests are not
    /// translated into the backend's.
    #[must_use]
    pub const fn between(client: Format, backend: Format) -> Option<Self> {
        match backend {
            Format::Messages => Some(Self { client, backend: Backend::Messages }),
            Format::Chat => Some(Self { client, backend: Backend::Chat }),
            Format::Responses | Format::OllamaChat | Format::OllamaGenerate => None,
        }
    }

    /// Translates the body of a request. The model keeps its name.
    ///
    /// # Errors
    ///
    /// If the body is not well-formed, or says something that the backend's format cannot express: the error
    /// names the place, and is the client's 400.
    pub fn plan(
        self,
        body: &[u8],
        abilities: &Abilities,
        stamp: Stamp,
    ) -> Result<TranslatedRequest, Untranslatable> {
        let body = utf8(body)?;
        let mut request = read(self.client, body)?;
        let abilities = abilities.suiting(&request.model);
        let mut notes = Notes::new(&abilities);
        request.lost.drain(..).for_each(|what| notes.dropped.note(what));
        if !abilities.thinks
            && let Some(lost) = request.reasoning.give_up()
        {
            notes.dropped.note(format!("{lost} (this model does not think)"));
        }
        let mut out = BytesMut::with_capacity(body.len() + body.len() / 8 + 256);
        write(self.backend, &request, &mut notes, &mut out)?;
        let prompt_tokens = tokens::of_request(&request);
        let is_freeform = |tool: &&Tool<'_>| matches!(tool.sort, ToolSort::Freeform { .. });
        let freeform = request.tools.iter().filter(is_freeform);
        let freeform = freeform.map(|tool| notes.names.outward(&tool.name).into_owned()).collect();
        let asked = Asked {
            model: request.model.to_string(),
            stamp,
            names: notes.names,
            namespaces: request.namespaces,
            prompt_tokens,
            stream_usage: request.stream_usage,
            kept: false,
            previous: None,
            echo: if self.client == Format::Responses { responses::echo(body) } else { Bytes::new() },
            elapsed: Duration::ZERO,
        };
        Ok(TranslatedRequest {
            body: out.freeze(),
            stream: request.stream,
            dropped: notes.dropped,
            response: ResponseTranslator::new(self, asked, Freeform::new(freeform)),
        })
    }
}

/// Returns about how many tokens the prompt of a request has: within 15 % of what tokenizers of today count, for
/// text of most kinds. The request need not say how long the answer may be.
///
/// # Errors
///
/// If the body is not well-formed.
pub fn estimate_tokens(format: Format, body: &[u8]) -> Result<u64, Untranslatable> {
    let body = utf8(body)?;
    let request = match format {
        Format::Messages => anthropic::read_prompt(body),
        Format::Chat => openai_chat::read_request(body),
        Format::Responses => responses::read_request(body),
        Format::OllamaChat => ollama::read_chat(body),
        Format::OllamaGenerate => ollama::read_generate(body),
    };
    request.map(|request| tokens::count(&request))
}

fn utf8(body: &[u8]) -> Result<&str, Untranslatable> {
    str::from_utf8(body).map_err(|_| Untranslatable::Malformed("the body is not UTF-8".into()))
}

fn read(format: Format, body: &str) -> Result<Request<'_>, Untranslatable> {
    match format {
        Format::Messages => anthropic::read_request(body),
        Format::Chat => openai_chat::read_request(body),
        Format::Responses => responses::read_request(body),
        Format::OllamaChat => ollama::read_chat(body),
        Format::OllamaGenerate => ollama::read_generate(body),
    }
}

fn write(
    backend: Backend,
    request: &Request<'_>,
    notes: &mut Notes<'_>,
    out: &mut BytesMut,
) -> Result<(), Untranslatable> {
    match backend {
        Backend::Messages => anthropic::write_request(request, notes, out),
        Backend::Chat => openai_chat::write_request(request, notes, out),
    }
}

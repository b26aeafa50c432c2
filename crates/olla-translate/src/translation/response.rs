//! The answer, in the format of the client.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Backend, StreamTranslator, Translation, stream::Writer};
use crate::{
    Format, Unreadable, anthropic,
    asked::Asked,
    backend_error::BackendError,
    canonical::{Content, Response},
    freeform::Freeform,
    json::whole_characters,
    ollama, openai_chat, responses,
};

/// Turns the answer of a backend into the format of the client.
#[derive(Debug, Clone)]
pub struct ResponseTranslator {
    pair: Translation,
    asked: Asked,
    freeform: Freeform,
}

// === impl ResponseTranslator ===

impl ResponseTranslator {
    pub(super) const fn new(pair: Translation, asked: Asked, freeform: Freeform) -> Self {
        Self { pair, asked, freeform }
    }

    /// Tells how long ago the request was sent. Clients of Ollama are told durations; others do not need it.
    pub const fn tick(&mut self, elapsed: Duration) {
        self.asked.elapsed = elapsed;
    }

    /// Tells a client of Responses that its answer is kept, and what it goes on from.
    pub fn keep(&mut self, previous: Option<&str>) {
        (self.asked.kept, self.asked.previous) = (true, previous.map(Box::from));
    }

    /// Returns whether the answer is to be kept.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.asked.kept
    }

    /// Returns the id that the answer has for a client of Responses.
    #[must_use]
    pub fn response_id(&self) -> String {
        responses::id(&self.asked)
    }

    /// Translates a whole answer.
    ///
    /// # Errors
    ///
    /// If it is not an answer of the backend's format: a 502.
    pub fn whole(&self, body: &[u8]) -> Result<Bytes, Unreadable> {
        let text = String::from_utf8_lossy(body);
        let text = whole_characters(&text);
        let response = self.read(&text)?;
        let mut out = BytesMut::with_capacity(body.len() + body.len() / 4 + 256);
        match self.pair.client {
            Format::Messages => anthropic::write_response(&response, &self.asked, &mut out),
            Format::Chat => openai_chat::write_response(&response, &self.asked, &mut out),
            Format::Responses => responses::write_response(&response, &self.asked, &mut out),
            Format::OllamaChat => ollama::write_response(&response, &self.asked, ollama::Api::Chat, &mut out),
            Format::OllamaGenerate => {
                ollama::write_response(&response, &self.asked, ollama::Api::Generate, &mut out);
            }
        }
        Ok(out.freeze())
    }

    /// Translates a whole answer into a stream, for a backend that does not stream though it was asked to.
    ///
    /// # Errors
    ///
    /// If it is not an answer of the backend's format: a 502.
    pub fn whole_as_stream(&self, body: &[u8]) -> Result<Bytes, Unreadable> {
        let text = String::from_utf8_lossy(body);
        let text = whole_characters(&text);
        let response = self.read(&text)?;
        let mut out = BytesMut::with_capacity(2 * body.len() + 1024);
        let mut writer = Writer::new(self.pair.client, self.asked.clone());
        response.replay(&mut |event| writer.write(&event, &mut out));
        Ok(out.freeze())
    }

    /// Translates an error that the backend answered with, and returns it with the status for the client.
    ///
    /// The status is the backend's own. What the backend said is kept, whatever its shape.
    #[must_use]
    pub fn error(&self, status: u16, body: &[u8]) -> (u16, Bytes) {
        BackendError::read(&String::from_utf8_lossy(body)).tell(status, self.pair.client.dialect())
    }

    /// Begins to translate a stream.
    #[must_use]
    pub fn stream(self) -> StreamTranslator {
        StreamTranslator::new(self.pair, self.asked, self.freeform)
    }

    fn read<'b>(&self, body: &'b str) -> Result<Response<'b>, Unreadable> {
        let body = body.trim_start_matches('\u{feff}');
        let mut response = match self.pair.backend {
            Backend::Messages => anthropic::read_response(body),
            Backend::Chat => openai_chat::read_response(body),
        }?;
        let calls = response.blocks.iter_mut().filter_map(|block| match block {
            Content::ToolUse(call) => Some(call),
            _ => None,
        });
        for (number, call) in (1..).zip(calls) {
            if call.name.is_empty() {
                let expected = self.pair.backend.format().as_str();
                return Err(Unreadable::Malformed {
                    expected,
                    reason: "it calls a tool without a name".into(),
                });
            }
            if call.id.is_empty() {
                call.id = self.asked.stamp.numbered("call_", number).into();
            }
        }
        self.freeform.restore(&mut response);
        Ok(response)
    }
}

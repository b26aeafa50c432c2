//! Ollama's own API, for clients: their requests are read, their answers written. Backends of this dialect get the
//! client's own bytes, or are spoken to as OpenAI's.

mod embedding;
mod load;
mod request;
mod response;
mod stream;

pub use embedding::{EmbeddingApi, EmbeddingRequest};
pub use load::answer_to_load;
pub(crate) use request::{read_chat, read_generate};
pub(crate) use response::write as write_response;
pub(crate) use stream::StreamWriter;

/// Which of the two APIs for text an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// `/api/chat`: answers have a `message`.
    Chat,
    /// `/api/generate`: answers have a `response`.
    Generate,
}

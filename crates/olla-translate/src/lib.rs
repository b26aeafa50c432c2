//! The API dialects of LLM servers: what a path means in each, and how each spells an error.
//!
//! [`classify`] tells dialect and [`Operation`] from the path of a request. [`Dialect`] writes
//! [`ErrorFacts`] as a whole response body or as the last event of a stream. [`Translation`] turns a request
//! of one [`Format`] into another, and the answer back: both pass through one model of a conversation.
//!
//! It must know nothing of endpoints, transports or other crates of the workspace: bytes in, bytes out.
//!
//! ```
//! use olla_translate::{Dialect, ErrorFacts, Operation, classify};
//!
//! let (dialect, operation) = classify("/api/chat");
//! assert_eq!((dialect, operation), (Dialect::Ollama, Operation::Chat));
//!
//! let facts = ErrorFacts::new(404, "model_not_found", "no such model");
//! assert_eq!(dialect.error_body(&facts), r#"{"error":"no such model","code":"model_not_found"}"#);
//! ```

mod abilities;
mod anthropic;
mod asked;
mod backend_error;
mod canonical;
mod classify;
mod dialect;
mod dropped;
mod error;
mod error_watch;
mod format;
mod framing;
mod freeform;
mod json;
mod notes;
mod ollama;
mod openai_chat;
mod opening;
mod operation;
mod responses;
mod schema;
mod stamp;
mod tokens;
mod tool_names;
mod translation;
mod untranslatable;

pub use abilities::{Abilities, ThoughtField};
pub use anthropic::{ListedModel, ModelPage};
pub use canonical::{ServiceTier, Usage};
pub use classify::classify;
pub use dialect::{Dialect, is_stream};
pub use dropped::Dropped;
pub use error::ErrorFacts;
pub use error_watch::ErrorWatch;
pub use format::Format;
pub use ollama::{EmbeddingApi, EmbeddingRequest, answer_to_load};
pub use opening::{Opening, Progress};
pub use operation::Operation;
pub use responses::{ItemPage, ResponseChain};
pub use stamp::Stamp;
pub use translation::{
    Outcome, ResponseTranslator, StreamTranslator, TranslatedRequest, Translation, estimate_tokens,
};
pub use untranslatable::{Unreadable, Untranslatable};

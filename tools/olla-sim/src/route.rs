//! Decides what a request is for, and answers it the way the engine's kind would.

use crate::anthropic;
use crate::ask::Ask;
use crate::connection::Request;
use crate::kind::Kind;
use crate::ollama;
use crate::openai;
use crate::pages;
use crate::reply::{Dialect, Reply};
use crate::script::Script;
use crate::state::State;

/// The header that sets the timing of one request.
pub(crate) const SIM_HEADER: &str = "x-sim";

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The engine's own controls, below `/sim/`.
    Control,
    Health,
    /// Listings, versions and other pages.
    Page,
    Chat,
    Completion,
    Embeddings,
    Messages,
    CountTokens,
    OllamaChat,
    OllamaGenerate,
    OllamaEmbed,
    OllamaEmbeddings,
    OllamaShow,
    OllamaCopy,
    OllamaDelete,
}

/// Finds out what a request is for.
pub(crate) fn classify(kind: Kind, method: &str, path: &str) -> Operation {
    if path.starts_with("/sim/") {
        return Operation::Control;
    }
    let posted = (method == "POST").then(|| posted(kind, path)).flatten();
    match posted {
        None if (kind, method, path) == (Kind::Ollama, "DELETE", "/api/delete") => Operation::OllamaDelete,
        Some(operation) => operation,
        None if path == kind.health_path() => Operation::Health,
        None => Operation::Page,
    }
}

fn posted(kind: Kind, path: &str) -> Option<Operation> {
    if let Some(rest) = kind.messages_path().and_then(|messages| path.strip_prefix(messages)) {
        return match rest {
            "" => Some(Operation::Messages),
            "/count_tokens" if kind.counts_tokens() => Some(Operation::CountTokens),
            _ => None,
        };
    }
    if kind == Kind::Ollama && path.starts_with("/api/") {
        return match path {
            "/api/chat" => Some(Operation::OllamaChat),
            "/api/generate" => Some(Operation::OllamaGenerate),
            "/api/embed" => Some(Operation::OllamaEmbed),
            "/api/embeddings" => Some(Operation::OllamaEmbeddings),
            "/api/show" => Some(Operation::OllamaShow),
            "/api/copy" => Some(Operation::OllamaCopy),
            _ => None,
        };
    }
    match kind.openai_path(path)? {
        "/chat/completions" => Some(Operation::Chat),
        "/completions" => Some(Operation::Completion),
        "/embeddings" => Some(Operation::Embeddings),
        _ => None,
    }
}

/// Answers a request as if nothing ever went wrong.
pub(crate) fn answer(state: &State, operation: Operation, request: &Request) -> Reply {
    let dialect = operation.dialect();
    if matches!(operation, Operation::Health | Operation::Page | Operation::Control) {
        return pages::answer(state, request.head.method(), request.head.path());
    }
    if operation == Operation::OllamaCopy {
        return ollama::copy(state, &request.body);
    }
    let ask = match Ask::read(&request.body, request.head.header(SIM_HEADER)) {
        Ok(ask) => ask,
        Err(error) => return dialect.error(400, &format!("cannot read the request: {error}")),
    };
    if !state.serves(&ask.model) {
        return dialect.error(404, &unknown_model(dialect, &ask.model));
    }
    if operation == Operation::OllamaDelete {
        state.delete(&ask.model);
        return Reply::empty();
    }
    if operation.is_inference() {
        state.load(&ask.model);
    }
    let script = Script::write(state, &ask, &request.body);
    let reply = match operation {
        Operation::Chat => openai::chat(&script, &ask),
        Operation::Completion => openai::completion(&script, &ask),
        Operation::Embeddings => openai::embeddings(&script, &ask),
        Operation::Messages => anthropic::messages(&script, &ask),
        Operation::CountTokens => anthropic::count_tokens(&script),
        Operation::OllamaChat => ollama::chat(&script, &ask),
        Operation::OllamaGenerate => ollama::generate(&script, &ask),
        Operation::OllamaEmbed => ollama::embed(&script, &ask),
        Operation::OllamaEmbeddings => ollama::embeddings(&ask),
        Operation::OllamaShow => ollama::show(&script),
        Operation::OllamaCopy
        | Operation::OllamaDelete
        | Operation::Control
        | Operation::Health
        | Operation::Page => Reply::empty(),
    };
    reply.in_dialect(dialect)
}

fn unknown_model(dialect: Dialect, model: &str) -> String {
    match dialect {
        Dialect::OpenAi => format!("The model `{model}` does not exist"),
        Dialect::Anthropic => format!("model: {model}"),
        Dialect::Ollama => format!("model '{model}' not found"),
    }
}

// === impl Operation ===

impl Operation {
    pub(crate) fn is_inference(self) -> bool {
        match self {
            Operation::Chat
            | Operation::Completion
            | Operation::Embeddings
            | Operation::Messages
            | Operation::CountTokens
            | Operation::OllamaChat
            | Operation::OllamaGenerate
            | Operation::OllamaEmbed
            | Operation::OllamaEmbeddings => true,
            Operation::Control
            | Operation::Health
            | Operation::Page
            | Operation::OllamaShow
            | Operation::OllamaCopy
            | Operation::OllamaDelete => false,
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Operation::Messages | Operation::CountTokens => Dialect::Anthropic,
            Operation::OllamaChat
            | Operation::OllamaGenerate
            | Operation::OllamaEmbed
            | Operation::OllamaEmbeddings
            | Operation::OllamaShow
            | Operation::OllamaCopy
            | Operation::OllamaDelete => Dialect::Ollama,
            Operation::Control
            | Operation::Health
            | Operation::Page
            | Operation::Chat
            | Operation::Completion
            | Operation::Embeddings => Dialect::OpenAi,
        }
    }
}

//! What a path means. Only the path is looked at: never the method, the headers or the body.

use crate::{Dialect, Operation};

/// Tells the dialect and the operation of an API path, such as `/v1/chat/completions`.
///
/// The path begins where a backend's own begins, without any prefix of a proxy and without a query. It may
/// hold a base path, as in `/engines/v1/models`. Paths of no known dialect count as OpenAI's.
#[must_use]
pub fn classify(path: &str) -> (Dialect, Operation) {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if let ("api", Some(name)) = (segments.next().unwrap_or_default(), segments.next())
        && !is_version(name)
    {
        let operation = if segments.next().is_none() { ollama(name) } else { Operation::Other };
        return (Dialect::Ollama, operation);
    }
    match anthropic(path) {
        Some(operation) => (Dialect::Anthropic, operation),
        None => (Dialect::OpenAi, openai(path)),
    }
}

/// `v0`, `v1`, `v1beta`: LM Studio, Lemonade and others put OpenAI-shaped APIs under `/api/v…`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn ollama(name: &str) -> Operation {
    match name {
        "chat" => Operation::Chat,
        "generate" => Operation::Completion,
        "embed" | "embeddings" => Operation::Embedding,
        "tags" => Operation::ListModels,
        "show" => Operation::ShowModel,
        _ => Operation::Other,
    }
}

/// Looks for `v1/messages`, which may follow a base path; OpenAI's threads have messages elsewhere.
fn anthropic(path: &str) -> Option<Operation> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.find(|segment| *segment == "v1")?;
    if segments.next()? != "messages" {
        return None;
    }
    Some(match (segments.next(), segments.next()) {
        (None, _) => Operation::Messages,
        (Some("count_tokens"), None) => Operation::CountTokens,
        _ => Operation::Other,
    })
}

/// Judges by the last segments, which base paths and versions leave alone.
///
/// A single name counts only at the root, below a version or below an engine: `/key/generate` is
/// administration, and must not pass for inference, which may be repeated.
fn openai(path: &str) -> Operation {
    let mut backwards = path.rsplit('/').filter(|segment| !segment.is_empty());
    let [last, before, third] = std::array::from_fn(|_| backwards.next().unwrap_or_default());
    match (before, last) {
        ("chat", "completions") | ("completions", "vision") => Operation::Chat,
        ("images", "generations" | "edits" | "variations")
        | ("audio", "speech" | "transcriptions" | "translations") => Operation::Media,
        ("responses", "input_tokens") => Operation::CountTokens,
        _ if before.is_empty() || is_version(before) || third == "engines" => single(last),
        _ => Operation::Other,
    }
}

fn single(name: &str) -> Operation {
    match name {
        "chat" => Operation::Chat,
        "completions" | "completion" | "generate" | "infill" => Operation::Completion,
        "embeddings" | "embedding" | "embed" | "encode" | "pooling" => Operation::Embedding,
        "rerank" | "reranking" | "score" | "classify" | "moderations" => Operation::Scoring,
        "responses" => Operation::Responses,
        "models" => Operation::ListModels,
        _ => Operation::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Dialect::{Anthropic, Ollama, OpenAi};

    #[test]
    fn knows_the_paths_of_every_dialect() {
        for (path, dialect, operation) in [
            ("/v1/chat/completions", OpenAi, Operation::Chat),
            ("/v1/chat/completions/", OpenAi, Operation::Chat),
            ("//v1//chat//completions", OpenAi, Operation::Chat),
            ("/chat/completions", OpenAi, Operation::Chat),
            ("/v1/chat/completions/vision", OpenAi, Operation::Chat),
            ("/v1/completions", OpenAi, Operation::Completion),
            ("/completion", OpenAi, Operation::Completion),
            ("/infill", OpenAi, Operation::Completion),
            ("/generate", OpenAi, Operation::Completion),
            ("/v1/embeddings", OpenAi, Operation::Embedding),
            ("/v1/encode", OpenAi, Operation::Embedding),
            ("/v2/rerank", OpenAi, Operation::Scoring),
            ("/v1/audio/transcriptions", OpenAi, Operation::Media),
            ("/v1/images/generations", OpenAi, Operation::Media),
            ("/v1/responses", OpenAi, Operation::Responses),
            ("/v1/responses/input_tokens", OpenAi, Operation::CountTokens),
            ("/v1/responses/resp_1/cancel", OpenAi, Operation::Other),
            ("/v1/models", OpenAi, Operation::ListModels),
            ("/v1/models/llama3", OpenAi, Operation::Other),
            ("/v1/threads/t1/messages", OpenAi, Operation::Other),
            ("/key/generate", OpenAi, Operation::Other),
            ("/v1/users/score", OpenAi, Operation::Other),
            ("/tokenize", OpenAi, Operation::Other),
            ("/", OpenAi, Operation::Other),
            ("", OpenAi, Operation::Other),
            ("/v1/messages", Anthropic, Operation::Messages),
            ("/v1/messages/count_tokens", Anthropic, Operation::CountTokens),
            ("/v1/messages/batches", Anthropic, Operation::Other),
            ("/v1/messages/count_tokens/x", Anthropic, Operation::Other),
            ("/anthropic/v1/messages", Anthropic, Operation::Messages),
            ("/v1/messagesx", OpenAi, Operation::Other),
            ("/api/chat", Ollama, Operation::Chat),
            ("/api/generate", Ollama, Operation::Completion),
            ("/api/embed", Ollama, Operation::Embedding),
            ("/api/embeddings", Ollama, Operation::Embedding),
            ("/api/tags", Ollama, Operation::ListModels),
            ("/api/tags/", Ollama, Operation::ListModels),
            ("/api/show", Ollama, Operation::ShowModel),
            ("/api/ps", Ollama, Operation::Other),
            ("/api/version", Ollama, Operation::Other),
            ("/api/blobs/chat", Ollama, Operation::Other),
            ("/api/chat/completions", Ollama, Operation::Other),
            ("/api", OpenAi, Operation::Other),
        ] {
            assert_eq!(classify(path), (dialect, operation), "{path}");
        }
    }

    #[test]
    fn openai_shapes_under_other_base_paths_stay_openai() {
        for (path, operation) in [
            ("/api/v0/models", Operation::ListModels),
            ("/api/v0/chat/completions", Operation::Chat),
            ("/api/v1/models", Operation::ListModels),
            ("/api/v1/chat", Operation::Chat),
            ("/api/v1/health", Operation::Other),
            ("/engines/v1/models", Operation::ListModels),
            ("/engines/llama.cpp/v1/chat/completions", Operation::Chat),
            ("/engines/gpt-4/embeddings", Operation::Embedding),
        ] {
            assert_eq!(classify(path), (OpenAi, operation), "{path}");
        }
    }

    proptest! {
        #[test]
        fn slashes_at_the_end_change_nothing(path in "(/[a-z0-9_.]{0,8}){0,5}", slashes in "/{0,3}") {
            prop_assert_eq!(classify(&format!("{path}{slashes}")), classify(&path));
        }
    }
}

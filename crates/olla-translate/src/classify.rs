//! What a path means. Only the path is looked at: never the method, the headers or the body.

use crate::{Dialect, Operation};

/// Tells the dialect and the operation of an API path, such as `/v1/chat/completions`.
///
/// The path begins where a backend's own begins, without any prefix of a proxy and without a query. It may
/// hold a base path, as in `/engines/v1/models`. Paths of no known dialect count as OpenAI's.
#[must_use]
pub fn classify(path: &str) -> (Dialect, Operation) {
    // What most requests are for.
    if path == "/v1/chat/completions" {
        return (Dialect::OpenAi, Operation::Chat);
    }
    let path = path.as_bytes();
    let mut segments = segments(path);
    if let (Some(b"api"), Some(name)) = (segments.next(), segments.next())
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

/// Bytes, because every request comes by here, and characters cost more to search for.
fn segments(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty())
}

/// `v0`, `v1`, `v1beta`: LM Studio, Lemonade and others put OpenAI-shaped APIs under `/api/v…`.
fn is_version(segment: &[u8]) -> bool {
    matches!(segment, [b'v', b'0'..=b'9', ..])
}

fn ollama(name: &[u8]) -> Operation {
    match name {
        b"chat" => Operation::Chat,
        b"generate" => Operation::Completion,
        b"embed" | b"embeddings" => Operation::Embedding,
        b"tags" => Operation::ListModels,
        b"show" => Operation::ShowModel,
        _ => Operation::Other,
    }
}

/// Looks for `v1/messages`, which may follow a base path; OpenAI's threads have messages elsewhere.
fn anthropic(path: &[u8]) -> Option<Operation> {
    let mut segments = segments(path);
    segments.find(|segment| segment == b"v1")?;
    if segments.next()? != b"messages" {
        return None;
    }
    Some(match (segments.next(), segments.next()) {
        (None, _) => Operation::Messages,
        (Some(b"count_tokens"), None) => Operation::CountTokens,
        _ => Operation::Other,
    })
}

/// Judges by the last segments, which base paths and versions leave alone.
///
/// A single name counts only at the root, below a version or below an engine: `/key/generate` is
/// administration, and must not pass for inference, which may be repeated.
fn openai(path: &[u8]) -> Operation {
    let mut backwards = segments(path).rev();
    let [last, before, third] = std::array::from_fn(|_| backwards.next().unwrap_or_default());
    match (before, last) {
        (b"chat", b"completions") | (b"completions", b"vision") => Operation::Chat,
        (b"images", b"generations" | b"edits" | b"variations")
        | (b"audio", b"speech" | b"transcriptions" | b"translations") => Operation::Media,
        (b"responses", b"input_tokens") => Operation::CountTokens,
        _ if before.is_empty() || is_version(before) || third == b"engines" => single(last),
        _ => Operation::Other,
    }
}

fn single(name: &[u8]) -> Operation {
    match name {
        b"chat" => Operation::Chat,
        b"completions" | b"completion" | b"generate" | b"infill" => Operation::Completion,
        b"embeddings" | b"embedding" | b"embed" | b"encode" | b"pooling" => Operation::Embedding,
        b"rerank" | b"reranking" | b"score" | b"classify" | b"moderations" => Operation::Scoring,
        b"responses" => Operation::Responses,
        b"models" => Operation::ListModels,
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

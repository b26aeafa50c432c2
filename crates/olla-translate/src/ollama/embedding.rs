//! `/api/embed` and `/api/embeddings`, on backends that speak OpenAI's `/v1/embeddings`.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;

use crate::{
    Dialect, Dropped, Unreadable, Untranslatable,
    backend_error::BackendError,
    json::{Count, Object, RawValue, Text, record},
};

/// A request for embeddings, as OpenAI has it.
#[derive(Debug)]
#[non_exhaustive]
pub struct EmbeddingRequest {
    /// The body for `/v1/embeddings`.
    pub body: Bytes,
    /// What was left out, without harm.
    pub dropped: Dropped,
    model: String,
    api: EmbeddingApi,
}

/// Which of Ollama's two APIs for embeddings is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddingApi {
    /// `/api/embed`: any number of texts.
    Embed,
    /// `/api/embeddings`: one text, as in earlier versions.
    Embeddings,
}

record! {
    /// The body of both.
    struct WireRequest<'a> {
        model: Option<Text<'a>> = "model",
        input: Option<&'a RawValue> = "input",
        prompt: Option<&'a RawValue> = "prompt",
        dimensions: Option<Count> = "dimensions",
    }
}

#[derive(Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    data: Vec<WireEmbedding<'a>>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct WireEmbedding<'a> {
    #[serde(default)]
    index: Option<Count>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

#[derive(Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<Count>,
}

// === impl EmbeddingApi ===

impl EmbeddingApi {
    /// Returns the API that has this path.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        [Self::Embed, Self::Embeddings].into_iter().find(|api| api.path() == path)
    }

    /// Returns its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Embed => "/api/embed",
            Self::Embeddings => "/api/embeddings",
        }
    }
}

// === impl EmbeddingRequest ===

impl EmbeddingRequest {
    /// The path at which backends take the translated request.
    pub const BACKEND_PATH: &'static str = "/v1/embeddings";

    /// Translates the body of a request. The model keeps its name.
    ///
    /// # Errors
    ///
    /// If the body is not well-formed.
    pub fn read(api: EmbeddingApi, body: &[u8]) -> Result<Self, Untranslatable> {
        let wire: WireRequest<'_> =
            serde_json::from_slice(body).map_err(|error| Untranslatable::json(&error))?;
        let (name, input) = match api {
            EmbeddingApi::Embed => ("input", wire.input.or(wire.prompt)),
            EmbeddingApi::Embeddings => ("prompt", wire.prompt.or(wire.input)),
        };
        let Some(model) = wire.model else {
            return Err(Untranslatable::malformed("model", "field required"));
        };
        let Some(input) = input else { return Err(Untranslatable::malformed(name, "field required")) };
        let (mut out, mut dropped) = (BytesMut::with_capacity(body.len() + 32), Dropped::default());
        let mut object = Object::open(&mut out);
        object.text("model", &model).raw("input", input);
        if let Some(Count(dimensions)) = wire.dimensions {
            object.number("dimensions", dimensions);
        }
        object.text("encoding_format", "float");
        drop(object);
        for field in wire.rest.iter().filter(|field| !field.is_null()) {
            dropped.note(field.name.to_string());
        }
        Ok(Self { body: out.freeze(), dropped, model: model.into_owned(), api })
    }

    /// Translates the answer, which took so long.
    ///
    /// # Errors
    ///
    /// If it is not an answer of `/v1/embeddings`: a 502.
    pub fn answer(&self, body: &[u8], elapsed: Duration) -> Result<Bytes, Unreadable> {
        let malformed = |reason: String| Unreadable::Malformed { expected: "OpenAI embeddings", reason };
        let mut answer: WireAnswer<'_> =
            serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
        answer.data.sort_by_key(|embedding| embedding.index.unwrap_or_default().0);
        let mut out = BytesMut::with_capacity(body.len());
        let mut object = Object::open(&mut out);
        if self.api == EmbeddingApi::Embeddings {
            let Some(first) = answer.data.first() else { return Err(malformed("it has no data".into())) };
            object.raw("embedding", first.embedding);
            drop(object);
            return Ok(out.freeze());
        }
        object.text("model", &self.model);
        let mut list = object.array("embeddings");
        for embedding in &answer.data {
            list.item().put_slice(embedding.embedding.get().as_bytes());
        }
        drop(list);
        let tokens = answer.usage.and_then(|usage| usage.prompt_tokens).unwrap_or_default().0;
        object.number("total_duration", u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        object.number("load_duration", 0).number("prompt_eval_count", tokens);
        drop(object);
        Ok(out.freeze())
    }

    /// Translates an error that the backend answered with, and returns it with the status for the client.
    #[must_use]
    pub fn error(&self, status: u16, body: &[u8]) -> (u16, Bytes) {
        BackendError::read(&String::from_utf8_lossy(body)).tell(status, Dialect::Ollama)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn several_texts_are_embedded_in_their_order() {
        let body = json!({ "model": "m", "input": ["a", "b"], "truncate": true, "keep_alive": "5m", "dimensions": 2 });
        let request = EmbeddingRequest::read(EmbeddingApi::Embed, body.to_string().as_bytes()).unwrap();
        let expected =
            json!({ "model": "m", "input": ["a", "b"], "dimensions": 2, "encoding_format": "float" });
        assert_eq!(value(&request.body), expected);
        assert_eq!(request.dropped.header_value(), "truncate, keep_alive");

        let answer = br#"{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[0.10,2]}],"usage":{"prompt_tokens":2}}"#;
        let told = request.answer(answer, Duration::from_millis(5)).unwrap();

        let expected = json!({
            "model": "m", "embeddings": [[0.10, 2], [3, 4]],
            "total_duration": 5_000_000, "load_duration": 0, "prompt_eval_count": 2,
        });
        assert_eq!(value(&told), expected);
    }

    #[test]
    fn what_is_null_is_not_missed() {
        let body = r#"{"model":"m","input":"a","keep_alive":null,"truncate":null,"dimensions":null}"#;
        let request = EmbeddingRequest::read(EmbeddingApi::Embed, body.as_bytes()).unwrap();
        assert!(request.dropped.is_empty(), "{:?}", request.dropped);
    }

    #[test]
    fn one_text_is_embedded_as_in_earlier_versions() {
        let request =
            EmbeddingRequest::read(EmbeddingApi::Embeddings, br#"{"model":"m","prompt":"a"}"#).unwrap();
        assert_eq!(value(&request.body), json!({ "model": "m", "input": "a", "encoding_format": "float" }));

        let told = request.answer(br#"{"data":[{"embedding":[1,2]}]}"#, Duration::ZERO).unwrap();
        assert_eq!(value(&told), json!({ "embedding": [1, 2] }));
        assert_eq!(request.answer(b"{}", Duration::ZERO).unwrap_err().status(), 502);
    }

    #[test]
    fn what_names_no_model_or_text_is_refused() {
        for body in ["{}", r#"{"model":"m"}"#, r#"{"input":"a"}"#, ""] {
            assert!(EmbeddingRequest::read(EmbeddingApi::Embed, body.as_bytes()).is_err(), "{body}");
        }
    }
}

//! What the writer of an answer has to know of the request.

use std::time::Duration;

use bytes::Bytes;

use crate::{Stamp, json::Object, responses::Namespaced, tool_names::ToolNames};

/// What the writer of an answer has to know of the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// The model, in the client's spelling.
    pub(crate) model: String,
    pub(crate) stamp: Stamp,
    pub(crate) names: ToolNames,
    pub(crate) namespaces: Vec<Namespaced>,
    /// About how many tokens the prompt has, for answers that begin before the backend has counted.
    pub(crate) prompt_tokens: u64,
    /// Whether a stream should end with the figures of usage, where a dialect leaves the choice.
    pub(crate) stream_usage: bool,
    /// Whether the answer is kept, so that a request can go on from it; only Responses tell.
    pub(crate) kept: bool,
    /// The answer that this one goes on from; only Responses have one.
    pub(crate) previous: Option<Box<str>>,
    /// What a response says again of its request: fields of JSON. Only Responses do.
    pub(crate) echo: Bytes,
    /// How long ago the request was sent.
    pub(crate) elapsed: Duration,
}

// === impl Asked ===

impl Asked {
    /// Writes the name of a tool that the backend has called, as the client knows it.
    pub(crate) fn call_name(&self, name: &str, item: &mut Object<'_>) {
        let name = self.names.inward(name);
        match self.namespaces.iter().find(|namespaced| namespaced.flat == name) {
            Some(Namespaced { namespace, name, .. }) => item.text("name", name).text("namespace", namespace),
            None => item.text("name", name),
        };
    }
}

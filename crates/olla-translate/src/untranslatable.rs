//! Why a request or an answer cannot be translated.

use std::fmt;

use crate::{Format, canonical::Content, canonical::Place};

/// Why a request cannot be translated: the client's 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untranslatable {
    /// The body is not what its format asks for.
    #[error("{0}")]
    Malformed(String),
    /// The body is well, and the backend's format has no way to say something that is in it.
    #[error("{path}: {what} cannot be sent to a backend that speaks {backend}{hint}")]
    Inexpressible {
        /// Where in the body it is, such as `messages[2].content[0]`.
        path: String,
        /// What it is.
        what: String,
        /// The format that the backend speaks.
        backend: Format,
        /// What to do about it; empty or ` (…)`.
        hint: &'static str,
    },
}

/// The backend's answer is not what its format asks for: a 502.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// No JSON of the expected shape.
    #[error("the backend's answer is not {expected}: {reason}")]
    Malformed {
        /// What was expected.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An error, under a status of success.
    #[error("the backend answered with an error: {message}")]
    Error {
        /// The status that it should have had.
        status: u16,
        /// What the backend says.
        message: String,
    },
}

// === impl Untranslatable ===

impl Untranslatable {
    /// Returns the stable name of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "invalid_request",
            Self::Inexpressible { .. } => "not_translatable",
        }
    }

    /// Makes the error of a body that could not be read.
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        Self::Malformed(error.to_string().trim_start_matches('.').to_owned())
    }

    /// Makes the error of a field that is wrong.
    pub(crate) fn malformed(path: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Malformed(format!("{path}: {why}"))
    }

    /// Makes the error of a block that the backend's format has no place for.
    pub(crate) fn block(content: &Content<'_>, place: Place, backend: Format) -> Self {
        Self::Inexpressible {
            path: place.to_string(),
            what: format!("content of type {}", content.noun()),
            backend,
            hint: "",
        }
    }

    /// Makes the error of a tool that only models of the client's own provider have.
    pub(crate) fn tool(kind: &str, place: Place, backend: Format) -> Self {
        let why = match kind {
            "local_shell" | "shell" | "apply_patch" | "computer" | "computer_use_preview" => {
                "which only OpenAI's models know"
            }
            _ => "which the provider itself runs",
        };
        Self::Inexpressible {
            path: place.to_string(),
            what: format!("the tool {kind}, {why},"),
            backend,
            hint: "",
        }
    }

    /// Makes the error of an image for a model that does not see.
    pub(crate) fn unseen(place: Place, backend: Format) -> Self {
        let hint = " (this model does not see images)";
        Self::Inexpressible { path: place.to_string(), what: "an image".to_owned(), backend, hint }
    }
}

// === impl Unreadable ===

impl Unreadable {
    /// Returns the HTTP status of the error.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 502,
            Self::Error { status, .. } => *status,
        }
    }

    /// Returns the stable name of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed_answer",
            Self::Error { .. } => "error_in_answer",
        }
    }
}

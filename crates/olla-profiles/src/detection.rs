//! How a kind is recognised by what a server answers (`type: auto`).

use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

use crate::json_path::{JsonPath, scalar_text};

/// The signs by which one kind is recognised; any one of them suffices.
#[derive(Debug, Clone, Default)]
pub struct Detection {
    pub(crate) rank: u32,
    pub(crate) signatures: Vec<Signature>,
}

/// One answer of a server that is to be recognised.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The path that was asked for, as [`Profiles::detection_plan`](crate::Profiles::detection_plan) gave it.
    pub path: &'a str,
    /// The status.
    pub status: StatusCode,
    /// The response headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// A sign: everything it says must hold for the answer to one path.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) path: Box<str>,
    /// Any success where unset.
    pub(crate) status: Option<StatusCode>,
    /// A header that is there, and text that its value holds in any case.
    pub(crate) header: Option<(HeaderName, Option<Box<str>>)>,
    pub(crate) body_contains: Option<Box<str>>,
    /// A place of the JSON body that is there, and the value it has.
    pub(crate) json: Option<(JsonPath, Option<Box<str>>)>,
}

// === impl Detection ===

impl Detection {
    /// Returns the paths that the signs look at.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|signature| &*signature.path)
    }

    /// Returns the rank: of several kinds that match, the one with the highest is meant.
    #[must_use]
    pub fn rank(&self) -> u32 {
        self.rank
    }

    /// Returns whether an answer bears one of the signs.
    #[must_use]
    pub fn matches(&self, observed: &[Observed<'_>]) -> bool {
        self.signatures.iter().any(|signature| observed.iter().any(|answer| signature.matches(answer)))
    }
}

// === impl Signature ===

impl Signature {
    fn matches(&self, answer: &Observed<'_>) -> bool {
        *self.path == *answer.path
            && self.status.map_or(answer.status.is_success(), |status| status == answer.status)
            && self.header_matches(answer.headers)
            && self.body_contains.as_ref().is_none_or(|text| contains(answer.body, text.as_bytes()))
            && self.json_matches(answer.body)
    }

    fn header_matches(&self, headers: &HeaderMap) -> bool {
        let Some((name, text)) = &self.header else { return true };
        headers.get_all(name).iter().any(|value| match text {
            None => true,
            Some(text) => {
                contains(&value.as_bytes().to_ascii_lowercase(), text.to_ascii_lowercase().as_bytes())
            }
        })
    }

    fn json_matches(&self, body: &[u8]) -> bool {
        let Some((path, expected)) = &self.json else { return true };
        let Ok(document) = serde_json::from_slice::<Value>(body) else { return false };
        path.find(&document).is_some_and(|value| match expected {
            None => true,
            Some(expected) => scalar_text(value).as_deref() == Some(expected),
        })
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

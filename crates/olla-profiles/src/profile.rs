//! One backend kind, compiled.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use olla_core::{KindId, Model, PathRules};

use crate::{
    Details, Detection, ListShape, Listing, ListingError, Names, ResidencyRules, Spoken, VersionReport,
    abilities,
    answers::{Answer, Refusal},
    listing::Shape,
    name_hints::NameHints,
};

/// A backend kind: what its profile says, ready to use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Profile {
    /// Position in the loaded [`Profiles`](crate::Profiles).
    pub id: KindId,
    /// Canonical name.
    pub name: Arc<str>,
    /// `name`, as headers show it.
    pub shown: &'static str,
    /// Name for people.
    pub display_name: String,
    /// URL segments after `/olla/` that lead to this kind; also names for it in the configuration.
    pub prefixes: Vec<Box<str>>,
    /// Whether the kind speaks the OpenAI dialect.
    pub openai_compatible: bool,
    /// Whether the prefixes of this kind lead to every kind that is `openai_compatible`.
    pub spans_openai_compatible: bool,
    /// The paths that may be forwarded.
    pub paths: PathRules,
    /// Where the models are listed; may carry a query. Default `/v1/models`.
    pub listing_path: String,
    /// What a health check asks for. Default `/`.
    pub health_path: String,
    /// Ports on which a server of this kind usually listens.
    pub default_ports: Vec<u16>,
    /// The least time that a response head is given, for kinds that load models when asked for them.
    pub first_byte_timeout: Option<Duration>,
    /// How an answer begins that says that there is no such path, for servers that say so with a status of success.
    pub unknown_path_body: Option<Vec<u8>>,
    /// Headers that every request to this kind has, unless the endpoint sets them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) formats: Vec<Spoken>,
    pub(crate) version: Option<VersionReport>,
    pub(crate) openai_base: Option<String>,
    pub(crate) costly_health: Vec<CostlyPath>,
    pub(crate) detection: Detection,
    pub(crate) listing: Arc<Shape>,
    pub(crate) details: Vec<Details>,
    pub(crate) residency: Option<ResidencyRules>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) refuses: Vec<Refusal>,
    pub(crate) hints: NameHints,
    pub(crate) names: Arc<Names>,
}

/// A path that answers like a health check and costs more than one.
#[derive(Debug, Clone)]
pub(crate) struct CostlyPath {
    pub(crate) path: Box<str>,
    pub(crate) reason: Box<str>,
}

// === impl Profile ===

impl Profile {
    /// Returns whether a request path (no query) may be forwarded.
    #[must_use]
    pub fn allows(&self, path: &str) -> bool {
        self.forward_path(path).is_some()
    }

    /// Returns the path under which this kind serves `path` (no query), or `None` when it is not forwarded.
    ///
    /// That is the path itself, unless the kind has its OpenAI surface elsewhere: with an `openai_base` of
    /// `/engines/v1`, `/v1/chat/completions` is served as `/engines/v1/chat/completions`.
    #[must_use]
    pub fn forward_path<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        if self.paths.allow(path) {
            return Some(Cow::Borrowed(path));
        }
        let below = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/'))?;
        let moved = format!("{}{below}", self.openai_base.as_ref()?);
        self.paths.allow(&moved).then_some(Cow::Owned(moved))
    }

    /// Returns why checking health at `path` is expensive, if it is. `path` comes without the endpoint's base
    /// path; a query does not matter.
    #[must_use]
    pub fn costly_health(&self, path: &str) -> Option<&str> {
        let path = path.split_once('?').map_or(path, |(path, _)| path).trim_end_matches('/');
        self.costly_health.iter().find(|costly| path == &*costly.path).map(|costly| &*costly.reason)
    }

    /// Reads a model list as this kind writes it, in the order of the list, and [completes](Self::complete) it.
    ///
    /// # Errors
    /// Fails when the body is not JSON or holds no array where the profile says it is.
    pub fn parse_listing(&self, body: &[u8]) -> Result<Vec<Model>, ListingError> {
        let mut models = self.read_listing(body)?;
        for model in &mut models {
            self.complete(model);
        }
        Ok(models)
    }

    /// Reads a model list as this kind writes it, in the order of the list, and adds nothing: for callers that
    /// know [more](Self::details) before they [complete](Self::complete) it.
    ///
    /// # Errors
    /// Fails when the body is not JSON or holds no array where the profile says it is.
    pub fn read_listing(&self, body: &[u8]) -> Result<Vec<Model>, ListingError> {
        self.listing.parse(body)
    }

    /// Returns the questions whose answers tell more about listed models than the listing.
    #[must_use]
    pub fn details(&self) -> &[Details] {
        &self.details
    }

    /// Returns where the kind tells which models are in memory, if it does.
    #[must_use]
    pub fn residency(&self) -> Option<&ResidencyRules> {
        self.residency.as_ref()
    }

    /// Returns which models Olla lists itself when this kind is asked at `path` (no query), and how.
    #[must_use]
    pub fn listing_at<'p>(&'p self, path: &'p str) -> Option<Listing<'p>> {
        let listing = self.answers.iter().find_map(|answer| answer.at(path))?;
        // What the profile forwards by its name is no model, though it stands below a list.
        (listing.only.is_none() || !self.paths.name(path)).then_some(listing)
    }

    /// Returns the shape of the kind's own list.
    #[must_use]
    pub fn own_shape(&self) -> Option<&ListShape> {
        self.answers.first().map(|answer| &answer.shape)
    }

    /// Returns whether any of the lists that Olla answers for this kind is written like `shape`.
    #[must_use]
    pub fn lists_like(&self, shape: &ListShape) -> bool {
        self.answers.iter().any(|answer| answer.shape.is_like(shape))
    }

    /// Returns why Olla does not offer what `path` (no query) is for, if it does not.
    #[must_use]
    pub fn refusal(&self, path: &str) -> Option<&str> {
        self.refuses.iter().find(|refusal| refusal.paths.allow(path)).map(|refusal| &*refusal.reason)
    }

    /// Fills in what a model's name tells, brings what was reported of it into normal form, and derives what it
    /// can do.
    pub fn complete(&self, model: &mut Model) {
        abilities::from_reports(model);
        self.hints.complete(model);
        self.names.complete(model);
        abilities::from_guesses(model);
    }

    /// Returns the signs by which this kind is recognised.
    #[must_use]
    pub fn detection(&self) -> &Detection {
        &self.detection
    }
}

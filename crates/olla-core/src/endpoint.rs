//! One configured backend: everything that changes only on reload.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};

use crate::{BaseUrl, Glob, KindId, Model, PathRules, PlacementRules, Target, lasting};

/// The priority of an endpoint that sets none.
pub const DEFAULT_PRIORITY: u32 = 100;

/// A configured backend. Immutable; its live counterpart is [`Live`](crate::Live).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct EndpointSpec {
    /// Unique name, shown to users.
    pub name: Arc<str>,
    /// `name` in visible ASCII, as headers show it.
    pub shown: &'static str,
    /// Where it is.
    pub base: BaseUrl,
    /// Its kind; `None` asks discovery to recognise it.
    pub kind: Option<KindId>,
    /// Higher is preferred by the `priority` strategy. Default 100.
    pub priority: u32,
    /// Relative share of traffic, at least 1. Default 1.
    pub weight: u32,
    /// Requests it is sent at a time; further ones go to other endpoints. Default: no limit.
    pub max_concurrent: Option<NonZeroU32>,
    /// What health checks ask for; `None` takes the profile's path.
    pub health: Option<Target>,
    /// What model discovery asks for; `None` takes the profile's path.
    pub listing: Option<Target>,
    /// Time between health checks. Default 5 s.
    pub check_interval: Duration,
    /// Time limit of one health check. Default 2 s.
    pub check_timeout: Duration,
    /// Puts the base path before every request path, even one that already begins with it.
    pub preserve_path: bool,
    /// Headers set on every request to this backend: custom ones first, credentials last.
    pub headers: Arc<[(HeaderName, HeaderValue)]>,
    /// Passes the client's own credentials on (`auth: { type: forward }`). Default: they are removed.
    pub forward_credentials: bool,
    /// Paths forwarded in addition to those of the profile.
    pub allow_paths: Arc<PathRules>,
    /// Which listed models are used.
    pub filter: ModelFilter,
    /// Which models are rather, less gladly or never asked for here.
    pub placement: PlacementRules,
    /// Models that exist although the backend does not list them.
    pub declared_models: Arc<[Model]>,
    /// Whom to trust on TLS connections.
    pub trust: TlsTrust,
}

/// Which model names of an endpoint are used: all, or those included, less those excluded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFilter {
    /// Patterns of names to use; empty means every name.
    pub include: Vec<Glob>,
    /// Patterns of names to leave out; wins over `include`.
    pub exclude: Vec<Glob>,
}

/// Whom to trust on TLS connections to a backend.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum TlsTrust {
    /// The certificate authorities of the operating system.
    #[default]
    System,
    /// Those, and the certificates of this PEM text.
    SystemAnd(Arc<[u8]>),
    /// Anyone: the certificate is not checked.
    Anyone,
}

// === impl EndpointSpec ===

impl EndpointSpec {
    /// Creates an endpoint with every option at its default.
    ///
    /// A character of `name` that cannot stand in a header is shown there as `?`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, base: BaseUrl) -> Self {
        let name = name.into();
        let shown: String = name.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        Self {
            shown: lasting(&shown),
            name,
            base,
            kind: None,
            priority: DEFAULT_PRIORITY,
            weight: 1,
            max_concurrent: None,
            health: None,
            listing: None,
            check_interval: Duration::from_secs(5),
            check_timeout: Duration::from_secs(2),
            preserve_path: false,
            headers: Arc::from([]),
            forward_credentials: false,
            allow_paths: Arc::default(),
            filter: ModelFilter::default(),
            placement: PlacementRules::default(),
            declared_models: Arc::from([]),
            trust: TlsTrust::System,
        }
    }
}

impl fmt::Debug for EndpointSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Header values may be credentials.
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("EndpointSpec")
            .field("name", &self.name)
            .field("base", &self.base)
            .field("kind", &self.kind)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

// === impl ModelFilter ===

impl ModelFilter {
    /// Returns whether models of this name are used.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|g| g.matches(name));
        included && !self.exclude.iter().any(|g| g.matches(name))
    }

    /// Returns whether a listed model is used, each of its names counting. A pattern that stands for many
    /// models is used if any of them may be.
    #[must_use]
    pub fn keeps(&self, model: &Model) -> bool {
        let hits = |glob: &Glob| model.names().any(|name| glob.matches(name));
        let pattern =
            Some(&*model.name).filter(|_| model.is_pattern()).and_then(|name| Glob::parse(name).ok());
        let may_hit = |glob: &Glob| hits(glob) || pattern.as_ref().is_some_and(|pattern| glob.meets(pattern));
        let included = self.include.is_empty() || self.include.iter().any(may_hit);
        included && !self.exclude.iter().any(hits)
    }
}

// === impl TlsTrust ===

impl fmt::Debug for TlsTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::SystemAnd(_) => "SystemAnd(..)",
            Self::Anyone => "Anyone",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusion_wins_over_inclusion() {
        let filter = ModelFilter {
            include: vec![Glob::parse("llama*").unwrap()],
            exclude: vec![Glob::parse("*:70b").unwrap()],
        };

        assert!(filter.admits("llama3:8b"));
        assert!(!filter.admits("llama3:70b"));
        assert!(!filter.admits("phi4"));
        assert!(ModelFilter::default().admits("anything"));
    }

    #[test]
    fn every_name_of_a_listed_model_counts_and_a_pattern_may_stand_for_used_ones() {
        let globs = |texts: &[&str]| texts.iter().map(|text| Glob::parse(text).unwrap()).collect();
        let filter = ModelFilter {
            include: globs(&["llama3", "openai/gpt-4*"]),
            exclude: globs(&["*:70b", "azure/*"]),
        };
        let mut tagged = Model::named("llama3:latest");
        tagged.also = vec!["llama3".into()];

        assert!(filter.keeps(&tagged) && !filter.admits("llama3:latest"));
        assert!(filter.keeps(&Model::named("openai/*")), "some of it is included");
        assert!(!filter.keeps(&Model::named("anthropic/*")), "nothing of it is");
        assert!(!filter.keeps(&Model::named("azure/*")), "all of it is excluded");
    }

    #[test]
    fn debug_output_holds_no_header_value() {
        let base = BaseUrl::parse("http://h").unwrap();
        let spec = EndpointSpec {
            headers: Arc::from([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))]),
            ..EndpointSpec::new("x", base)
        };

        assert!(!format!("{spec:?}").contains("s3cret"));
    }
}

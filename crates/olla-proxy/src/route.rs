//! Reads the request target: which backends it is meant for, and what it asks of them.

use http::{Method, Uri, uri::PathAndQuery};
use olla_core::{KindId, has_dot_segment};
use olla_profiles::Profiles;
use olla_translate::{Dialect, EmbeddingApi, Format, Operation, classify};

use crate::{
    Error,
    tongues::{self, Clients, Tongues},
};

/// Which backends a request is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every backend.
    All,
    /// Every backend, for clients of one dialect.
    ClientsOf(Clients),
    /// Every backend whose kind is OpenAI-compatible.
    OpenAiCompatible(KindId),
    /// Backends of one kind.
    Kind(KindId),
}

/// What a request target says.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) scope: Scope,
    pub(crate) dialect: Dialect,
    /// Path and query for the backend, byte for byte as the client sent them, prefix removed.
    pub(crate) rest: PathAndQuery,
    /// Whether the backend may see the request twice: it is idempotent (RFC 9110 §9.2.2) or changes nothing,
    /// as inference does.
    pub(crate) replayable: bool,
    pub(crate) operation: Operation,
    /// The format of a conversation that could be translated into another.
    pub(crate) format: Option<Format>,
    /// The API for vectors, if it is one whose requests could be translated.
    pub(crate) embeds: Option<EmbeddingApi>,
    pub(crate) method: Method,
}

const PREFIX: &str = "/olla";
const ALL_BACKENDS: &str = "proxy";

/// Reads the request target.
pub(crate) fn read(
    method: &Method,
    uri: &Uri,
    (profiles, tongues): (&Profiles, &Tongues),
) -> Result<Route, Error> {
    // A tunnel is not what this proxy is for, and a trace would show the client our credentials.
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(Error::MethodNotAllowed { method: method.clone() });
    }
    let whole = uri.path_and_query().ok_or(Error::BadPath)?;
    if has_dot_segment(whole.path()) {
        return Err(Error::BadPath);
    }
    let (scope, rest) = match below(whole.as_str(), PREFIX) {
        Some(scoped) => {
            let (segment, rest) = first_segment(scoped);
            let rest = as_target(rest)?;
            (scope(segment, rest.path(), (profiles, tongues))?, rest)
        }
        None if whole.path().starts_with("/v1/") => (Scope::All, whole.clone()),
        None => match tongues.prefix_at_root(whole.path()) {
            Some(prefix) => (scope(prefix, whole.path(), (profiles, tongues))?, whole.clone()),
            None if classify(whole.path()).0 == Dialect::Ollama => return Err(Error::NotAtRoot),
            None => return Err(Error::UnknownPath),
        },
    };
    let (mut dialect, operation) = classify(rest.path());
    if let Scope::ClientsOf(clients) = scope {
        dialect = clients.dialect;
    }
    let replayable = method.is_idempotent() || operation.changes_nothing();
    let format = Format::of(dialect, operation).filter(|format| rest.path() == format.path());
    // Whoever serves a conversation, and in whichever words: it is posted. Preflights end at `server.cors`.
    if format.is_some() && *method != Method::POST {
        return Err(Error::OnlyPosted { method: method.clone() });
    }
    let embeds = EmbeddingApi::at(rest.path()).filter(|_| *method == Method::POST);
    Ok(Route { scope, dialect, rest, replayable, operation, format, embeds, method: method.clone() })
}

/// Returns the dialect in which a target's errors are written, even when the target is no route.
pub(crate) fn dialect_of(uri: &Uri, profiles: &Profiles) -> Dialect {
    match below(uri.path(), PREFIX) {
        Some(scoped) => {
            let (segment, rest) = first_segment(scoped);
            let clients = tongues::clients_at(segment, rest, profiles);
            clients.map_or_else(|| classify(rest).0, |clients| clients.dialect)
        }
        None => classify(uri.path()).0,
    }
}

/// Returns what a client puts before the path of a backend: `/olla/vllm`, or nothing.
pub(crate) fn prefix_of(uri: &Uri) -> &str {
    let path = uri.path();
    let rest = below(path, PREFIX).map_or(path, |scoped| first_segment(scoped).1);
    path.strip_suffix(rest).unwrap_or_default()
}

fn scope(segment: &str, path: &str, (profiles, tongues): (&Profiles, &Tongues)) -> Result<Scope, Error> {
    if segment == ALL_BACKENDS {
        return Ok(Scope::All);
    }
    if let Some(clients) = tongues.clients_at(segment, path, profiles) {
        return Ok(Scope::ClientsOf(clients));
    }
    let kind = profiles.by_prefix(segment).ok_or_else(|| Error::UnknownPrefix(segment.into()))?;
    let spans = profiles.get(kind).is_some_and(|p| p.spans_openai_compatible);
    Ok(if spans { Scope::OpenAiCompatible(kind) } else { Scope::Kind(kind) })
}

// === impl Route ===

impl Route {
    /// Returns the route of a conversation in the place of this one.
    pub(crate) fn to_converse(&self, format: Format, operation: Operation) -> Self {
        Self {
            rest: PathAndQuery::from_static(format.path()),
            operation,
            format: Some(format),
            embeds: None,
            method: Method::POST,
            ..self.clone()
        }
    }

    /// Returns the route of a request of Ollama's clients for vectors in the place of this one.
    pub(crate) fn to_embed(&self) -> Self {
        let api = EmbeddingApi::Embed;
        Self {
            rest: PathAndQuery::from_static(api.path()),
            operation: Operation::Embedding,
            format: None,
            embeds: Some(api),
            method: Method::POST,
            ..self.clone()
        }
    }
}

/// Returns what follows `/prefix/`, if the path lies below it.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix)?.strip_prefix('/')
}

/// Splits `litellm/v1/models?x` into `litellm` and `/v1/models?x`.
fn first_segment(path: &str) -> (&str, &str) {
    path.split_at(path.find(['/', '?']).unwrap_or(path.len()))
}

fn as_target(rest: &str) -> Result<PathAndQuery, Error> {
    // alloc: the prefix is cut off once per request.
    let target = match rest.as_bytes().first() {
        Some(b'/') => rest.parse(),
        _ => format!("/{rest}").parse(),
    };
    target.map_err(|_| Error::BadPath)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn route(target: &str) -> Result<Route, Error> {
        let profiles = Profiles::builtin();
        let tongues = Tongues::new(&profiles, &Settings::default());
        read(&Method::POST, &target.parse().unwrap(), (&profiles, &tongues))
    }

    fn rest(target: &str) -> String {
        route(target).unwrap().rest.to_string()
    }

    #[test]
    fn cuts_the_prefix_off_and_keeps_every_other_byte() {
        assert_eq!(rest("/olla/litellm/v1/chat/completions"), "/v1/chat/completions");
        assert_eq!(rest("/olla/proxy/v1/models/a%2Fb?x=%20y&z"), "/v1/models/a%2Fb?x=%20y&z");
        assert_eq!(rest("/v1/chat/completions?a=b"), "/v1/chat/completions?a=b");
    }

    #[test]
    fn a_prefix_is_what_comes_before_the_path() {
        let prefix = |target: &str| prefix_of(&target.parse().unwrap()).to_owned();

        assert_eq!(prefix("/olla/vllm/v1/models?x=/olla/y"), "/olla/vllm");
        assert_eq!(prefix("http://h/olla/vllm"), "/olla/vllm");
        assert_eq!(prefix("/v1/models"), "");
    }

    #[test]
    fn a_prefix_needs_no_trailing_slash() {
        assert_eq!(rest("/olla/litellm"), "/");
        assert_eq!(rest("/olla/litellm/"), "/");
        assert_eq!(rest("/olla/litellm?x=1"), "/?x=1");
    }

    #[test]
    fn scopes_follow_the_prefix() {
        let profiles = Profiles::builtin();

        assert_eq!(route("/v1/chat/completions").unwrap().scope, Scope::All);
        assert_eq!(route("/olla/proxy/").unwrap().scope, Scope::All);
        let vllm = profiles.resolve("vllm").unwrap();
        assert_eq!(route("/olla/vllm/v1/models").unwrap().scope, Scope::Kind(vllm));
        let openai = profiles.resolve("openai-compatible").unwrap();
        assert_eq!(route("/olla/openai/v1/models").unwrap().scope, Scope::OpenAiCompatible(openai));
        assert_eq!(route("/olla/lm_studio/x").unwrap().scope, route("/olla/lmstudio/x").unwrap().scope);
    }

    #[test]
    fn a_prefix_for_the_clients_of_a_dialect_leads_everywhere() {
        let messages = route("/olla/anthropic/v1/messages?beta=true").unwrap();
        assert_eq!(
            (messages.scope, messages.format),
            (Scope::ClientsOf(Clients { dialect: Dialect::Anthropic, first: None }), Some(Format::Messages))
        );
        assert_eq!(route("/olla/anthropic/v1/models").unwrap().dialect, Dialect::Anthropic);
        let dialect = |target: &str| dialect_of(&target.parse().unwrap(), &Profiles::builtin());
        assert_eq!(dialect("/olla/anthropic/what"), Dialect::Anthropic);
        assert_eq!(dialect("/olla/ollama/v1/what"), Dialect::OpenAi);
        assert!(matches!(route("/olla/anthropic-api/v1/messages").unwrap().scope, Scope::Kind(_)));
    }

    #[test]
    fn where_a_kind_has_the_prefix_too_the_other_paths_are_for_its_backends() {
        let first = Profiles::builtin().resolve("ollama");
        let clients = Scope::ClientsOf(Clients { dialect: Dialect::Ollama, first });

        for target in ["/olla/ollama/api/chat", "/olla/ollama/api/tags", "/olla/ollama", "/olla/ollama/"] {
            assert_eq!(route(target).unwrap().scope, clients, "{target}");
        }
        for target in ["/olla/ollama/v1/chat/completions", "/olla/ollama/api/v1/models"] {
            assert_eq!(route(target).unwrap().scope, Scope::Kind(first.unwrap()), "{target}");
        }
    }

    #[test]
    fn what_clients_of_ollama_ask_for_is_at_the_root_where_that_is_set() {
        let profiles = Profiles::builtin();
        let mut settings = Settings::default();
        settings.ollama.at_root = true;
        let tongues = Tongues::new(&profiles, &settings);
        let at_root = |target: &str| read(&Method::POST, &target.parse().unwrap(), (&profiles, &tongues));

        for path in ["/", "/api/chat", "/api/ps"] {
            let (root, below) = (at_root(path).unwrap(), route(&format!("/olla/ollama{path}")).unwrap());
            assert_eq!(
                (root.scope, root.rest, root.dialect),
                (below.scope, below.rest, below.dialect),
                "{path}"
            );
        }
        for path in ["/api/v1/models", "/apis", "/x"] {
            assert!(matches!(at_root(path), Err(Error::UnknownPath)), "{path}");
        }
        assert!(matches!(route("/api/chat"), Err(Error::NotAtRoot)));
    }

    #[test]
    fn only_conversations_at_their_usual_path_are_translated() {
        assert_eq!(route("/v1/chat/completions").unwrap().format, Some(Format::Chat));
        assert_eq!(route("/olla/vllm/v1/messages").unwrap().format, Some(Format::Messages));
        for target in ["/olla/proxy/chat/completions", "/v1/completions", "/v1/messages/count_tokens"] {
            assert_eq!(route(target).unwrap().format, None, "{target}");
        }
    }

    #[test]
    fn refuses_what_is_no_route_and_what_climbs() {
        assert!(matches!(route("/olla/nothing/v1"), Err(Error::UnknownPrefix(p)) if &*p == "nothing"));
        assert!(matches!(route("/ollama"), Err(Error::UnknownPath)));
        assert!(matches!(route("/olla/proxy/../internal"), Err(Error::BadPath)));
        assert!(matches!(route("/olla/litellm/v1/%2e%2e/key/generate"), Err(Error::BadPath)));
    }

    #[test]
    fn inference_may_be_repeated_and_administration_may_not() {
        assert!(route("/v1/chat/completions").unwrap().replayable);
        assert!(route("/olla/ollama/api/show").unwrap().replayable);
        assert!(!route("/olla/litellm/key/generate").unwrap().replayable);
    }

    /// A request target.
    #[test]
    fn fuzz_route() {
        let words = [
            "/olla/", "proxy", "vllm", "/v1/", "..", "%2e", "%2f", "//", "?", "#", "http://h", "\\", "*", " ",
        ];
        let profiles = Profiles::builtin();
        let tongues = Tongues::new(&profiles, &Settings::default());
        olla_fuzz::fuzz("route", &words, |input| {
            let uri: Uri = std::str::from_utf8(input).ok()?.parse().ok()?;
            let route = read(&Method::POST, &uri, (&profiles, &tongues)).ok()?;

            let whole = uri.path_and_query()?.as_str();
            let rest = route.rest.as_str();
            assert!(rest.starts_with('/') && !has_dot_segment(route.rest.path()), "{whole:?}");
            let joined = format!("{}{rest}", prefix_of(&uri));
            assert!(
                joined == whole || joined.replacen("/?", "?", 1) == whole || joined == format!("{whole}/")
            );
            Some((format!("{:?}", route.scope), route.operation, route.rest.query().is_some()))
        });
    }
}

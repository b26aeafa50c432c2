//! The schema of a profile file: reads one YAML text into a [`Draft`], noting every mistake on the way.
//! `docs/profiles.md` is its manual.

mod answers;
mod details;
mod detection;
mod duration;
mod facts;
mod formats;
mod listing;
pub(crate) mod obsolete;
mod residency;

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, uri::PathAndQuery};
use olla_core::{Glob, PathRules};

use crate::{
    Details, ObsoleteKey, ProfileProblem, ResidencyRules, Spoken, VersionReport,
    answers::{Answer, Refusal},
    detection::Signature,
    json_path::JsonPath,
    listing::Shape,
    locate::Step,
    name_hints::NameHints,
    profile::CostlyPath,
    reader::{Node, Reader},
    shipped::SHIPPED,
};

/// One file as read: everything it says, and what it leaves to others as `None`.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) prefixes: Vec<Box<str>>,
    pub(crate) openai_compatible: bool,
    pub(crate) spans_openai_compatible: Option<bool>,
    pub(crate) paths: PathRules,
    pub(crate) openai_base: Option<String>,
    pub(crate) formats: Option<Vec<Spoken>>,
    pub(crate) older_messages: Option<OlderMessages>,
    pub(crate) version: Option<VersionReport>,
    pub(crate) headers: Option<Vec<(HeaderName, HeaderValue)>>,
    pub(crate) listing_path: String,
    pub(crate) health_path: String,
    pub(crate) default_ports: Vec<u16>,
    pub(crate) first_byte_timeout: Option<Duration>,
    pub(crate) unknown_path_body: Option<String>,
    pub(crate) costly_health: Option<Vec<CostlyPath>>,
    pub(crate) rank: Option<u32>,
    pub(crate) signatures: Option<Vec<Signature>>,
    pub(crate) listing: Listing,
    pub(crate) details: Option<Vec<Details>>,
    pub(crate) residency: Option<ResidencyRules>,
    pub(crate) answers: Option<Vec<Answer>>,
    pub(crate) refuses: Option<Vec<Refusal>>,
    pub(crate) hints: NameHints,
}

pub(crate) use formats::OlderMessages;

/// How a file declares the shape of its listing.
#[derive(Debug)]
pub(crate) enum Listing {
    /// In its own words.
    Own(Arc<Shape>),
    /// Like that of a shipped kind, named at this place of the file.
    Like(String, Vec<Step>),
    /// Not at all.
    Unsaid,
}

/// What reading a file yields.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// `None` if the file does not even say which kind it is about.
    pub(crate) draft: Option<Draft<'a>>,
    pub(crate) problems: Vec<ProfileProblem>,
    pub(crate) obsolete: Vec<ObsoleteKey>,
}

// === impl Draft ===

impl Draft<'_> {
    /// Returns everything the kind is called: its name, then its prefixes.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.name).chain(self.prefixes.iter().map(|prefix| &**prefix))
    }

    /// Returns whether the text is part of the program.
    pub(crate) fn is_shipped(&self) -> bool {
        SHIPPED.contains(&(self.file, self.text))
    }
}

/// Reads a profile file.
pub(crate) fn read<'a>(file: &'a str, text: &'a str) -> Reading<'a> {
    let mut reader = Reader::of_profile(file, text);
    let document = reader.document();
    let draft = document.and_then(|document| draft(&mut reader, &Node::root(&document), file, text));
    Reading { draft, problems: reader.problems, obsolete: reader.obsolete }
}

fn draft<'a>(r: &mut Reader<'_>, root: &Node<'_>, file: &'a str, text: &'a str) -> Option<Draft<'a>> {
    const KEYS: [&str; 14] = [
        "name",
        "display_name",
        "routing",
        "api",
        "health",
        "detection",
        "models",
        "listing",
        "details",
        "residency",
        "reported_version",
        "answers",
        "refuses",
        "request",
    ];
    r.keys(root, &KEYS);
    if !root.is_mapping() {
        return None;
    }
    let (prefixes, spans_openai_compatible) = routing(r, root.get("routing"));
    let api = api(r, root);
    let costly_health = root.get("health").map(|health| costly_paths(r, &health));
    let (default_ports, rank, signatures) = detection(r, root.get("detection"));
    let listing = choose_listing(r, root);
    let details = details(r, root.get("details"));
    let residency = root.get("residency").and_then(|node| residency::read(r, &node));
    let version = root.get("reported_version").and_then(|node| formats::version_report(r, &node));
    let answers = answers::read(r, root.get("answers"));
    let refuses = answers::refusals(r, root.get("refuses"));
    let hints = hints(r, root.get("models"));
    let name = name(r, root)?;
    let display_name = r.text(root.get("display_name")).unwrap_or_else(|| name.clone());
    Some(Draft {
        file,
        text,
        name,
        display_name,
        prefixes,
        openai_compatible: api.openai_compatible,
        spans_openai_compatible,
        paths: api.paths,
        openai_base: api.openai_base,
        formats: api.formats,
        older_messages: api.older_messages,
        headers: api.headers,
        listing_path: api.listing_path,
        health_path: api.health_path,
        default_ports,
        first_byte_timeout: api.first_byte_timeout,
        unknown_path_body: api.unknown_path_body,
        costly_health,
        rank,
        signatures,
        listing,
        details,
        residency,
        version,
        answers,
        refuses,
        hints,
    })
}

fn name(r: &mut Reader<'_>, root: &Node<'_>) -> Option<String> {
    let node = r.required(root, "name")?;
    let name = r.text(Some(node.clone()))?;
    if !is_segment(&name) || RESERVED_NAMES.contains(&&*name) {
        r.problem(&node, NOT_A_NAME);
        return None;
    }
    Some(name)
}

fn routing(r: &mut Reader<'_>, node: Option<Node<'_>>) -> (Vec<Box<str>>, Option<bool>) {
    let Some(node) = node else { return (vec![], None) };
    r.keys(&node, &["prefixes", "spans_openai_compatible"]);
    let mut prefixes = vec![];
    for element in r.one_or_many(node.get("prefixes")) {
        let Some(prefix) = r.text(Some(element.clone())) else { continue };
        if is_segment(&prefix) && !RESERVED.contains(&&*prefix) {
            prefixes.push(prefix.into());
        } else {
            let bare = prefix.trim_matches('/');
            let suggestion = (bare != prefix && is_segment(bare)).then(|| bare.to_owned());
            r.problem_with_suggestion(&element, NOT_A_SEGMENT, suggestion);
        }
    }
    (prefixes, r.flag(node.get("spans_openai_compatible")))
}

/// The `api` block.
struct Api {
    openai_compatible: bool,
    paths: PathRules,
    openai_base: Option<String>,
    formats: Option<Vec<Spoken>>,
    older_messages: Option<OlderMessages>,
    headers: Option<Vec<(HeaderName, HeaderValue)>>,
    listing_path: String,
    health_path: String,
    first_byte_timeout: Option<Duration>,
    unknown_path_body: Option<String>,
}

fn api(r: &mut Reader<'_>, root: &Node<'_>) -> Api {
    let node = root.get("api");
    if let Some(node) = &node {
        r.keys(
            node,
            &[
                "openai_compatible",
                "paths",
                "openai_base",
                "formats",
                "headers",
                "anthropic_support",
                "model_discovery_path",
                "health_check_path",
                "first_byte_timeout",
                "unknown_path_body",
            ],
        );
    }
    let get = |key| node.as_ref().and_then(|node| node.get(key));
    let paths = paths(r, get("paths"));
    if get("paths").is_none() {
        r.problem(node.as_ref().unwrap_or(root), "needs `api.paths`: nothing else is forwarded");
    }
    Api {
        openai_compatible: r.flag(get("openai_compatible")).unwrap_or(false),
        paths,
        openai_base: request_path(r, get("openai_base")).map(|base| base.trim_end_matches('/').to_owned()),
        formats: formats::read(r, get("formats")),
        older_messages: get("anthropic_support").map(|node| formats::older(r, &node)),
        headers: get("headers").map(|node| headers(r, &node)),
        listing_path: request_path(r, get("model_discovery_path")).unwrap_or_else(|| "/v1/models".into()),
        health_path: request_path(r, get("health_check_path")).unwrap_or_else(|| "/".into()),
        first_byte_timeout: duration::read(r, get("first_byte_timeout")),
        unknown_path_body: r.text(get("unknown_path_body")),
    }
}

fn paths(r: &mut Reader<'_>, node: Option<Node<'_>>) -> PathRules {
    let mut rules = vec![];
    for element in r.list(node) {
        let Some(rule) = r.text(Some(element.clone())) else { continue };
        match PathRules::parse([&*rule]) {
            Ok(_) => rules.push(rule),
            Err(error) => r.problem(&element, error.to_string()),
        }
    }
    PathRules::parse(rules.iter().map(|rule| &**rule)).unwrap_or_default()
}

fn headers(r: &mut Reader<'_>, node: &Node<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![];
    for (name, value) in node.entries() {
        let Some(text) = r.text(Some(value.clone())) else { continue };
        match (HeaderName::try_from(name), HeaderValue::try_from(text)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => r.problem(&value, "cannot be a header"),
        }
    }
    headers
}

fn costly_paths(r: &mut Reader<'_>, health: &Node<'_>) -> Vec<CostlyPath> {
    r.keys(health, &["costly_paths"]);
    let mut costly = vec![];
    for element in r.list(health.get("costly_paths")) {
        r.keys(&element, &["path", "reason"]);
        let path = r.required(&element, "path");
        let path = request_path(r, path);
        let reason = r.required(&element, "reason");
        if let (Some(path), Some(reason)) = (path, r.text(reason)) {
            costly.push(CostlyPath { path: path.into(), reason: reason.into() });
        }
    }
    costly
}

fn detection(r: &mut Reader<'_>, node: Option<Node<'_>>) -> (Vec<u16>, Option<u32>, Option<Vec<Signature>>) {
    let Some(node) = node else { return (vec![], None, None) };
    r.keys(&node, &["default_ports", "rank", "signatures"]);
    let ports = r.one_or_many(node.get("default_ports"));
    let ports = ports.into_iter().filter_map(|port| r.number(Some(port))).collect();
    let signatures = node.get("signatures").map(|signatures| {
        let elements = r.list(Some(signatures));
        elements.iter().filter_map(|element| detection::signature(r, element)).collect()
    });
    (ports, r.number(node.get("rank")), signatures)
}

fn choose_listing(r: &mut Reader<'_>, root: &Node<'_>) -> Listing {
    let request = root.get("request");
    if let Some(request) = &request {
        r.keys(request, &["response_format"]);
    }
    let older = request.and_then(|request| request.get("response_format"));
    match (root.get("listing"), older) {
        (Some(listing), Some(_)) => {
            r.problem(&listing, "and request.response_format both say how models are listed; keep one");
            Listing::Unsaid
        }
        (Some(listing), None) if listing.is_mapping() => Listing::Own(Arc::new(listing::read(r, &listing))),
        (Some(named), None) | (None, Some(named)) => {
            let place = named.path().to_vec();
            r.text(Some(named)).map_or(Listing::Unsaid, |kind| Listing::Like(kind, place))
        }
        (None, None) => Listing::Unsaid,
    }
}

fn details(r: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<Vec<Details>> {
    let questions = r.list(Some(node?));
    Some(questions.iter().filter_map(|question| details::read(r, question)).collect())
}

fn hints(r: &mut Reader<'_>, node: Option<Node<'_>>) -> NameHints {
    let Some(node) = node else { return NameHints::default() };
    r.keys(&node, &["provider_prefixes", "capability_patterns", "context_patterns"]);
    let providers = r.texts(node.get("provider_prefixes"));
    let mut hints = NameHints {
        providers: providers.iter().map(|provider| provider.trim_end_matches('/').into()).collect(),
        ..NameHints::default()
    };
    if let Some(capabilities) = node.get("capability_patterns") {
        r.keys(&capabilities, &obsolete::CAPABILITIES);
        hints.embeddings = globs(r, capabilities.get("embeddings"));
        hints.vision = globs(r, capabilities.get("vision"));
    }
    for element in r.list(node.get("context_patterns")) {
        r.keys(&element, &["pattern", "context"]);
        let pattern = r.required(&element, "pattern");
        let pattern = globs(r, pattern).pop();
        let context = r.required(&element, "context");
        if let (Some(pattern), Some(tokens)) = (pattern, r.number(context)) {
            hints.contexts.push((pattern, tokens));
        }
    }
    hints
}

fn globs(r: &mut Reader<'_>, node: Option<Node<'_>>) -> Vec<Glob> {
    r.texts(node).iter().filter_map(|text| Glob::parse(text).ok()).collect()
}

/// Reads a path that a request can ask for.
fn request_path(r: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<String> {
    let node = node?;
    let path = r.text(Some(node.clone()))?;
    if path.starts_with('/') && path.parse::<PathAndQuery>().is_ok() {
        return Some(path);
    }
    r.problem(&node, "must be a path that begins with /");
    None
}

/// Reads a place in a JSON document.
fn json_path(r: &mut Reader<'_>, node: &Node<'_>) -> Option<JsonPath> {
    let path = JsonPath::parse(&r.text(Some(node.clone()))?);
    if path.is_none() {
        r.problem(node, "must be a dotted path such as details.family, or . for the value itself");
    }
    path
}

const NOT_A_NAME: &str =
    "must be one word of letters, digits, `-`, `_` and `.`, and none of auto, proxy and models";
const NOT_A_SEGMENT: &str =
    "must be one word of letters, digits, `-`, `_` and `.`, and none of auto, proxy, models and anthropic";

/// A kind may be called `anthropic`, while the segment leads to every kind that can be asked in that dialect.
const RESERVED_NAMES: [&str; 3] = ["auto", "proxy", "models"];
/// `auto` asks for recognition; the others are segments after `/olla/` that lead elsewhere.
const RESERVED: [&str; 4] = ["auto", "proxy", "models", "anthropic"];

fn is_segment(text: &str) -> bool {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins_well && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

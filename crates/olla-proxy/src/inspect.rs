//! Reads enough of a request to route it by model: the whole body, bounded in size and time.

use std::{ops::Range, sync::Arc};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, header::CONTENT_ENCODING, request};
use http_body::Body;
use http_body_util::BodyExt;
use olla_core::Needs;
use olla_translate::{Dialect, Operation};
use tokio::time::Instant;

use crate::{
    Error,
    deadline::within,
    glance::Glance,
    policy::size::MAX_BODY_KEY,
    replay::Replay,
    responses::Turn,
    route::Route,
    scan::{Encoding, Facts, Found, FoundModel, Scanner},
    settings::Limits,
};

/// A request that is complete, can be sent more than once, and whose model is known if it names one.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) head: Box<request::Parts>,
    pub(crate) glance: Glance,
    pub(crate) route: Route,
    pub(crate) body: Replay,
    pub(crate) model: Option<NamedModel>,
    pub(crate) needs: Needs,
    /// Whether it asks for a stream.
    pub(crate) streams: bool,
    /// Where it names an earlier response.
    previous: Option<Range<u64>>,
    /// Its part in a conversation of Responses.
    pub(crate) turn: Option<Box<Turn>>,
}

/// The model a request names, and where and how the body does.
#[derive(Debug, Clone)]
pub(crate) struct NamedModel {
    pub(crate) name: Arc<str>,
    span: Range<u64>,
    encoding: Encoding,
    /// Whether blanks stand around the name in the body.
    padded: bool,
}

/// Longest model name, in bytes. What is longer is none.
const MAX_NAME: usize = 1024;
/// The longest name in its longest spelling: every byte a JSON escape, in quotes.
const MAX_RAW_NAME: u64 = "\\u0000".len() as u64 * MAX_NAME as u64 + 2;

/// Reads the body of a request that has `started`; `own_limit` is what holds for these clients besides the limit for
/// all. Cancel-safe: dropping the future drops the request.
pub(crate) async fn read<B>(
    (head, mut body): (Box<request::Parts>, B),
    (route, glance): (Route, Glance),
    (limits, own_limit): (&Limits, Option<u64>),
    started: Instant,
) -> Result<Box<Inbound>, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    if glance.has_content_encoding
        && route.operation.changes_nothing()
        && let Some(encoding) = head.headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Error::Compressed { encoding: encoding.to_str().unwrap_or("unknown").into() });
    }
    let mut scanner = Scanner::new(&head.headers);
    let mut replay = Replay::default();
    if !body.is_end_stream() && !matches!(head.method, Method::HEAD | Method::TRACE) {
        let (limit, key) = largest(limits, own_limit);
        let deadline = Some(limits.body_timeout).filter(|limit| !limit.is_zero());
        let deadline = deadline.and_then(|limit| started.checked_add(limit));
        let too_late = |_| Error::BodyTimeout { limit: limits.body_timeout };
        while let Some(frame) = within(deadline, body.frame()).await.map_err(too_late)? {
            let Ok(chunk) = frame.map_err(|_| Error::BodyBroken)?.into_data() else { continue };
            if limit > 0 && replay.len() + chunk.len() as u64 > limit {
                return Err(Error::BodyTooLarge { limit_bytes: limit, key });
            }
            if chunk.has_remaining() {
                scanner.feed(&chunk);
                replay.push(chunk);
            }
        }
    }
    let found = scanner.finish();
    // alloc: it goes through several stages, and would be copied for each.
    Ok(Box::write(Box::new_uninit(), Inbound::new((head, glance, route), replay, found)))
}

/// The limit that is met first, with its key; zero is none.
fn largest(limits: &Limits, own_limit: Option<u64>) -> (u64, &'static str) {
    let general = (limits.max_body_bytes, MAX_BODY_KEY);
    match own_limit {
        Some(own) if general.0 == 0 || own < general.0 => (own, "translators.anthropic.max_message_size"),
        _ => general,
    }
}

/// Looks through a JSON body of our own.
fn scan_json(body: &[u8]) -> Found {
    let headers = HeaderMap::new();
    let mut scanner = Scanner::new(&headers);
    scanner.feed(body);
    scanner.finish()
}

/// Says what a request needs of a model, as far as that is sure.
fn needs(route: &Route, facts: &Facts) -> Needs {
    use Operation::*;

    let generates = matches!(route.operation, Chat | Completion | Responses | Messages);
    // Without a prompt, Ollama loads and unloads models of every kind.
    let only_loads = route.dialect == Dialect::Ollama && facts.text_bytes == 0;
    Needs {
        chat: generates && !only_loads,
        images: generates && facts.images,
        // Completions have no tools: servers ignore the field.
        tools: generates && route.operation != Completion && facts.tools,
        embeddings: route.operation == Embedding,
        text_bytes: match route.operation {
            Chat | Responses | Messages => facts.text_bytes,
            // There may be several prompts in it, each with a context of its own.
            Completion | Embedding => facts.longest_text,
            // Backends cut documents to be ranked, and who counts wants to know how much is too much.
            Scoring | Media | CountTokens | ListModels | ShowModel | Other => 0,
        },
    }
}

/// Says whether a request asks for a stream. In Ollama's dialect it does unless it says no.
fn streams(route: &Route, facts: &Facts) -> bool {
    let streams_by_itself = route.dialect == Dialect::Ollama
        && matches!(route.operation, Operation::Chat | Operation::Completion);
    facts.stream.unwrap_or(streams_by_itself)
}

// === impl Inbound ===

impl Inbound {
    fn new((head, glance, route): (Box<request::Parts>, Glance, Route), body: Replay, found: Found) -> Self {
        let (needs, streams) = (needs(&route, &found.facts), streams(&route, &found.facts));
        let model = found.model.and_then(|model| NamedModel::read(model, &body));
        Self { head, glance, route, body, model, needs, streams, previous: found.previous, turn: None }
    }

    /// Returns the id of the response that the request goes on from.
    pub(crate) fn previous_response(&self) -> Option<Box<str>> {
        let span = self.previous.clone().filter(|span| span.end - span.start <= MAX_RAW_NAME)?;
        let raw = self.body.slice(span);
        Encoding::Json.decode(&raw).filter(|id| !id.is_empty()).map(Box::from)
    }

    /// Puts another JSON body in place of this one, as if the client had sent that.
    pub(crate) fn replace_json(&mut self, body: Bytes) {
        let found = scan_json(&body);
        self.body = Replay::default();
        self.body.push(body);
        (self.needs, self.previous) = (needs(&self.route, &found.facts), found.previous);
        self.model = found.model.and_then(|model| NamedModel::read(model, &self.body));
    }
}

// === impl NamedModel ===

impl NamedModel {
    fn read(found: FoundModel, body: &Replay) -> Option<Self> {
        let FoundModel { span, encoding } = found;
        if span.end - span.start > MAX_RAW_NAME {
            return None;
        }
        let raw = body.slice(span.clone());
        let written = encoding.decode(&raw)?;
        let name = written.trim();
        let padded = name.len() < written.len();
        (!name.is_empty() && name.len() <= MAX_NAME).then(|| Self {
            name: name.into(),
            span,
            encoding,
            padded,
        })
    }

    /// Finds the model that a JSON body names.
    pub(crate) fn find(body: &Replay) -> Option<Self> {
        Self::read(scan_json(&body.whole()).model?, body)
    }

    /// Returns the body with the name that was looked up, where it is not quite the one that stands there.
    pub(crate) fn tidied(&self, body: &Replay) -> Option<Replay> {
        self.padded.then(|| self.rename(body, &self.name))
    }

    /// Returns the body with another name in this one's place.
    pub(crate) fn rename(&self, body: &Replay, name: &str) -> Replay {
        body.splice(self.span.clone(), self.encoding.encode(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, header::CONTENT_TYPE};

    fn name(content_type: &str, chunks: &[&str]) -> Option<Arc<str>> {
        let head = Request::builder().header(CONTENT_TYPE, content_type).body(()).unwrap();
        let mut scanner = Scanner::new(head.headers());
        let mut body = Replay::default();
        for chunk in chunks {
            scanner.feed(chunk.as_bytes());
            body.push(Bytes::copy_from_slice(chunk.as_bytes()));
        }
        NamedModel::read(scanner.finish().model?, &body).map(|model| model.name)
    }

    #[test]
    fn a_name_cut_into_chunks_is_one_name() {
        let json = name("application/json", &["{\"model\":\"qw", "e", "n\",\"n\":1}"]);
        let form = name("application/x-www-form-urlencoded", &["model=qw", "e", "%", "6e&n=1"]);

        assert_eq!((json.as_deref(), form.as_deref()), (Some("qwen"), Some("qwen")));
    }

    #[test]
    fn a_name_of_a_kibibyte_is_a_name_in_every_spelling_and_a_longer_one_is_none() {
        for (content_type, before, letter, after) in [
            ("application/json", "{\"model\":\"", "x", "\"}"),
            ("application/json", "{\"model\":\"", "\\u0078", "\"}"),
            ("application/x-www-form-urlencoded", "model=", "%78", "&n=1"),
            (
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=model\r\n\r\n",
                "x",
                "\r\n--b--",
            ),
        ] {
            let longest = letter.repeat(MAX_NAME);

            assert_eq!(name(content_type, &[before, &longest, after]).map(|n| n.len()), Some(MAX_NAME));
            assert_eq!(name(content_type, &[before, &longest, letter, after]), None);
        }
    }

    #[test]
    fn a_blank_name_is_none() {
        assert_eq!(name("", &[r#"{"model":" "}"#]), None);
        assert_eq!(name("application/x-www-form-urlencoded", &["model=+&n=1"]), None);
    }

    fn route(head: &request::Parts) -> Route {
        let profiles = olla_profiles::Profiles::builtin();
        let tongues = crate::tongues::Tongues::new(&profiles, &crate::Settings::default());
        crate::route::read(&head.method, &head.uri, (&profiles, &tongues)).unwrap()
    }

    fn inbound(path: &str, body: &str) -> Inbound {
        let head = Request::builder().method(Method::POST).uri(path).body(()).unwrap().into_parts().0;
        let route = route(&head);
        let mut scanner = Scanner::new(&head.headers);
        scanner.feed(body.as_bytes());
        let found = scanner.finish();
        Inbound::new((Box::new(head), Glance::default(), route), Replay::default(), found)
    }

    #[test]
    fn only_who_asks_for_text_needs_images_tools_and_chat() {
        let body = r#"{"messages":[{"content":"abc","images":["x"]}],"tools":[1],"input":["ab"]}"#;
        for (path, chat, embeddings, text_bytes) in [
            ("/v1/chat/completions", true, false, 5),
            ("/v1/completions", true, false, 3),
            ("/v1/messages", true, false, 5),
            ("/v1/responses", true, false, 5),
            ("/olla/proxy/api/chat", true, false, 5),
            ("/olla/proxy/api/generate", true, false, 3),
            ("/v1/embeddings", false, true, 3),
            ("/v1/rerank", false, false, 0),
            ("/v1/images/edits", false, false, 0),
            ("/v1/messages/count_tokens", false, false, 0),
            ("/olla/proxy/api/show", false, false, 0),
        ] {
            let needs = inbound(path, body).needs;

            let tools = chat && !matches!(path, "/v1/completions" | "/olla/proxy/api/generate");
            let expected = Needs { chat, images: chat, tools, embeddings, text_bytes };
            assert_eq!(needs, expected, "{path}");
        }
    }

    #[test]
    fn loading_and_unloading_a_model_needs_no_chat() {
        let body = r#"{"model":"m","prompt":"","keep_alive":0}"#;

        assert!(!inbound("/olla/proxy/api/generate", body).needs.chat);
        assert!(inbound("/v1/completions", body).needs.chat);
    }

    #[test]
    fn ollama_streams_unless_told_not_to_and_the_others_when_told_to() {
        for (path, body, streams) in [
            ("/olla/proxy/api/chat", "{}", true),
            ("/olla/proxy/api/generate", r#"{"stream":null}"#, true),
            ("/olla/proxy/api/chat", r#"{"stream":false}"#, false),
            ("/olla/proxy/api/embed", "{}", false),
            ("/v1/chat/completions", "{}", false),
            ("/v1/chat/completions", r#"{"stream":true}"#, true),
            ("/v1/messages", r#"{"stream":true,"stream":false}"#, false),
        ] {
            assert_eq!(inbound(path, body).streams, streams, "{path} {body}");
        }
    }
}

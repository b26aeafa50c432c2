//! What those are told who open a base URL of clients, to see whether anybody is there.

use http::{Method, request};
use olla_core::Fleet;

use crate::{Error, candidates::Reach, respond::Reply};

/// What stands before the paths of an API; below the other prefixes, backends may have something to say.
const BASES: [&str; 5] = ["/", "/v1", "/v1/", "/olla", "/olla/"];
const TEXT: &str = "Olla is running. OpenAI's API is at /v1, Anthropic's at /olla/anthropic and Ollama's at /olla/ollama; \
                    GET /internal/status says what is behind them.\n";

/// Answers in the place of an error those who open what is no route, and the base URL of clients.
pub(crate) fn instead(head: &request::Parts, error: Error) -> Result<Reply, Error> {
    if reads(&head.method) && BASES.contains(&head.uri.path()) { Ok(Reply::text(TEXT)) } else { Err(error) }
}

/// Answers those who open the base URL of a prefix, where no backend would.
pub(crate) fn at_prefix(reach: &Reach<'_>, fleet: &Fleet) -> Option<Reply> {
    let route = reach.route;
    let opened = reads(&route.method) && matches!(route.rest.path(), "/" | "/v1" | "/v1/");
    (opened && !reach.is_forwarded(fleet)).then(|| Reply::text(TEXT))
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

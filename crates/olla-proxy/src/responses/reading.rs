//! `GET` and `DELETE /v1/responses/{id}`, and `GET /v1/responses/{id}/input_items`, for responses that are kept here.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use olla_core::Fleet;
use olla_translate::ItemPage;
use serde_json::json;

use super::{
    memory::{Kept, Known, Memory, Owner},
    output,
};
use crate::{Error, candidates::Reach, catalogue::Query};

const ABOVE: &str = "/v1/responses/";
const ITEMS: &str = "/input_items";

/// Answers a request for a response that is kept here. Others may be known to a backend that forwards the path; where
/// there is none, nobody has them.
pub(crate) fn answer(
    headers: &HeaderMap,
    (reach, fleet): (&Reach<'_>, &Fleet),
    memory: Option<&Memory>,
) -> Result<Option<Bytes>, Error> {
    let method = &reach.route.method;
    let Some(path) = reach.route.rest.path().strip_prefix(ABOVE) else { return Ok(None) };
    let (id, asks_for_items) = path.strip_suffix(ITEMS).map_or((path, false), |id| (id, true));
    if !matches!(*method, Method::GET | Method::HEAD | Method::DELETE) || id.is_empty() || id.contains('/') {
        return Ok(None);
    }
    let items = asks_for_items.then(|| Query::read(reach.route.rest.query()));
    match memory.and_then(|memory| kept(headers, (method, id, items), memory)) {
        Some(document) => Ok(Some(document)),
        None if reach.is_forwarded(fleet) => Ok(None),
        None => Err(Error::UnknownResponse { id: id.into() }),
    }
}

fn kept(
    headers: &HeaderMap,
    (method, id, page): (&Method, &str, Option<Query>),
    memory: &Memory,
) -> Option<Bytes> {
    let owner = Owner::of(headers, memory);
    let Known::Kept(turn) = memory.find(owner, id)? else { return None };
    match (method, page) {
        (&Method::GET | &Method::HEAD, Some(page)) => {
            let turns = memory.conversation(owner, turn)?;
            Some(items(id, &turns, &page))
        }
        (&Method::GET | &Method::HEAD, None) => Some(Bytes::copy_from_slice(&turn.response)),
        (&Method::DELETE, None) if memory.forget(owner, id) => {
            let document = json!({ "id": id, "object": "response", "deleted": true });
            Some(Bytes::from(document.to_string()))
        }
        _ => None,
    }
}

/// Lists all that the last response of a conversation was made of: what was said before it too.
fn items(id: &str, turns: &[Arc<Kept>], query: &Query) -> Bytes {
    let turns = turns.iter();
    let previous = turns.clone().skip(1).map(|turn| turn.previous.as_deref().unwrap_or_default());
    let mut lists: Vec<(&str, &[u8])> = Vec::with_capacity(turns.len() * 2);
    for (turn, id) in turns.zip(previous.chain([id])) {
        lists.extend([(id, &*turn.input), (id, output(turn))]);
    }
    lists.pop();
    let usual = ItemPage::default();
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usual.limit);
    let page = ItemPage {
        after: query.get("after"),
        limit: limit.clamp(1, ItemPage::MOST),
        oldest_first: query.get("order") == Some("asc"),
    };
    page.of(&lists)
}

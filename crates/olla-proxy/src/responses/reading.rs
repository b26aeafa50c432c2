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
    match memory.map_or(Ok(None), |memory| kept(headers, (method, id, items), memory))? {
        Some(document) => Ok(Some(document)),
        None if reach.is_forwarded(fleet) => Ok(None),
        None => Err(Error::UnknownResponse { id: id.into() }),
    }
}

fn kept(
    headers: &HeaderMap,
    (method, id, page): (&Method, &str, Option<Query>),
    memory: &Memory,
) -> Result<Option<Bytes>, Error> {
    let owner = Owner::of(headers, memory);
    let Some(Known::Kept(turn)) = memory.find(owner, id) else { return Ok(None) };
    Ok(match (method, page) {
        (&Method::GET | &Method::HEAD, Some(page)) => {
            let turns = memory.conversation(owner, turn);
            turns.map(|turns| items(id, &turns, &page)).transpose()?
        }
        (&Method::GET | &Method::HEAD, None) => Some(Bytes::copy_from_slice(&turn.response)),
        (&Method::DELETE, None) if memory.forget(owner, id) => {
            let document = json!({ "id": id, "object": "response", "deleted": true });
            Some(Bytes::from(document.to_string()))
        }
        _ => None,
    })
}

/// Lists all that the last response of a conversation was made of: what was said before it too.
fn items(id: &str, turns: &[Arc<Kept>], query: &Query) -> Result<Bytes, Error> {
    let page = page(query)?;
    let turns = turns.iter();
    let previous = turns.clone().skip(1).map(|turn| turn.previous.as_deref().unwrap_or_default());
    let mut lists: Vec<(&str, &[u8])> = Vec::with_capacity(turns.len() * 2);
    for (turn, id) in turns.zip(previous.chain([id])) {
        lists.extend([(id, &*turn.input), (id, output(turn))]);
    }
    lists.pop();
    page.of(&lists)
        .ok_or_else(|| bad("after", page.after.unwrap_or_default(), "the id of an item of this response"))
}

/// Reads which items are asked for.
fn page(query: &Query) -> Result<ItemPage<'_>, Error> {
    let usual = ItemPage::default();
    let limit = match query.get("limit") {
        None => usual.limit,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=ItemPage::MOST).contains(limit));
            limit.ok_or_else(|| bad("limit", text, &format!("a number from 1 to {}", ItemPage::MOST)))?
        }
    };
    let oldest_first = match query.get("order") {
        None => usual.oldest_first,
        Some("asc") => true,
        Some("desc") => false,
        Some(other) => return Err(Error::bad_parameter("order", other, ["asc", "desc"])),
    };
    Ok(ItemPage { after: query.get("after"), limit, oldest_first })
}

fn bad(name: &'static str, value: &str, allowed: &str) -> Error {
    Error::BadParameter { name, value: value.into(), allowed: allowed.into() }
}

//! `GET` and `DELETE /v1/responses/{id}`, for responses that are kept here.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::json;

use super::memory::{Known, Memory, Owner};
use crate::route::Route;

const ABOVE: &str = "/v1/responses/";

/// Answers a request for a response that is kept here. Others may be known to a backend.
pub(crate) fn answer(headers: &HeaderMap, route: &Route, memory: Option<&Memory>) -> Option<Bytes> {
    let id = route.rest.path().strip_prefix(ABOVE)?;
    let memory = memory?;
    let owner = Owner::of(headers, memory);
    match (&route.method, memory.find(owner, id)?) {
        (&Method::GET | &Method::HEAD, Known::Kept(turn)) => Some(Bytes::copy_from_slice(&turn.response)),
        (&Method::DELETE, Known::Kept(_)) if memory.forget(owner, id) => {
            let document = json!({ "id": id, "object": "response", "deleted": true });
            Some(Bytes::from(document.to_string()))
        }
        _ => None,
    }
}

//! Model lists in OpenAI's shape, answered from the fleet (`GET …/v1/models`, `GET …/v1/models/{id}`).

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::Method;
use olla_core::{Endpoint, Fleet};
use olla_profiles::Profiles;
use serde_json::{Value, json};

use crate::{Error, candidates, route::Route};

const MODELS: &str = "/v1/models";

/// Answers a request for models, or returns `None` when it is for something else.
///
/// A model is listed while one endpoint that has it is routable. An empty list is an answer, not an error.
pub(crate) fn answer(
    method: &Method,
    route: &Route,
    fleet: &Fleet,
    profiles: &Profiles,
) -> Result<Option<Bytes>, Error> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let Some(rest) = route.rest.path().strip_prefix(MODELS) else { return Ok(None) };
    let listed = collect(route, fleet, profiles);
    let document = match rest.strip_prefix('/') {
        None if rest.is_empty() => {
            let data: Vec<_> = listed.values().cloned().collect();
            json!({ "object": "list", "data": data })
        }
        None => return Ok(None),
        Some(encoded) => {
            let id = percent_decode(encoded);
            find(&listed, &id).cloned().ok_or_else(|| Error::ModelNotFound {
                model: Arc::from(&*id),
                models_path: MODELS.into(),
                reason: "model_not_found",
            })?
        }
    };
    Ok(Some(Bytes::from(document.to_string())))
}

/// Finds a model as requests do: exactly, else ignoring case.
fn find<'l>(listed: &'l BTreeMap<Arc<str>, Value>, id: &str) -> Option<&'l Value> {
    listed.get(id).or_else(|| {
        let folded = id.to_lowercase();
        listed.iter().find(|(name, _)| name.to_lowercase() == folded).map(|(_, model)| model)
    })
}

/// Collects the models of the endpoints in scope, sorted by name, each once; aliases are marked.
fn collect(route: &Route, fleet: &Fleet, profiles: &Profiles) -> BTreeMap<Arc<str>, Value> {
    let mut listed = BTreeMap::new();
    let routable =
        |e: &&Arc<Endpoint>| e.live.status().is_routable() && candidates::in_scope(e, route.scope, profiles);
    for model in fleet.endpoints().iter().filter(routable).flat_map(|e| &*e.models) {
        listed.entry(Arc::clone(&model.name)).or_insert_with(
            || json!({ "id": model.name, "object": "model", "created": created(model), "owned_by": "olla" }),
        );
    }
    let aliases: Vec<_> =
        fleet.aliases().names().into_iter().filter(|name| !listed.contains_key(*name)).collect();
    for name in aliases {
        let targets = fleet.aliases().targets(name).unwrap_or_default();
        if targets.iter().any(|target| listed.contains_key(&**target)) {
            let alias = json!({ "id": name, "object": "model", "created": 0, "owned_by": "olla", "alias_of": targets });
            listed.insert(Arc::from(name), alias);
        }
    }
    listed
}

/// Returns the creation time that the backend tells, as Unix seconds, or 0: the same at every request.
fn created(model: &olla_core::Model) -> u64 {
    model.modified.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

//! Model lists in OpenAI's shape, answered from the fleet (`GET …/v1/models`, `GET …/v1/models/{id}`).

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::Method;
use olla_core::{Endpoint, Fleet, Model};
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
    let listed = Listed { route, fleet, profiles };
    let document = match rest.strip_prefix('/') {
        None if !rest.is_empty() => return Ok(None),
        None | Some("") => listed.all(),
        Some(encoded) => {
            let id = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
            listed.one(&id).ok_or_else(|| Error::ModelNotFound {
                model: Arc::from(&*id),
                kind: candidates::kind_or_any(route.scope, profiles),
                reason: "model_not_found",
            })?
        }
    };
    Ok(Some(Bytes::from(document.to_string())))
}

/// What a route may list.
struct Listed<'a> {
    route: &'a Route,
    fleet: &'a Fleet,
    profiles: &'a Profiles,
}

// === impl Listed ===

impl Listed<'_> {
    fn all(&self) -> Value {
        let data: Vec<_> = self.by_name().into_values().collect();
        json!({ "object": "list", "data": data })
    }

    /// Finds a model as requests do: exactly, else ignoring case, else by a pattern that stands for it.
    fn one(&self, id: &str) -> Option<Value> {
        let mut listed = self.by_name();
        let folded = id.to_lowercase();
        let known = listed.remove(id).or_else(|| {
            listed.into_iter().find(|(name, _)| name.to_lowercase() == folded).map(|(_, document)| document)
        });
        known.or_else(|| {
            let found = self.fleet.lookup(id);
            let endpoints =
                found.iter().filter_map(|placement| self.fleet.endpoints().get(placement.endpoint));
            endpoints.into_iter().any(|endpoint| self.shows(endpoint)).then(|| document(id, 0))
        })
    }

    /// Collects the models of the endpoints in scope, sorted by name, each once; aliases are marked.
    fn by_name(&self) -> BTreeMap<Arc<str>, Value> {
        let mut listed = BTreeMap::new();
        for model in self.fleet.endpoints().iter().filter(|e| self.shows(e)).flat_map(|e| &*e.models) {
            listed.entry(Arc::clone(&model.name)).or_insert_with(|| document(&model.name, created(model)));
        }
        let aliases = self.fleet.aliases();
        let sorted = aliases.sorted().into_iter();
        let resolved: Vec<_> = sorted
            .filter(|(name, _)| !listed.contains_key(*name))
            .filter(|(_, alias)| alias.targets.iter().any(|target| listed.contains_key(&**target)))
            .collect();
        for (name, real) in resolved {
            let mut alias = document(name, 0);
            alias["alias_of"] = json!(real.targets);
            listed.insert(Arc::from(name), alias);
        }
        listed
    }

    fn shows(&self, endpoint: &Endpoint) -> bool {
        endpoint.live.status().is_routable()
            && candidates::in_scope(endpoint, self.route.scope, self.profiles)
    }
}

fn document(id: &str, created: u64) -> Value {
    json!({ "id": id, "object": "model", "created": created, "owned_by": "olla" })
}

/// Returns the creation time that the backend tells, as Unix seconds, or 0: the same at every request.
fn created(model: &Model) -> u64 {
    model.modified.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

//! What Olla answers in the place of an Ollama server: that it is running, and, for models that only other servers
//! have, what they are, and that they are loaded.
//!
//! Whatever a server of that API can answer itself, is passed on.

use bytes::Bytes;
use http::Method;
use olla_core::Fleet;
use olla_translate::{Dialect, Operation, answer_to_load};
use serde_json::Value;

use crate::{
    Absence, Error,
    candidates::{Reach, Way},
    clock,
    inspect::{Inbound, NamedModel},
    listing::{self, Entry},
    respond::Reply,
    route::Scope,
    routing::NOT_FOUND,
    translate::Client,
};

/// The first version of Ollama that had all the APIs which Olla has for its clients.
const VERSION: &[u8] = br#"{"version":"0.14.0"}"#;

/// Answers a client that asks whether an Ollama is there, and which.
pub(crate) fn greet(reach: &Reach<'_>, fleet: &Fleet) -> Option<Reply> {
    let route = reach.route;
    let Scope::ClientsOf(clients) = route.scope else { return None };
    if clients.dialect != Dialect::Ollama || !matches!(route.method, Method::GET | Method::HEAD) {
        return None;
    }
    match route.rest.path() {
        "/" => Some(Reply::text("Ollama is running")),
        "/api/version" => {
            let tells = fleet.endpoints().iter().any(|e| e.live.is_routable() && is_passed_on(reach, e));
            (!tells).then(|| Reply::own(Bytes::from_static(VERSION)))
        }
        _ => None,
    }
}

/// Answers what other servers have no way to answer, for a model that none but them has.
pub(crate) fn answer(inbound: &Inbound, reach: &Reach<'_>, fleet: &Fleet) -> Result<Option<Bytes>, Error> {
    let route = reach.route;
    if route.dialect != Dialect::Ollama || route.method != Method::POST || inbound.needs.text_bytes > 0 {
        return Ok(None);
    }
    match route.operation {
        Operation::ShowModel => show(inbound, reach, fleet),
        _ => Ok(load(inbound, reach, fleet)),
    }
}

fn show(inbound: &Inbound, reach: &Reach<'_>, fleet: &Fleet) -> Result<Option<Bytes>, Error> {
    let Some(name) = model(inbound) else { return Ok(None) };
    if let Some(found) = foreign(&name, reach, fleet) {
        return Ok(Some(listing::show(&found).to_string().into()));
    }
    let is_for_clients = matches!(reach.route.scope, Scope::ClientsOf(_));
    if is_for_clients && !fleet.endpoints().iter().any(|e| is_passed_on(reach, e)) {
        let absence = Absence::Unlisted;
        let (model, kind) = (name.into(), reach.kind_or_any());
        return Err(Error::ModelNotFound { model, kind, absence, reason: NOT_FOUND });
    }
    Ok(None)
}

fn load(inbound: &Inbound, reach: &Reach<'_>, fleet: &Fleet) -> Option<Bytes> {
    // alloc: requests without a text only.
    let body = || inbound.body.whole();
    let told = match Client::of(reach.route)? {
        Client::Conversation(format) => answer_to_load(format, &body(), clock::since_1970().as_secs()),
        Client::Embeddings(api) => api.answer_to_load(&body()),
    }?;
    foreign(&model(inbound)?, reach, fleet).map(|_| told)
}

/// Finds a model that clients of Ollama can use, if nobody who has it would take the request as it is.
fn foreign<'f>(name: &str, reach: &Reach<'_>, fleet: &'f Fleet) -> Option<Entry<'f>> {
    let entry = listing::for_ollama(reach, fleet).find_name(name)?;
    (!entry.places.iter().any(|place| is_passed_on(reach, place.endpoint))).then_some(entry)
}

fn is_passed_on(reach: &Reach<'_>, endpoint: &olla_core::Endpoint) -> bool {
    reach.covers(endpoint) && matches!(reach.way(endpoint), Some(Way::PassedOn(_)))
}

/// Returns the model that is meant. Earlier clients call it `name`.
fn model(inbound: &Inbound) -> Option<String> {
    match &inbound.model {
        Some(NamedModel { name, .. }) => Some(name.to_string()),
        None => {
            let body: Value = serde_json::from_slice(&inbound.body.whole()).ok()?;
            body.get("name")?.as_str().map(str::to_owned)
        }
    }
}

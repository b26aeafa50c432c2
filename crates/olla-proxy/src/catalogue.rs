//! The catalogue: `GET /olla/models`, every model of every backend in any shape, and `GET /olla/models/{id}`.
//!
//! It is no route to backends: nothing below the path is ever forwarded.

mod filter;
mod query;
mod unified;

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{Method, Uri};
use olla_core::{Endpoint, Fleet};
use olla_profiles::{ListShape, Profiles};
use serde::Serialize;

use crate::{
    Absence, Error,
    listing::{self, View},
};

use self::{
    filter::Filter,
    unified::{List, One},
};
pub(crate) use query::Query;

const PATH: &str = "/olla/models";
/// The format that shows everything.
const UNIFIED: &str = "unified";

/// How the catalogue is to be written.
enum Format<'p> {
    Unified,
    /// As a kind lists its models.
    Shape(&'p ListShape),
}

/// Answers a request for the catalogue, or returns `None` when it is for something else.
pub(crate) fn answer(
    method: &Method,
    uri: &Uri,
    (fleet, profiles): (&Fleet, &Profiles),
    now: impl FnOnce() -> SystemTime,
) -> Result<Option<Bytes>, Error> {
    let Some(rest) = uri.path().strip_prefix(PATH).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    else {
        return Ok(None);
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Error::OnlyRead { method: method.clone() });
    }
    let document = match rest.strip_prefix('/') {
        None | Some("") => list(&Query::read(uri.query()), fleet, profiles)?,
        Some(encoded) => one(encoded, fleet, now())?,
    };
    Ok(Some(document))
}

fn list(query: &Query, fleet: &Fleet, profiles: &Profiles) -> Result<Bytes, Error> {
    let format = Format::read(query, profiles)?;
    let filter = Filter::read(query)?;
    let serves = |endpoint: &Endpoint| match format.dialect() {
        None => endpoint.kind.is_some(),
        Some(shape) => {
            let profile = endpoint.kind.and_then(|kind| profiles.get(kind));
            profile.is_some_and(|profile| profile.lists_like(shape))
        }
    };
    let view = View::new(fleet, |endpoint| {
        (filter.include_unavailable || endpoint.live.is_routable()) && serves(endpoint)
    });
    Ok(match format {
        Format::Unified => json(&List::new(&filter.apply(view.by_model()))),
        Format::Shape(shape) => json(&listing::write(shape, &filter.apply(view.by_name()))),
    })
}

fn one(encoded: &str, fleet: &Fleet, now: SystemTime) -> Result<Bytes, Error> {
    let name = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    // What is down is in the catalogue too.
    let view = View::new(fleet, |endpoint| endpoint.kind.is_some());
    let entry = view.find_model(&name).ok_or_else(|| Error::ModelNotFound {
        model: Arc::from(&*name),
        kind: "configured".into(),
        absence: Absence::Unlisted,
        reason: "model_not_found",
    })?;
    Ok(json(&One::new(&entry, now)))
}

fn json(document: &impl Serialize) -> Bytes {
    // Texts, numbers and lists of these cannot fail.
    serde_json::to_vec(document).map(Bytes::from).unwrap_or_default()
}

// === impl Format ===

impl<'p> Format<'p> {
    fn read(query: &Query, profiles: &'p Profiles) -> Result<Self, Error> {
        let Some(name) = query.get("format").filter(|name| *name != UNIFIED) else {
            return Ok(Self::Unified);
        };
        let shape = |name| profiles.resolve(name).and_then(|kind| profiles.get(kind)?.own_shape());
        shape(name).map(Self::Shape).ok_or_else(|| {
            let kinds = profiles.names().into_iter().filter(|name| shape(name).is_some());
            Error::bad_parameter("format", name, std::iter::once(UNIFIED).chain(kinds))
        })
    }

    /// Returns the shape, if it promises what only servers of that dialect have.
    fn dialect(&self) -> Option<&'p ListShape> {
        match self {
            Self::Unified | Self::Shape(ListShape::OpenAi(_)) => None,
            Self::Shape(shape) => Some(shape),
        }
    }
}

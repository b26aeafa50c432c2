//! `POST /internal/discovery/refresh`: list the models of every backend now.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;

use super::{Refreshed, format};

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    timestamp: String,
    refreshed: usize,
    failed: usize,
    endpoints: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: Arc<str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    models_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Writes what a refresh that ended at `now` found, in the order of the endpoint names.
pub(super) fn document(mut found: Vec<Refreshed>, now: SystemTime) -> Document {
    found.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    let failed = found.iter().filter(|one| one.models.is_err()).count();
    Document {
        timestamp: format::timestamp(now),
        refreshed: found.len() - failed,
        failed,
        endpoints: found.into_iter().map(entry).collect(),
    }
}

fn entry(Refreshed { endpoint, models }: Refreshed) -> Entry {
    match models {
        Ok(count) => Entry { name: endpoint, status: "ok", models_count: Some(count), error: None },
        Err(error) => Entry { name: endpoint, status: "failed", models_count: None, error: Some(error) },
    }
}

//! `GET /internal/stats/sticky`: how many conversations are remembered, and how often that was of use.

use serde::Serialize;

use super::Admin;

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    enabled: bool,
    #[serde(flatten)]
    figures: Option<Figures>,
}

#[derive(Serialize)]
struct Figures {
    active_sessions: u64,
    insertions: u64,
    hits: u64,
    misses: u64,
    evictions: u64,
    max_sessions: u64,
    idle_ttl_seconds: u64,
}

/// Writes the document.
pub(super) fn document(admin: &Admin) -> Document {
    let figures = admin.proxy.sessions().map(|sessions| {
        let lookups = admin.stats.lookups();
        Figures {
            active_sessions: sessions.active,
            insertions: sessions.insertions,
            hits: lookups.hits,
            misses: lookups.misses,
            evictions: sessions.evictions,
            max_sessions: sessions.max_sessions,
            idle_ttl_seconds: sessions.idle_ttl.as_secs(),
        }
    });
    Document { enabled: figures.is_some(), figures }
}

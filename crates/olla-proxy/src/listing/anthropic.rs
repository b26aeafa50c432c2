//! Lists of models as Anthropic has them, in pages.

use olla_translate::{ListedModel, ModelPage};
use serde_json::Value;

use super::Entry;
use crate::{Error, catalogue::Query};

/// What tells a page.
const PARAMETERS: [&str; 3] = ["limit", "after_id", "before_id"];

/// Writes the page that is asked for. Models that do not chat are left out: nobody could talk to them.
pub(super) fn page(entries: &[Entry<'_>], query: Option<&str>) -> Result<Value, Error> {
    let query = Query::read(query);
    let asked = PARAMETERS.iter().filter_map(|name| Some((*name, query.get(name)?)));
    let page = ModelPage::parse(asked)?;
    let talkative = entries.iter().filter(|entry| entry.facts.abilities.chat != Some(false));
    let models: Vec<_> = talkative.map(listed).collect();
    Ok(read(&page.body(&models)?))
}

/// Writes all models, or as many as one page holds.
pub(super) fn list(entries: &[Entry<'_>]) -> Value {
    page(entries, None).unwrap_or_default()
}

/// Writes one entry by itself.
pub(super) fn one(entry: &Entry<'_>) -> Value {
    read(&listed(entry).body())
}

fn listed<'e>(entry: &'e Entry<'_>) -> ListedModel<'e> {
    ListedModel {
        id: entry.name(),
        display_name: entry.name(),
        created_unix_seconds: entry.created(),
        max_input_tokens: entry.facts.context_length,
        max_tokens: None,
    }
}

fn read(document: &[u8]) -> Value {
    serde_json::from_slice(document).unwrap_or_default()
}

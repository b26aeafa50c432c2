//! How conversations were held: passed on or translated, well or not, for each format of clients.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use olla_core::{Outcome, RequestRecord};

/// The short name of Anthropic's format.
pub(crate) const MESSAGES: &str = "messages";

/// Formats of clients whose requests may be translated, each with the name of its translator.
const NAMES: [(&str, &str); 5] = [
    (MESSAGES, "anthropic"),
    ("chat", "openai"),
    ("responses", "openai-responses"),
    ("ollama_chat", "ollama-chat"),
    ("ollama_generate", "ollama-generate"),
];

/// Counts conversations by the format of the client. Those in a format that most backends speak count only where
/// they were translated: that they are passed on is a matter of course.
#[derive(Debug, Default)]
pub(crate) struct Translators([Counters; NAMES.len()]);

#[derive(Debug, Default)]
struct Counters {
    total: AtomicU64,
    successful: AtomicU64,
    passed_on: AtomicU64,
    translated: AtomicU64,
    /// No backend was asked.
    unserved: AtomicU64,
    streaming: AtomicU64,
    /// Of the successful ones, together.
    latency_millis: AtomicU64,
}

/// The values of one translator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) total: u64,
    pub(crate) successful: u64,
    pub(crate) passed_on: u64,
    pub(crate) translated: u64,
    pub(crate) unserved: u64,
    pub(crate) streaming: u64,
    pub(crate) mean_latency: Duration,
}

// === impl Translators ===

impl Translators {
    /// Counts a conversation. One that the client left is neither a success nor a failure, and is not counted.
    pub(super) fn record(&self, record: &RequestRecord) {
        let Some(formats) = record.formats.filter(|_| record.outcome != Outcome::Cancelled) else { return };
        let position = NAMES.iter().position(|(format, _)| *format == formats.client);
        let Some(counters) = position.and_then(|at| self.0.get(at)) else { return };
        if formats.client != MESSAGES && !formats.is_translated() {
            return;
        }
        let is_good =
            record.outcome == Outcome::Success && record.status.is_some_and(|status| status.is_success());
        counters.total.fetch_add(1, Relaxed);
        let manner = match formats.backend {
            None => &counters.unserved,
            Some(_) if formats.is_translated() => &counters.translated,
            Some(_) => &counters.passed_on,
        };
        manner.fetch_add(1, Relaxed);
        if formats.streams {
            counters.streaming.fetch_add(1, Relaxed);
        }
        if is_good {
            counters.successful.fetch_add(1, Relaxed);
            let millis = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX);
            counters.latency_millis.fetch_add(millis, Relaxed);
        }
    }

    /// Returns each translator that had a request, the busiest first.
    pub(crate) fn figures(&self) -> Vec<(&'static str, Figures)> {
        let names = NAMES.iter().map(|(_, name)| *name);
        let mut figures: Vec<_> = names.zip(self.0.iter().map(Counters::read)).collect();
        figures.retain(|(_, figures)| figures.total > 0);
        figures.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.total));
        figures
    }
}

// === impl Counters ===

impl Counters {
    fn read(&self) -> Figures {
        let successful = self.successful.load(Relaxed);
        let millis = self.latency_millis.load(Relaxed).checked_div(successful).unwrap_or(0);
        Figures {
            total: self.total.load(Relaxed),
            successful,
            passed_on: self.passed_on.load(Relaxed),
            translated: self.translated.load(Relaxed),
            unserved: self.unserved.load(Relaxed),
            streaming: self.streaming.load(Relaxed),
            mean_latency: Duration::from_millis(millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{Method, StatusCode, Uri};
    use olla_core::Formats;

    use super::*;

    #[test]
    fn every_format_that_is_translated_has_a_row_of_its_own() {
        let translators = Translators::default();
        for (client, _) in NAMES {
            let id = "req_1".into();
            let mut record =
                RequestRecord::start(id, Method::POST, Uri::from_static("/"), None, SystemTime::UNIX_EPOCH);
            let mut formats = Formats::new(client, false);
            formats.backend = Some(if client == "chat" { MESSAGES } else { "chat" });
            (record.formats, record.status) = (Some(formats), Some(StatusCode::OK));
            record.outcome = Outcome::Success;
            translators.record(&record);
        }

        let figures = translators.figures();

        assert_eq!(figures.len(), NAMES.len());
        assert!(figures.iter().all(|(_, row)| (row.total, row.successful, row.translated) == (1, 1, 1)));
    }
}

//! `GET /internal/stats/translators`: how often clients were answered in their own format, and how often translated.

use std::time::SystemTime;

use serde::Serialize;

use super::format::{latency, percent, timestamp};
use crate::stats::{Figures, Translators};

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    timestamp: String,
    translators: Vec<Translator>,
    summary: Summary,
}

#[derive(Serialize)]
struct Translator {
    translator_name: &'static str,
    success_rate: String,
    passthrough_rate: String,
    average_latency: String,
    total_requests: u64,
    successful_requests: u64,
    failed_requests: u64,
    passthrough_requests: u64,
    translation_requests: u64,
    streaming_requests: u64,
    non_streaming_requests: u64,
    fallback_no_compatible_endpoints: u64,
    fallback_translator_does_not_support_passthrough: u64,
    fallback_cannot_passthrough: u64,
}

#[derive(Serialize)]
struct Summary {
    overall_success_rate: String,
    overall_passthrough_rate: String,
    total_translators: usize,
    active_translators: usize,
    total_requests: u64,
    total_passthrough: u64,
    total_translations: u64,
    total_streaming: u64,
    total_non_streaming: u64,
}

/// Writes the document.
pub(super) fn document(stats: &Translators, now: SystemTime) -> Document {
    let figures = stats.figures();
    let sum = |value: fn(&Figures) -> u64| figures.iter().map(|(_, figures)| value(figures)).sum::<u64>();
    let total = sum(|f| f.total);
    let summary = Summary {
        overall_success_rate: rate(sum(|f| f.successful), total),
        overall_passthrough_rate: rate(sum(|f| f.passed_on), total),
        total_translators: figures.len(),
        active_translators: figures.len(),
        total_requests: total,
        total_passthrough: sum(|f| f.passed_on),
        total_translations: sum(|f| f.total.saturating_sub(f.passed_on)),
        total_streaming: sum(|f| f.streaming),
        total_non_streaming: sum(|f| f.total.saturating_sub(f.streaming)),
    };
    let translators = figures.into_iter().map(Translator::new).collect();
    Document { timestamp: timestamp(now), translators, summary }
}

fn rate(part: u64, whole: u64) -> String {
    percent(if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 })
}

// === impl Translator ===

impl Translator {
    /// What no backend was asked for counts as translated: it could not be passed on.
    fn new((name, figures): (&'static str, Figures)) -> Self {
        let Figures { total, successful, passed_on, translated, unserved, streaming, mean_latency } = figures;
        Self {
            translator_name: name,
            success_rate: rate(successful, total),
            passthrough_rate: rate(passed_on, total),
            average_latency: latency(mean_latency),
            total_requests: total,
            successful_requests: successful,
            failed_requests: total.saturating_sub(successful),
            passthrough_requests: passed_on,
            translation_requests: total.saturating_sub(passed_on),
            streaming_requests: streaming,
            non_streaming_requests: total.saturating_sub(streaming),
            fallback_no_compatible_endpoints: unserved,
            fallback_translator_does_not_support_passthrough: 0,
            fallback_cannot_passthrough: translated,
        }
    }
}

//! `olla-server check --probe`: contacts each endpoint and says what it found, or how to fix what failed.

use std::io::{self, Write};

use olla_core::EndpointSpec;
use olla_health::Examination;
use olla_profiles::Profiles;

use super::{write_item, write_result};

/// Contacts all endpoints, one after the other, and returns whether all of them can serve requests.
///
/// # Errors
/// Fails when `out` does.
pub(crate) async fn probe(
    endpoints: &[EndpointSpec],
    profiles: &Profiles,
    examine: impl AsyncFn(&EndpointSpec) -> Examination,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let width = endpoints.iter().map(|spec| spec.name.chars().count()).max().unwrap_or(0).max(12);
    let mut reached = true;
    writeln!(out, "\nProbe\n=====")?;
    if endpoints.is_empty() {
        writeln!(out, "[OK]   {:12} none configured, nothing to contact", "endpoints")?;
    }
    for spec in endpoints {
        let examined = examine(spec).await;
        reached &= examined.status.is_routable();
        let name = &spec.name;
        writeln!(out, "{} {name:width$} {}", label(&examined), describe(&examined, profiles))?;
        if let Some(reason) = &examined.reason {
            write_item(reason, out)?;
        }
        if let Some(Err(failure)) = &examined.models {
            write_item(&format!("its models cannot be listed: {failure}"), out)?;
        }
    }
    write_result(reached, "every endpoint answers", "not every endpoint can serve requests", out)
}

fn label(examined: &Examination) -> &'static str {
    match (&examined.models, examined.status.is_routable()) {
        (_, false) => "[FAIL]",
        (Some(Ok(models)), true) if !models.is_empty() => "[OK]  ",
        _ => "[WARN]",
    }
}

fn describe(examined: &Examination, profiles: &Profiles) -> String {
    let kind = examined.kind.and_then(|kind| profiles.get(kind));
    let kind = kind.map_or("of no known kind", |profile| profile.display_name.as_str());
    let (status, ms) = (examined.status, examined.latency.as_millis());
    match &examined.models {
        Some(Ok(models)) => format!("{status}, {kind}, {} model(s), {ms} ms", models.len()),
        Some(Err(_)) | None => format!("{status}, {kind}, {ms} ms"),
    }
}

//! Writes a request for a message.

mod blocks;
mod messages;
mod schema;
mod thinking;
mod tools;

use bytes::BytesMut;

use crate::{Format, Untranslatable, canonical::Request, json::Object, notes::Notes};
use schema::Form;
use thinking::Plan;

/// Fields that have no counterpart elsewhere and are known to servers of this format.
const OWN_FIELDS: [&str; 6] =
    ["cache_control", "container", "context_management", "inference_geo", "mcp_servers", "speed"];

/// Appends the body of the request.
pub(crate) fn write(
    request: &Request<'_>,
    notes: &mut Notes<'_>,
    out: &mut BytesMut,
) -> Result<(), Untranslatable> {
    request.check_answer(Format::Messages)?;
    let (plan, form) = (Plan::of(request, notes), Form::of(request, notes));
    let mut body = Object::open(out);
    body.text("model", &request.model).number("max_tokens", plan.max_tokens);
    messages::write(request, form.told(), notes, &mut body)?;
    tools::write(request, notes, &mut body)?;
    sampling(request, &plan, notes, &mut body);
    if !request.stop.is_empty() {
        let limit = notes.abilities.stop_limit.unwrap_or(usize::MAX);
        let mut list = body.array("stop_sequences");
        request.stop.iter().take(limit).for_each(|sequence| {
            list.text(sequence);
        });
    }
    plan.write(&form, &mut body);
    if let Some(user) = &request.user {
        body.object("metadata").text("user_id", user);
    }
    match request.service_tier.as_deref() {
        Some("auto" | "standard_only") | None => {}
        Some("default") => {
            body.text("service_tier", "standard_only");
        }
        Some(_) => notes.dropped.note("service_tier"),
    }
    body.flag("stream", request.stream);
    for field in request.rest.iter().filter(|field| !field.is_null()) {
        if OWN_FIELDS.contains(&&*field.name) {
            body.raw(&field.name, field.value);
        } else {
            notes.dropped.note(field.name.to_string());
        }
    }
    Ok(())
}

/// Anthropic's temperature ends at 1, and while it thinks a model takes no other.
fn sampling(request: &Request<'_>, plan: &Plan, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    let sampling = &request.sampling;
    let drawn =
        [("temperature", &sampling.temperature), ("top_p", &sampling.top_p), ("top_k", &sampling.top_k)];
    let mut warm = false;
    for (key, value) in drawn {
        let Some(value) = value else { continue };
        let figure = value.as_f64().unwrap_or(1.0);
        let is_usual = key != "top_k" && (figure - 1.0).abs() < f64::EPSILON;
        if !notes.abilities.sampling {
            if !is_usual {
                notes.dropped.note(format!("{key} (this model has its own)"));
            }
        } else if plan.thinks() && !is_usual && !(key == "top_p" && figure >= 0.95) {
            notes.dropped.note(format!("{key} (a thinking model has its own)"));
        } else if key == "top_p" && warm && !notes.abilities.top_p_with_temperature {
            notes.dropped.note("top_p (not beside temperature)");
        } else if key == "temperature" && figure > 1.0 {
            notes.dropped.note("temperature (1 in place of more)");
            body.number(key, 1);
            warm = true;
        } else {
            body.display(key, value);
            warm |= key == "temperature";
        }
    }
    for (key, value) in [
        ("seed", &sampling.seed),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("presence_penalty", &sampling.presence_penalty),
    ] {
        if value.as_ref().is_some_and(|value| key == "seed" || value.as_f64() != Some(0.0)) {
            notes.dropped.note(key);
        }
    }
}

//! Writes a request for a chat completion.

mod messages;
mod tools;

use bytes::BytesMut;

use crate::{
    Abilities, Format, Untranslatable,
    canonical::{Effort, OutputFormat, Request, Role, Sampling, Thinking},
    json::Object,
    notes::Notes,
};

/// Fields that have no counterpart elsewhere and are known to servers of this format.
const OWN_FIELDS: [&str; 17] = [
    "chat_template_kwargs",
    "frequency_penalty",
    "guided_json",
    "guided_regex",
    "ignore_eos",
    "logit_bias",
    "min_p",
    "min_tokens",
    "mirostat",
    "presence_penalty",
    "repeat_penalty",
    "repetition_penalty",
    "seed",
    "stop_token_ids",
    "structured_outputs",
    "typical_p",
    "verbosity",
];

/// The longest name of an end user that OpenAI takes.
const MAX_USER: usize = 64;

/// Appends the body of the request.
pub(crate) fn write(
    request: &Request<'_>,
    notes: &mut Notes<'_>,
    out: &mut BytesMut,
) -> Result<(), Untranslatable> {
    request.check_answer(Format::Chat)?;
    let mut body = Object::open(out);
    body.text("model", &request.model);
    messages::write(request, notes, &mut body)?;
    tools::write(request, notes, &mut body)?;
    length(request, notes, &mut body);
    sampling(&request.sampling, notes, &mut body);
    stop(request, notes, &mut body);
    reasoning(request, notes, &mut body);
    format(request, &mut body);
    identity(request, notes, &mut body);
    body.flag("stream", request.stream);
    if request.stream && notes.abilities.stream_usage {
        body.object("stream_options").flag("include_usage", true);
    }
    if notes.abilities.continues && request.turns.last().is_some_and(|turn| turn.role == Role::Assistant) {
        body.flag("continue_final_message", true).flag("add_generation_prompt", false);
    }
    for field in request.rest.iter().filter(|field| !field.is_null()) {
        if OWN_FIELDS.contains(&&*field.name) {
            body.raw(&field.name, field.value);
        } else {
            notes.dropped.note(field.name.to_string());
        }
    }
    if request.caching {
        notes.dropped.note("cache_control");
    }
    Ok(())
}

fn length(request: &Request<'_>, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    let Some(mut tokens) = request.max_tokens else { return };
    if tokens == 0 {
        // Anthropic's way to warm up a cache. One token is the least that others write.
        notes.dropped.note("max_tokens (1 in place of 0)");
        tokens = 1;
    }
    let new = notes.abilities.max_completion_tokens == Some(true);
    let key = if new { "max_completion_tokens" } else { "max_tokens" };
    body.number(key, tokens);
}

fn sampling(sampling: &Sampling, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    for (key, value) in [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("top_k", &sampling.top_k),
        ("seed", &sampling.seed),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("presence_penalty", &sampling.presence_penalty),
    ] {
        let Some(value) = value else { continue };
        if key == "top_k" && !notes.abilities.top_k {
            notes.dropped.note(key);
            continue;
        }
        body.display(key, value);
    }
}

fn stop(request: &Request<'_>, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    if request.stop.is_empty() {
        return;
    }
    let limit = notes.abilities.stop_limit.unwrap_or(usize::MAX);
    if request.stop.len() > limit {
        notes.dropped.note(format!("stop sequences after the first {limit}"));
    }
    let mut list = body.array("stop");
    for sequence in request.stop.iter().take(limit) {
        list.text(sequence);
    }
}

fn reasoning(request: &Request<'_>, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    let Abilities { reasoning_effort, effort_none, enable_thinking, .. } = *notes.abilities;
    let thinking = request.reasoning.thinking;
    let effort = match (request.reasoning.effort, thinking) {
        (_, Some(Thinking::Off)) => None,
        (Some(effort), _) => Some(effort),
        (None, Some(Thinking::On(budget))) => Some(budget.map_or(Effort::Medium, Effort::of_budget)),
        // A model that decides for itself does so without being asked.
        (None, Some(Thinking::Adaptive) | None) => None,
    };
    let mut told = false;
    if let (Some(effort), true) = (effort, reasoning_effort) {
        let least = if notes.abilities.effort_minimal { Effort::Minimal } else { Effort::Low };
        let taken = effort.clamp(least, Effort::High);
        if taken != effort {
            notes.dropped.note(format!("effort ({} in place of {})", taken.as_str(), effort.as_str()));
        }
        body.text("reasoning_effort", taken.as_str());
        told = true;
    }
    let off = thinking == Some(Thinking::Off);
    if off && effort_none {
        body.text("reasoning_effort", "none");
        told = true;
    }
    let has_own = request.rest.iter().any(|field| &*field.name == "chat_template_kwargs");
    if enable_thinking && !has_own && (off || matches!(thinking, Some(Thinking::On(_)))) {
        body.object("chat_template_kwargs").flag("enable_thinking", !off);
        told = true;
    }
    if !told && (effort.is_some() || off) {
        notes.dropped.note(if thinking.is_some() { "thinking" } else { "effort" });
    }
}

fn format(request: &Request<'_>, body: &mut Object<'_>) {
    let Some(format) = &request.format else { return };
    let mut wire = body.object("response_format");
    match format {
        OutputFormat::Json => {
            wire.text("type", "json_object");
        }
        OutputFormat::Schema { name, description, schema, strict } => {
            wire.text("type", "json_schema");
            let mut inner = wire.object("json_schema");
            inner.text("name", name.as_deref().unwrap_or("answer"));
            if let Some(description) = description {
                inner.text("description", description);
            }
            inner.raw("schema", schema);
            if let Some(strict) = strict {
                inner.flag("strict", *strict);
            }
        }
    }
}

fn identity(request: &Request<'_>, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    match &request.user {
        Some(user) if user.len() <= MAX_USER => {
            body.text("user", user);
        }
        Some(_) => notes.dropped.note("metadata.user_id"),
        None => {}
    }
    match request.service_tier.as_deref() {
        // What everybody does unasked.
        None | Some("auto") => {}
        Some("standard_only") => {
            body.text("service_tier", "default");
        }
        Some(tier) => {
            body.text("service_tier", tier);
        }
    }
}

//! Which formats of conversation each kind speaks, made ready for the path of a request, and which clients are
//! translated for.
//!
//! The one place that ties the formats of profiles to those of the translator: a further format is a row here.

use std::borrow::Cow;

use olla_core::{Endpoint, Gaps, KindId, Version};
use olla_profiles::{Profile, Profiles, Spoken, Takes, Thoughts, WireFormat};
use olla_translate::{Abilities, Dialect, Format, ThoughtField, Translation, classify};

use crate::settings::{AnthropicClients, OllamaClients, Settings};

/// What all kinds speak.
#[derive(Debug)]
pub(crate) struct Tongues {
    /// By kind; each the format to be translated into first.
    kinds: Vec<Vec<Tongue>>,
    anthropic: AnthropicClients,
    ollama: OllamaClients,
    /// Whether requests of Responses are passed on.
    passes_responses: bool,
}

/// Those who use a prefix for the clients of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clients {
    pub(crate) dialect: Dialect,
    /// The kind of the same prefix, whose backends are asked first.
    pub(crate) first: Option<KindId>,
}

/// One format as one kind speaks it.
#[derive(Debug)]
pub(crate) struct Tongue {
    pub(crate) format: Format,
    /// Where it is taken; `None` is the usual path.
    path: Option<Box<str>>,
    /// Where the tokens of such a request are counted, if that is elsewhere than usual.
    counts_at: Option<Box<str>>,
    since: Option<Version>,
    abilities: Abilities,
    /// What the profile says of the format.
    spoken: Spoken,
}

/// The formats of backends, and the names that profiles have for them.
const FORMATS: [(WireFormat, Format); 3] = [
    (WireFormat::Chat, Format::Chat),
    (WireFormat::Messages, Format::Messages),
    (WireFormat::Responses, Format::Responses),
];

/// Prefixes for the clients of one dialect, which lead to all backends.
const PREFIXES: [(&str, Dialect); 2] = [("anthropic", Dialect::Anthropic), (OLLAMA, Dialect::Ollama)];
const OLLAMA: &str = "ollama";

/// Returns the short name of a format.
pub(crate) fn name(format: Format) -> &'static str {
    match format {
        Format::OllamaChat => "ollama_chat",
        Format::OllamaGenerate => "ollama_generate",
        format => FORMATS.iter().find(|(_, known)| *known == format).map_or("other", |(wire, _)| wire.name()),
    }
}

/// Returns the number by which the [`Gaps`] of an endpoint have a format.
pub(crate) fn gap(format: Format) -> usize {
    Format::ALL.iter().position(|known| *known == format).unwrap_or(Gaps::MOST)
}

/// Returns whether profiles say which kinds speak a format.
pub(crate) fn is_spoken(format: Format) -> bool {
    FORMATS.iter().any(|(_, known)| *known == format)
}

// === impl Tongues ===

impl Tongues {
    pub(crate) fn new(profiles: &Profiles, settings: &Settings) -> Self {
        let of_kind = |profile: &Profile| {
            let spoken = profile.formats().iter();
            spoken.filter_map(|spoken| Tongue::of(profile, spoken)).collect()
        };
        Self {
            kinds: profiles.iter().map(of_kind).collect(),
            anthropic: settings.anthropic,
            ollama: settings.ollama,
            passes_responses: settings.responses.passthrough,
        }
    }

    /// Returns how an endpoint speaks a format.
    pub(crate) fn of(&self, endpoint: &Endpoint, format: Format) -> Option<&Tongue> {
        self.all(endpoint).find(|tongue| tongue.format == format)
    }

    /// Returns the format into which requests of `client` are translated for an endpoint.
    pub(crate) fn target(&self, endpoint: &Endpoint, client: Format) -> Option<&Tongue> {
        let translates = self.translates(client.dialect());
        self.all(endpoint).find(|tongue| tongue.is_led_to(client)).filter(|_| translates)
    }

    /// Returns whether an endpoint's version makes no difference to whether it takes requests of `client`: all versions
    /// of its kind speak alike, or all take them, in this format or in another.
    pub(crate) fn is_of_any_age(&self, endpoint: &Endpoint, client: Option<Format>) -> bool {
        let takes = |tongue: &Tongue, client| {
            tongue.format == client || (tongue.is_led_to(client) && self.translates(client.dialect()))
        };
        let mut tongues = self.of_kind(endpoint);
        let ageless = |tongue: &Tongue| tongue.since.is_none();
        tongues.clone().all(ageless)
            || client.is_some_and(|client| tongues.any(|t| ageless(t) && takes(t, client)))
    }

    /// Returns whether requests of `client` are translated even for backends that speak its format.
    pub(crate) fn rather_translates(&self, client: Format) -> bool {
        match client {
            Format::Responses => !self.passes_responses,
            _ => {
                client.dialect() == Dialect::Anthropic
                    && self.anthropic.enabled
                    && !self.anthropic.passthrough
            }
        }
    }

    /// Returns whether requests of a dialect's clients are translated at all.
    pub(crate) fn translates(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::OpenAi => true,
            Dialect::Anthropic => self.anthropic.enabled,
            Dialect::Ollama => self.ollama.enabled,
        }
    }

    /// Returns who uses a prefix for a path, if they are served there.
    pub(crate) fn clients_at(&self, prefix: &str, path: &str, profiles: &Profiles) -> Option<Clients> {
        clients_at(prefix, path, profiles).filter(|clients| self.translates(clients.dialect))
    }

    /// Returns the prefix that a path at the root is short for, if it is.
    pub(crate) fn prefix_at_root(&self, path: &str) -> Option<&'static str> {
        (self.ollama.at_root && belongs_to(Dialect::Ollama, path)).then_some(OLLAMA)
    }

    /// Returns the largest body that clients of a dialect may send, bytes, where it is a limit of its own.
    pub(crate) fn max_body_bytes(&self, dialect: Dialect) -> Option<u64> {
        let limit = self.anthropic.max_message_bytes;
        (dialect == Dialect::Anthropic && limit > 0).then_some(limit)
    }

    /// Returns all that an endpoint speaks, for all that is known of its version.
    fn all(&self, endpoint: &Endpoint) -> impl Iterator<Item = &Tongue> {
        let version = endpoint.live.version();
        let old = move |since: Version| version.is_some_and(|version| version < since);
        self.of_kind(endpoint).filter(move |tongue| !tongue.since.is_some_and(old))
    }

    /// Returns all that an endpoint's kind speaks.
    fn of_kind(&self, endpoint: &Endpoint) -> impl Iterator<Item = &Tongue> + Clone {
        let tongues = endpoint.kind.and_then(|kind| self.kinds.get(kind.position()));
        tongues.into_iter().flatten()
    }
}

/// Returns who uses a prefix for a path, whether they are served or not. Where a kind has the same prefix, only
/// the paths of the dialect are theirs.
pub(crate) fn clients_at(prefix: &str, path: &str, profiles: &Profiles) -> Option<Clients> {
    let (_, dialect) = *PREFIXES.iter().find(|(known, _)| *known == prefix)?;
    let first = profiles.by_prefix(prefix);
    (first.is_none() || belongs_to(dialect, path)).then_some(Clients { dialect, first })
}

/// Returns whether a path is one of a dialect. Clients of Ollama ask at the root whether it is running.
fn belongs_to(dialect: Dialect, path: &str) -> bool {
    classify(path).0 == dialect || (dialect == Dialect::Ollama && path == "/")
}

// === impl Tongue ===

impl Tongue {
    fn of(profile: &Profile, spoken: &Spoken) -> Option<Self> {
        let (wire, format) = FORMATS.into_iter().find(|(wire, _)| *wire == spoken.format)?;
        let usual = wire.usual_path();
        let moved = || profile.forward_path(usual).map(|path| Box::from(path.as_ref()));
        let path = spoken.path.clone().or_else(moved);
        let path = path.filter(|path| **path != *usual);
        let counts_at = path.as_ref().map(|path| format!("{path}/count_tokens").into_boxed_str());
        let counts_at = counts_at.filter(|path| profile.allows(path));
        let abilities = abilities(&spoken.takes);
        Some(Self { format, path, counts_at, since: spoken.since, abilities, spoken: spoken.clone() })
    }

    /// Returns whether requests in the format of `client` can be translated into this one.
    fn is_led_to(&self, client: Format) -> bool {
        self.format != client && Translation::between(client, self.format).is_some()
    }

    /// Returns what a model understands of the format there.
    pub(crate) fn abilities_of(&self, model: &str) -> Cow<'_, Abilities> {
        match self.spoken.takes_of(model) {
            Some(takes) => Cow::Owned(abilities(&takes)),
            None => Cow::Borrowed(&self.abilities),
        }
    }

    /// Returns where the format is taken.
    pub(crate) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or(self.format.path())
    }

    /// Returns where the tokens of such a request are counted, if that is elsewhere than usual.
    pub(crate) fn counts_at(&self) -> Option<&str> {
        self.counts_at.as_deref()
    }
}

fn abilities(takes: &Takes) -> Abilities {
    let mut abilities = Abilities::default();
    let flags = [
        (&mut abilities.stream_usage, takes.stream_usage),
        (&mut abilities.top_k, takes.top_k),
        (&mut abilities.parallel_switch, takes.parallel_tool_calls),
        (&mut abilities.files, takes.files),
        (&mut abilities.reasoning_effort, takes.reasoning_effort),
        (&mut abilities.effort_none, takes.effort_none),
        (&mut abilities.effort_minimal, takes.effort_minimal),
        (&mut abilities.enable_thinking, takes.enable_thinking),
        (&mut abilities.late_system, takes.late_system),
        (&mut abilities.continues, takes.continue_final_message),
        (&mut abilities.adaptive_thinking, takes.adaptive_thinking),
        (&mut abilities.thinking_budget, takes.thinking_budget),
        (&mut abilities.thinking_off, takes.thinking_off),
        (&mut abilities.thinks_unasked, takes.thinks_unasked),
        (&mut abilities.effort_xhigh, takes.effort_xhigh),
        (&mut abilities.sampling, takes.sampling),
        (&mut abilities.top_p_with_temperature, takes.top_p_with_temperature),
        (&mut abilities.forced_tools, takes.forced_tools),
    ];
    for (ability, said) in flags {
        *ability = said.unwrap_or(*ability);
    }
    abilities.max_completion_tokens = takes.max_completion_tokens;
    abilities.stop_limit = takes.stop_sequences;
    abilities.thoughts = match takes.thoughts {
        None => abilities.thoughts,
        Some(Thoughts::Reasoning) => ThoughtField::Reasoning,
        Some(Thoughts::ThinkingBlocks) => ThoughtField::ThinkingBlocks,
        Some(Thoughts::ByModel) => ThoughtField::ByModel,
        Some(Thoughts::Nowhere) => ThoughtField::Nowhere,
        Some(_) => ThoughtField::ReasoningContent,
    };
    abilities
}

#[cfg(test)]
mod tests {
    use olla_core::{Aliases, BaseUrl, EndpointSpec, FleetCell};

    use super::*;

    #[test]
    fn every_format_has_a_row_and_the_same_path_on_both_sides() {
        let of_backends =
            |to: &Format| Translation::between(Format::OllamaChat, *to).is_some() || *to == Format::Responses;
        for format in Format::ALL.into_iter().filter(of_backends) {
            let (wire, _) = FORMATS.into_iter().find(|(_, known)| *known == format).unwrap();
            assert_eq!(wire.usual_path(), format.path());
        }
        assert_eq!(FORMATS.len(), WireFormat::ALL.len());
        assert!(Format::ALL.len() <= Gaps::MOST);
    }

    #[test]
    fn a_kind_may_have_moved_what_it_speaks() {
        let profiles = Profiles::builtin();
        let tongues = Tongues::new(&profiles, &Settings::default());
        let mut spec = EndpointSpec::new("e", BaseUrl::parse("http://h").unwrap());
        spec.kind = profiles.resolve("dmr");
        let fleet = FleetCell::new(vec![spec], Aliases::default()).load();
        let endpoint = &fleet.endpoints()[0];

        assert_eq!(tongues.of(endpoint, Format::Chat).unwrap().path(), "/engines/v1/chat/completions");
        let messages = tongues.of(endpoint, Format::Messages).unwrap();
        assert_eq!(messages.path(), "/anthropic/v1/messages");
        assert_eq!(messages.counts_at(), Some("/anthropic/v1/messages/count_tokens"));
    }

    #[test]
    fn what_a_model_takes_is_told_by_its_name() {
        let profiles = Profiles::builtin();
        let kind = profiles.resolve("anthropic").and_then(|kind| profiles.get(kind)).unwrap();
        let tongue = Tongue::of(kind, kind.speaks(WireFormat::Messages).unwrap()).unwrap();
        let told = |model: &str| {
            let of = tongue.abilities_of(model);
            let thinking = [of.adaptive_thinking, of.thinking_budget, of.thinking_off, of.thinks_unasked];
            (thinking, [of.effort_xhigh, of.sampling, of.top_p_with_temperature, of.forced_tools])
        };
        let (yes, no) = (true, false);

        for (model, thinking, others) in [
            ("claude-opus-4-20250514", [no, yes, yes, no], [yes, yes, yes, yes]),
            ("claude-opus-4-1-20250805", [no, yes, yes, no], [yes, yes, no, yes]),
            ("claude-haiku-4-5", [no, yes, yes, no], [yes, yes, no, yes]),
            ("claude-sonnet-4-6", [yes, yes, yes, no], [no, yes, no, yes]),
            ("claude-opus-4-7", [yes, no, no, no], [yes, no, no, yes]),
            ("claude-opus-5", [yes, no, yes, yes], [yes, no, no, yes]),
            ("claude-sonnet-5", [yes, no, yes, yes], [yes, no, no, yes]),
            ("claude-haiku-5-5", [yes, no, yes, yes], [yes, no, no, yes]),
            ("claude-opus-5-5", [yes, no, no, yes], [yes, no, no, no]),
            ("claude-sonnet-5-5", [yes, no, no, yes], [yes, no, no, no]),
            ("claude-fable-5", [yes, no, no, yes], [yes, no, no, yes]),
            ("claude-fable-5-1", [yes, no, no, yes], [yes, no, no, no]),
            ("claude-3-5-sonnet-20241022", [no, yes, yes, no], [yes, yes, yes, yes]),
            ("some-other-model", [no, yes, yes, no], [yes, yes, yes, yes]),
        ] {
            assert_eq!(told(model), (thinking, others), "{model}");
        }
    }
}

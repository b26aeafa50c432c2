//! What whole answers and streams have in common.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::usage::{self, WireUsage};
use crate::{
    backend_error::BackendError,
    canonical::{ServiceTier, StopReason, Usage},
    json::{Count, Few, Loose, RawValue, Text},
};

/// A `chat.completion` or a `chat.completion.chunk`.
#[derive(Debug, Deserialize)]
pub(super) struct WireAnswer<'a> {
    #[serde(borrow, default)]
    pub(super) choices: First<WireChoice<'a>>,
    #[serde(default)]
    usage: Loose<WireUsage>,
    #[serde(borrow, default)]
    service_tier: Loose<Text<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// The first choice. Nobody asks for more of them.
#[derive(Debug, Deserialize)]
pub(super) struct WireChoice<'a> {
    #[serde(borrow, default)]
    pub(super) message: Option<WireMessage<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Option<WireMessage<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Loose<Text<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    matched_stop: Option<&'a RawValue>,
}

/// What the model says, or the next piece of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireMessage<'a> {
    #[serde(borrow, default)]
    pub(super) content: Said<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Said<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning: Said<'a>,
    #[serde(borrow, default)]
    pub(super) refusal: Said<'a>,
    #[serde(borrow, default)]
    pub(super) thinking_blocks: Few<WireThought<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Few<WireCall<'a>>,
    #[serde(borrow, default)]
    pub(super) function_call: Loose<WireFunction<'a>>,
}

/// A thought with the provider's signature, as some gateways carry it.
#[derive(Debug, Deserialize)]
pub(super) struct WireThought<'a> {
    #[serde(borrow, default)]
    pub(super) thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) data: Option<Text<'a>>,
}

/// A call of a tool, or the next piece of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireCall<'a> {
    #[serde(default)]
    pub(super) index: Loose<Count>,
    #[serde(borrow, default)]
    pub(super) id: Loose<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) function: Option<WireFunction<'a>>,
    #[serde(borrow, default)]
    pub(super) custom: Option<WireFunction<'a>>,
}

/// What is called.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireFunction<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    arguments: Arguments<'a>,
    #[serde(borrow, default)]
    input: Arguments<'a>,
}

/// The arguments of a call: a string of JSON, or, from some servers, the JSON itself.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a>(Text<'a>);

/// A text: a string, or a list of parts with text. What is neither says nothing.
#[derive(Debug, Default)]
pub(super) struct Said<'a>(pub(super) Text<'a>);

/// The first item of a list.
#[derive(Debug)]
pub(super) struct First<T>(pub(super) Option<T>);

/// Reads `finish_reason`; `None` means that the backend has failed.
pub(super) fn stop_reason(name: &str) -> Option<StopReason> {
    match name {
        "length" => Some(StopReason::MaxTokens),
        "tool_calls" | "function_call" | "tool_use" => Some(StopReason::ToolUse),
        "content_filter" | "refusal" => Some(StopReason::Refusal),
        "error" | "abort" => None,
        _ => Some(StopReason::EndTurn),
    }
}

/// Corrects what backends say of the end: calls of tools count more than the reason given for it.
pub(super) fn settle(reason: StopReason, has_calls: bool, refused: bool) -> StopReason {
    match reason {
        _ if refused => StopReason::Refusal,
        StopReason::EndTurn | StopReason::StopSequence if has_calls => StopReason::ToolUse,
        StopReason::ToolUse if !has_calls => StopReason::EndTurn,
        reason => reason,
    }
}

// === impl WireAnswer ===

impl WireAnswer<'_> {
    /// Returns the figures, where there are some.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage = self.usage.0.as_ref()?.read();
        Some(Usage { tier: self.tier(), ..usage })
    }

    /// Returns how the answer is served, where the backend tells.
    pub(super) fn tier(&self) -> Option<ServiceTier> {
        usage::tier(self.service_tier.0.as_deref()?)
    }

    /// Returns the error that stands in the place of an answer.
    pub(super) fn error(&self, body: &str) -> Option<BackendError> {
        BackendError::instead(body, self.error, [self.object, self.kind])
    }
}

// === impl WireChoice ===

impl WireChoice<'_> {
    /// Returns the stop sequence that was met. Some servers tell the number of a token here.
    pub(super) fn stop_sequence(&self) -> Option<String> {
        serde_json::from_str(self.stop_reason.or(self.matched_stop)?.get()).ok()
    }
}

// === impl WireFunction ===

impl<'a> WireFunction<'a> {
    /// Returns the arguments of a function, or the input of a free-form tool.
    pub(super) fn arguments(&self) -> &Text<'a> {
        if self.arguments.0.is_empty() { &self.input.0 } else { &self.arguments.0 }
    }
}

// === impl WireMessage ===

impl<'a> WireMessage<'a> {
    /// Returns the thoughts. Servers that know both names send the same under both.
    pub(super) fn thoughts(&mut self) -> Text<'a> {
        let first = std::mem::take(&mut self.reasoning_content).0;
        if first.is_empty() { std::mem::take(&mut self.reasoning).0 } else { first }
    }
}

// === impl Arguments ===

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw).map_err(D::Error::custom)?,
            Some(b'{' | b'[') => raw.into(),
            _ => Text::default(),
        }))
    }
}

// === impl Said ===

impl<'de: 'a, 'a> Deserialize<'de> for Said<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        #[derive(Deserialize)]
        struct Part<'p> {
            #[serde(borrow, default)]
            text: Option<Text<'p>>,
        }

        impl<'de> Visitor<'de> for Visit {
            type Value = Said<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Said::default())
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Said(text.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Said(text.to_owned().into()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Said::default())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Said::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                IgnoredAny.visit_map(map).map(|_| Said::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut said = String::new();
                while let Some(part) = list.next_element::<Part<'de>>()? {
                    said.push_str(part.text.as_deref().unwrap_or_default());
                }
                Ok(Said(said.into()))
            }
        }

        deserializer.deserialize_any(Visit)
    }
}

// === impl First ===

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: Error>(self) -> Result<First<T>, E> {
                Ok(First(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T>, A::Error> {
                let first = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }

        deserializer.deserialize_any(Visit(std::marker::PhantomData))
    }
}

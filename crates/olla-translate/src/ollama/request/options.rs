//! `options`: how to sample, and how to run the model.

use serde::Deserialize as _;
use serde_json::Number;

use crate::{
    Untranslatable,
    canonical::Sampling,
    json::{Count, Field, Items, RawValue, Text, record},
};

record! {
    /// `options`. What has no name here is kept.
    struct WireOptions<'a> {
        num_predict: Option<Number> = "num_predict",
        temperature: Option<Number> = "temperature",
        top_p: Option<Number> = "top_p",
        top_k: Option<Number> = "top_k",
        seed: Option<Number> = "seed",
        frequency_penalty: Option<Number> = "frequency_penalty",
        presence_penalty: Option<Number> = "presence_penalty",
        stop: Option<&'a RawValue> = "stop",
    }
}

// === impl WireOptions ===

impl<'a> WireOptions<'a> {
    /// Returns the limit of the answer. What is not above zero means that there is none.
    pub(super) fn max_tokens(&self) -> Option<u64> {
        let limit = Count::deserialize(self.num_predict.as_ref()?).ok()?;
        Some(limit.0).filter(|limit| *limit > 0)
    }

    /// Returns the stop sequences: a list, or one of them.
    pub(super) fn take_stop(&mut self) -> Result<Vec<Text<'a>>, Untranslatable> {
        let Some(raw) = self.stop.take() else { return Ok(vec![]) };
        if let Ok(one) = serde_json::from_str::<Text<'_>>(raw.get()) {
            return Ok(vec![one]);
        }
        let several = serde_json::from_str::<Items<Text<'_>>>(raw.get());
        several.map(|list| list.0).map_err(|error| Untranslatable::malformed("options.stop", error))
    }

    /// Returns how to sample, and the options without a name.
    pub(super) fn sampling(self) -> (Sampling, Vec<Field<'a>>) {
        let sampling = Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            seed: self.seed,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
        };
        (sampling, self.rest)
    }
}

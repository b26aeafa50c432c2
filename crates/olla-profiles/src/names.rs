//! What models are, by their names and by what backends report: the rules of `models.yaml`, compiled.
//!
//! What a backend reports is brought into normal form and wins; the name tells the rest.

use std::sync::Arc;

use olla_core::Model;

use crate::{ProfileProblem, ProfileSource};

use self::{
    capabilities::Capabilities, family::Families, formats::Formats, publisher::Publishers,
    quantization::Quantizations, written::Written,
};

mod capabilities;
mod family;
mod formats;
mod publisher;
mod quantization;
mod schema;
mod size;
mod written;

/// The rules that are part of the program.
const SHIPPED: (&str, &str) = ("models.yaml", include_str!("../../../config/models.yaml"));

/// Rules that tell a model's family, size, quantisation, publisher, format and capabilities.
#[derive(Debug, Clone, Default)]
pub struct Names {
    families: Families,
    publishers: Publishers,
    quantizations: Quantizations,
    formats: Formats,
    capabilities: Capabilities,
}

// === impl Names ===

impl Names {
    /// Returns the shipped rules.
    #[must_use]
    pub fn builtin() -> Self {
        #[expect(clippy::expect_used, reason = "the shipped file is part of the program and tests load it")]
        Self::load(&[]).expect("the shipped rules are valid")
    }

    /// Returns the shipped rules with those of `files` in their place. Each key that a file has replaces the
    /// whole table or list of that key; of several files, the last one that has a key counts.
    ///
    /// # Errors
    /// Returns every mistake of every file.
    pub fn load(files: &[ProfileSource]) -> Result<Self, Vec<ProfileProblem>> {
        let mut names = Self::default();
        let mut problems = schema::apply(&mut names, SHIPPED.0, SHIPPED.1);
        for source in files {
            problems.extend(schema::apply(&mut names, &source.file, &source.text));
        }
        if problems.is_empty() { Ok(names) } else { Err(problems) }
    }

    /// Fills in what `model` leaves open and brings what was reported into normal form. Doing it again, after
    /// more was reported, is fine.
    pub fn complete(&self, model: &mut Model) {
        let name = Arc::clone(&model.name);
        let written = Written::read(&name, &self.publishers);
        if model.publisher.is_none() {
            model.publisher = self.publishers.of(&written);
        }
        if model.is_pattern() {
            return;
        }
        self.set_identity(model, &written);
        self.set_size(model, written.bare());
        self.set_quantization(model, written.bare());
        if model.format.is_none() {
            model.format = self.formats.of(written.full());
        }
        self.capabilities.complete(model, written.bare());
    }

    fn set_identity(&self, model: &mut Model, written: &Written<'_>) {
        if model.family.is_some() && model.reported.family.is_none() {
            return;
        }
        let end_of_version = |text: &str| {
            let tag = text.find([':', '@']);
            let size = size::find(text).map(|(start, _)| start);
            let quantization = self.quantizations.find(text).map(|(start, _)| start);
            [tag, size, quantization].into_iter().flatten().min().unwrap_or(text.len())
        };
        let identity = self.families.identify(written, model.reported.family.as_deref(), &end_of_version);
        (model.family, model.variant) = identity.map_or((None, None), |is| (Some(is.family), is.variant));
    }

    fn set_size(&self, model: &mut Model, bare: &str) {
        let reported = model.reported.parameter_size.as_deref().and_then(size::reported);
        if model.parameter_size.is_some() && reported.is_none() {
            return;
        }
        if let Some(size) = reported.or_else(|| size::find(bare).map(|(_, size)| size)) {
            (model.parameter_size, model.parameter_count) = (Some(size.text), size.count);
        }
    }

    fn set_quantization(&self, model: &mut Model, bare: &str) {
        let reported = model.reported.quantization.as_deref();
        let reported = reported.and_then(|label| self.quantizations.reported(label));
        if model.quantization.is_none() || reported.is_some() {
            model.quantization = reported.or_else(|| self.quantizations.find(bare).map(|(_, label)| label));
        }
    }
}

//! What models are by their names: real names of all families, and the rules of `models.yaml`.

mod capabilities;
mod meaning;
mod reports;
mod rules;

use std::{fs, path::Path, time::Duration, time::Instant};

use olla_core::{Model, ModelUse};
use olla_profiles::{Names, ProfileFilter, ProfileSource, Profiles};

const TABLE: &str = include_str!("table.txt");

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect())
}

fn told(name: &str) -> Model {
    completed(Model::named(name))
}

fn completed(mut model: Model) -> Model {
    Names::builtin().complete(&mut model);
    model
}

fn load(text: &str) -> Result<Names, Vec<String>> {
    let source = ProfileSource { file: "mine.yaml".into(), text: text.into() };
    Names::load(&[source]).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn or_dash(fact: Option<&str>) -> &str {
    fact.unwrap_or("-")
}

fn capabilities(model: &Model) -> Vec<&str> {
    model.capabilities.iter().map(|capability| &**capability).collect()
}

//! Virtual model names.

use olla_core::{Alias, AliasOrder};

use super::{alias_names, load_text, loaded, notices, problems};
use crate::config::Env;

#[test]
fn aliases_that_differ_only_in_case_are_a_mistake() {
    assert_eq!(
        problems("model_aliases: {X: [a], y: [a], x: [b]}", Env::default()),
        "config.yaml:1: model_aliases.x: differs from the alias \"X\" only in case\n    \
         help: requests match aliases in any case: give each its own name\n"
    );
}

#[test]
fn an_alias_may_list_itself_and_one_that_lists_another_is_noticed() {
    let own = loaded("model_aliases: {llama: [llama], small: [llama, phi], big: [big, BIG, huge]}");
    assert_eq!(notices(&own), "");
    assert_eq!(alias_names(&own.settings.aliases), ["big", "llama", "small"]);

    let circle = loaded("model_aliases: {a: [b], b: [A, real]}");
    assert_eq!(
        notices(&circle),
        "\
model_aliases.a: b is an alias itself; only a model of that name is meant here, not what the alias stands for
model_aliases.b: A is an alias itself; only a model of that name is meant here, not what the alias stands for
"
    );
}

#[test]
fn an_alias_is_a_list_or_a_mapping_with_a_strategy() {
    let text = "\
model_aliases:
  Small: [Llama3, phi4]
  one: solo
  spread: {models: [a, b], strategy: Equal}
  ordered: {models: c, strategy: in-order}
  gpt-4.1: {models: [d]}
";

    let loaded = loaded(text);

    let aliases = &loaded.settings.aliases;
    for (name, targets, order) in [
        ("Small", vec!["Llama3", "phi4"], AliasOrder::BestOfEach),
        ("one", vec!["solo"], AliasOrder::BestOfEach),
        ("spread", vec!["a", "b"], AliasOrder::Equal),
        ("ordered", vec!["c"], AliasOrder::InOrder),
        ("gpt-4.1", vec!["d"], AliasOrder::BestOfEach),
    ] {
        assert_eq!(aliases.get(name), Some(&Alias::of(targets, order)), "{name}");
    }
    assert_eq!(notices(&loaded), "");
}

#[test]
fn every_mistake_in_an_alias_is_reported_where_it_stands() {
    let text = "\
model_aliases:
  a: {strategy: fastest, models: [x, ' ']}
  b:
    strategy: equal
  c:
    models: [x]
    order: equal
  d: {models: {x: y}}
  e:
";

    assert_eq!(
        problems(text, Env::default()),
        "\
config.yaml:2: model_aliases.a.strategy: expected one of best_of_each, equal, in_order, found \"fastest\"
config.yaml:2: model_aliases.a.models[1]: is blank instead of the name of a model
config.yaml:3: model_aliases.b: has no model to stand for
    help: list at least one real model name
config.yaml:7: model_aliases.c.order: unknown key
    help: known keys here: models, strategy
config.yaml:8: model_aliases.d.models: expected a list, found a mapping
config.yaml:9: model_aliases.e: has no model to stand for
    help: list at least one real model name
"
    );
}

#[test]
fn a_variable_replaces_an_alias_of_the_file_in_either_form() {
    let text = "model_aliases: {kept: [a], small: {models: [b], strategy: equal}}";
    let env = Env::from([("OLLA_MODEL_ALIASES", "{small: [c], new: {models: [d], strategy: in_order}}")]);

    let loaded = load_text(text, env).unwrap();

    let aliases = &loaded.settings.aliases;
    assert_eq!(alias_names(aliases), ["kept", "new", "small"]);
    assert_eq!(aliases.get("small"), Some(&Alias::of(["c"], AliasOrder::BestOfEach)));
    assert_eq!(aliases.get("new"), Some(&Alias::of(["d"], AliasOrder::InOrder)));
}

#[test]
fn a_model_that_an_alias_names_twice_is_noticed() {
    let loaded = loaded("model_aliases: {a: [x, y, x]}");

    assert_eq!(notices(&loaded), "model_aliases.a: names x again, which changes nothing\n");
}

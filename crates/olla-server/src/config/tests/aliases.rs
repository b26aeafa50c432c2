//! Virtual model names.

use super::{alias_names, loaded, notices, problems};
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

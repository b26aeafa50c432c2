//! What an endpoint says of models: declared ones, filters, rules, and how many requests it takes.

use std::num::NonZeroU32;

use olla_core::{EndpointSpec, Preference};

use super::{load_text, loaded, problems};
use crate::config::Env;

fn endpoint(more: &str) -> EndpointSpec {
    let loaded = loaded(&format!("endpoints: [{{url: 'http://h'{more}}}]"));
    loaded.settings.discovery.endpoints.into_iter().next().unwrap()
}

fn declared(spec: &EndpointSpec) -> Vec<&str> {
    spec.declared_models.iter().map(|model| &*model.name).collect()
}

#[test]
fn a_list_declares_models_and_a_mapping_says_more() {
    let list = endpoint(", models: [a, {name: b, context_length: 9}]");
    let mapping = endpoint(
        ", models: {declare: [a, {name: b}], include: ['llama*'], exclude: '*:70b', prefer: llama3, \
         avoid: ['*vision*'], never: [gpt-5, 'o*']}",
    );

    assert_eq!((declared(&list), declared(&mapping)), (vec!["a", "b"], vec!["a", "b"]));
    assert_eq!(declared(&endpoint(", models: a")), ["a"]);
    assert!(list.filter.admits("anything") && mapping.filter.admits("llama3"));
    assert!(!mapping.filter.admits("llama3:70b") && !mapping.filter.admits("phi4"));
    for (model, preference) in [
        ("llama3", Preference::Preferred),
        ("phi4", Preference::Neutral),
        ("llama-vision", Preference::Avoided),
        ("O3", Preference::Never),
    ] {
        assert_eq!(mapping.placement.of_name(model), preference, "{model}");
    }
}

#[test]
fn the_traditional_filter_means_the_same() {
    let spec = endpoint(", models: {exclude: ['*:70b']}, model_filter: {include: ['llama*']}");

    assert!(spec.filter.admits("llama3") && !spec.filter.admits("llama3:70b") && !spec.filter.admits("phi4"));
}

#[test]
fn the_number_of_requests_at_a_time_may_be_limited() {
    assert_eq!(endpoint("").max_concurrent, None);
    assert_eq!(endpoint(", max_concurrent: 0").max_concurrent, None);
    assert_eq!(endpoint(", max_concurrent: 4").max_concurrent, NonZeroU32::new(4));
}

#[test]
fn an_endpoint_list_in_a_variable_may_have_rules() {
    let env = Env::from([("OLLA_ENDPOINTS", "[{url: 'http://h', models: {never: [a]}}]")]);

    let loaded = load_text("", env).unwrap();

    let spec = &loaded.settings.discovery.endpoints[0];
    assert_eq!(spec.placement.of_name("a"), Preference::Never);
}

#[test]
fn every_mistake_about_models_is_reported_where_it_stands() {
    let text = "\
endpoints:
  - url: http://a
    max_concurrent: -1
    models:
      declare:
        - x
        - x
        - {context_length: 4}
      inclde: [y]
      exclude: ['']
      never: {x: y}
    model_filter:
      exclude: [b]
  - url: http://b
    models: {include: [a], exclude: [b], never: [x*]}
    model_filter: {include: [a], exclude: [c]}
  - url: http://c
    models:
      declare: [xy, z]
      never: [x*]
  - url: http://d
    models: true
";

    assert_eq!(
        problems(text, Env::default()),
        "\
config.yaml:3: endpoints[0].max_concurrent: expected a whole number, 0 or more, found -1
config.yaml:7: endpoints[0].models.declare[1]: names the model \"x\" again
config.yaml:8: endpoints[0].models.declare[2]: has no name
config.yaml:9: endpoints[0].models.inclde: unknown key
    help: did you mean `include`?
config.yaml:10: endpoints[0].models.exclude[0]: expected a name, or a pattern such as llama3*, found empty text
config.yaml:11: endpoints[0].models.never: expected a list, found a mapping
config.yaml:16: endpoints[1].model_filter.include: is set beside `models.include`, which means the same
    help: put the patterns of both into one of them
config.yaml:16: endpoints[1].model_filter.exclude: is set beside `models.exclude`, which means the same
    help: put the patterns of both into one of them
config.yaml:19: endpoints[2].models.declare[0]: declares the model \"xy\", which `never` keeps away
    help: remove it from one of the two
config.yaml:22: endpoints[3].models: expected a list, found another value
"
    );
}

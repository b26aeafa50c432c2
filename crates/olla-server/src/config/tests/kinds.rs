//! Which kinds of backends are loaded.

use super::{loaded, notices, problems};
use crate::config::Env;

fn kinds(filter: &str) -> Vec<String> {
    let loaded = loaded(&format!("proxy: {{profile_filter: {filter}}}"));
    assert_eq!(notices(&loaded), "");
    loaded.profiles.iter().map(|profile| profile.name.to_string()).collect()
}

#[test]
fn a_filter_goes_by_names_prefixes_and_patterns() {
    assert_eq!(kinds("{include: [Ollama, lmstudio]}"), ["lm-studio", "ollama"]);
    assert_eq!(kinds("{include: ['*vllm*'], exclude: [vllm-mlx]}"), ["vllm"]);
    assert_eq!(kinds("{exclude: ['a*', 'l*', 'o*', 's*', dmr]}"), ["vllm", "vllm-mlx"]);
}

#[test]
fn an_endpoint_of_a_kind_that_is_left_out_is_a_mistake_that_names_the_filter() {
    let text = "\
proxy: {profile_filter: {include: [ollama]}}
endpoints:
  - {url: 'http://h', type: lm_studio}
  - {url: 'http://i', type: olama}
";

    assert_eq!(
        problems(text, Env::default()),
        "\
config.yaml:3: endpoints[0].type: the kind \"lm_studio\" is left out by `proxy.profile_filter`
    help: let the filter admit it, or remove the endpoint
config.yaml:4: endpoints[1].type: unknown kind \"olama\"; known are auto, ollama
    help: did you mean `ollama`?
"
    );
}

#[test]
fn a_filter_that_leaves_nothing_is_a_mistake_and_a_pattern_for_nothing_is_noticed() {
    assert_eq!(
        problems("proxy:\n  profile_filter:\n    exclude: ['*']", Env::default()),
        "config.yaml:2: proxy.profile_filter: leaves out every kind of backend\n    \
         help: name the kinds to load in `include`, or remove the filter\n"
    );

    let slip = loaded("proxy: {profile_filter: {include: [ollama], exclude: [sglangg]}}");
    assert_eq!(
        notices(&slip),
        "proxy.profile_filter.exclude: no kind is called sglangg; did you mean sglang?\n"
    );
}

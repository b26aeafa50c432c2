//! What happens to requests for models that nobody has.

use std::time::Duration;

use olla_proxy::{Fallback, Routing};

use super::{load_text, loaded, notices, problems};
use crate::config::Env;

fn routing(strategy: &str) -> Routing {
    loaded(&format!("model_registry: {{routing_strategy: {strategy}}}")).settings.routing
}

#[test]
fn each_strategy_takes_the_options_that_are_its_own() {
    let two_seconds = Some(Duration::from_secs(2));
    for (written, expected) in [
        ("{options: {fallback_behavior: all, discovery_refresh_on_miss: true}}", Routing::Strict),
        ("{type: optimistic}", Routing::Optimistic(Fallback::CompatibleOnly)),
        ("{type: Optimistic, options: {fallback_behavior: all}}", Routing::Optimistic(Fallback::All)),
        (
            "{type: discovery, options: {discovery_refresh_on_miss: true, fallback_behavior: none}}",
            Routing::Discovery { fallback: Fallback::Nowhere, refresh: two_seconds },
        ),
        (
            "{type: discovery, options: {discovery_refresh_on_miss: true, discovery_timeout: 0s}}",
            Routing::Discovery { fallback: Fallback::CompatibleOnly, refresh: two_seconds },
        ),
        (
            "{type: discovery, options: {discovery_timeout: 9s}}",
            Routing::Discovery { fallback: Fallback::CompatibleOnly, refresh: None },
        ),
    ] {
        assert_eq!(routing(written), expected, "{written}");
    }
}

#[test]
fn discovery_can_be_set_by_variables() {
    let env = Env::from([
        ("OLLA_MODEL_REGISTRY_ROUTING_STRATEGY_TYPE", "discovery"),
        ("OLLA_MODEL_REGISTRY_ROUTING_STRATEGY_OPTIONS_DISCOVERY_REFRESH_ON_MISS", "yes"),
        ("OLLA_MODEL_REGISTRY_ROUTING_STRATEGY_OPTIONS_DISCOVERY_TIMEOUT", "700ms"),
    ]);

    let loaded = load_text("", env).unwrap();

    let refresh = Some(Duration::from_millis(700));
    assert_eq!(loaded.settings.routing, Routing::Discovery { fallback: Fallback::CompatibleOnly, refresh });
    assert_eq!(notices(&loaded), "");
}

#[test]
fn discovery_that_discovers_nothing_is_noticed_and_one_that_cannot_is_a_mistake() {
    let idle = loaded("model_registry: {routing_strategy: {type: discovery}}");
    assert_eq!(
        notices(&idle),
        "model_registry.routing_strategy: `discovery` looks for no model anew while \
         `options.discovery_refresh_on_miss` is not true; what is missing is refused with 503\n"
    );

    let text = "\
discovery: {model_discovery: {enabled: false}}
model_registry:
  routing_strategy:
    type: discovery
    options:
      discovery_refresh_on_miss: true
";
    assert_eq!(
        problems(text, Env::default()),
        "config.yaml:6: model_registry.routing_strategy.options.discovery_refresh_on_miss: cannot be: \
         `discovery.model_discovery.enabled` is false, so that no models are listed\n    \
         help: set one of the two the other way\n"
    );
}

//! Files written for the Go version.

use std::{fs, time::Duration};

use super::{in_directory, loaded, notices, root};
use crate::config::{Env, LoadOptions, load};

#[test]
fn what_earlier_versions_read_is_listed_once_and_what_is_missing_is_said() {
    let text = "\
proxy: {engine: sherpa, max_retries: 3}
discovery: {type: static}
model_registry: {type: memory, enable_unifier: false, unification: {stale_threshold: 24h}}
translators: {anthropic: {enabled: true, inspector: {enabled: true}}}
dashboard: {enabled: true, gate_internal_api: true}
";

    let loaded = loaded(text);

    assert_eq!(
        notices(&loaded),
        "\
model_registry.enable_unifier: models are merged over all endpoints whatever this says
dashboard.enabled: the dashboard is not available in this version; see /internal/status
dashboard.gate_internal_api: access to /internal is not gated in this version; keep the port away from strangers
translators.anthropic.inspector.enabled: the Anthropic inspector is not available in this version; nothing is written to disk
settings of earlier versions that change nothing and can be removed
    dashboard, translators.anthropic.inspector: not available in this version
    discovery.type: endpoints come from the list; `discovery.local` adds those found on this machine
    model_registry.enable_unifier: models are listed once for all endpoints that have them
    model_registry.type: models are always kept in memory
    model_registry.unification: a model leaves with the listing that no longer names it
    proxy.engine: there is one engine
    proxy.max_retries: use `proxy.retry.max_attempts`
"
    );
}

#[test]
fn the_file_of_the_original_loads_with_notices_only() {
    let Ok(text) = fs::read_to_string(root().join("../shared/original/config.yaml")) else { return };

    let loaded = loaded(&text);

    let names: Vec<_> = loaded.settings.discovery.endpoints.iter().map(|spec| &*spec.name).collect();
    assert_eq!(names, ["local-ollama", "local-lm-studio", "local-vllm"]);
    assert_eq!(loaded.settings.proxy.response_header_timeout, Duration::from_secs(30));
    assert_eq!(loaded.settings.proxy.response_timeout, Some(Duration::from_secs(900)));
    assert_eq!(
        notices(&loaded),
        "\
dashboard.enabled: the dashboard is not available in this version; see /internal/status
settings of earlier versions that change nothing and can be removed
    dashboard, server.rate_limits.per_endpoint, translators.anthropic.inspector: not available in this version
    discovery.health_check.initial_delay: endpoints are checked as soon as the port is open
    discovery.refresh_interval: use `check_interval` of each endpoint
    discovery.type: endpoints come from the list; `discovery.local` adds those found on this machine
    model_registry.enable_unifier: models are listed once for all endpoints that have them
    model_registry.type: models are always kept in memory
    model_registry.unification: a model leaves with the listing that no longer names it
    proxy.engine: there is one engine
    proxy.profile: every response is passed on as it arrives
"
    );
}

#[test]
fn the_profiles_of_the_original_load_with_one_notice() {
    let original = root().join("../shared/original/profiles");
    if !original.is_dir() {
        return;
    }
    let (_directory, options) = in_directory(&[], Env::default());

    let loaded = load(&LoadOptions { profiles: Some(original), ..options }).unwrap();

    assert_eq!(loaded.profiles.iter().count(), 13);
    assert_eq!(loaded.notices.len(), 1);
}

//! What environment variables set.

use std::{path::Path, time::Duration};

use olla_proxy::{Fallback, Routing};

use super::{alias_names, load_text, notices};
use crate::config::{
    Env,
    keys::{KEYS, Key},
    settings::{LogFormat, LogLevel},
};

#[test]
fn the_environment_overrides_the_file_key_by_key() {
    let text = "server: {port: 1, host: a}\nmodel_aliases: {one: [a]}\n";
    let env = Env::from([
        ("OLLA_SERVER_PORT", "8080"),
        ("OLLA_SERVER_MAX_BODY_SIZE", "1GiB"),
        ("OLLA_SERVER_IDLE_TIMEOUT", "7"),
        ("OLLA_SERVER_CORS_ENABLED", "yes"),
        ("OLLA_SERVER_CORS_ALLOWED_ORIGINS", "https://a.example, https://b.example"),
        ("OLLA_SERVER_READ_TIMEOUT", ""),
        ("OLLA_PROXY_RETRY_ON_STATUS", "503"),
        ("OLLA_ENDPOINTS", "http://x:1,http://y:1"),
        ("OLLA_MODEL_ALIASES", "{two: [b]}"),
        ("OLLA_MODEL_REGISTRY_ROUTING_STRATEGY_TYPE", "optimistic"),
        ("OLLA_LOGGING_FORMAT", "json"),
        ("OLLA_LOGGING_LEVEL", "WARNING"),
        ("OLLA_LOGGING_OUTPUT", "file"),
        ("OLLA_LOG_DIR", "/logs"),
        ("NO_COLOR", "1"),
    ]);

    let loaded = load_text(text, env).unwrap();

    let settings = &loaded.settings;
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("a", 8080));
    assert_eq!(settings.server.limits.max_body_bytes, Some(1 << 30));
    assert_eq!(settings.server.idle_timeout, Duration::from_secs(7));
    assert_eq!(settings.server.read_timeout, Some(Duration::from_secs(30)));
    assert_eq!(settings.server.cors.as_ref().unwrap().origins, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.proxy.retry.on_status, [503]);
    assert_eq!(settings.discovery.endpoints.len(), 2);
    assert_eq!(alias_names(&settings.aliases), ["one", "two"]);
    assert_eq!(settings.routing, Routing::Optimistic(Fallback::CompatibleOnly));
    assert_eq!((settings.logging.level, settings.logging.format), (LogLevel::Warn, LogFormat::Json));
    assert_eq!(settings.logging.file_dir.as_deref(), Some(Path::new("/logs")));
    assert_eq!(settings.logging.colors, Some(false));
    assert_eq!(notices(&loaded), "");
}

#[test]
fn a_variable_that_sets_nothing_is_noticed() {
    let env = Env::from([
        ("OLLA_SERVER_PROT", "1"),
        ("OLLA_PROXY_ENGINE", "sherpa"),
        ("OLLA_CONFIG_FILE", ""),
        ("OLLA_FORCE_COLORS", "true"),
        ("OTHER", ""),
    ]);

    let loaded = load_text("", env).unwrap();

    assert_eq!(
        notices(&loaded),
        "\
the environment variable OLLA_SERVER_PROT sets nothing; did you mean OLLA_SERVER_PORT?
settings of earlier versions that change nothing and can be removed
    OLLA_PROXY_ENGINE: there is one engine
"
    );
}

#[test]
fn no_two_keys_share_a_variable() {
    let mut variables: Vec<_> = KEYS.iter().map(Key::env).collect();
    variables.sort();
    let count = variables.len();
    variables.dedup();

    assert_eq!(variables.len(), count);
}

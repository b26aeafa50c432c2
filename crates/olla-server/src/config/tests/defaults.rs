//! What holds where nothing is written, and what zero means.

use std::{fs, time::Duration};

use olla_proxy::Routing;

use super::{in_directory, loaded, notices, root};
use crate::config::{
    Env, env,
    keys::{ENDPOINT_KEYS, KEYS},
    load,
    settings::LogFormat,
};

#[test]
fn with_nothing_the_defaults_hold_and_local_backends_are_looked_for() {
    let (_directory, options) = in_directory(&[], Env::default());

    let loaded = load(&options).unwrap();

    let settings = &loaded.settings;
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("localhost", 40114));
    assert_eq!(settings.server.limits.max_body_bytes, Some(100 << 20));
    assert_eq!(settings.server.limits.max_header_bytes, 1 << 20);
    assert_eq!(settings.server.rate_limits.trusted_proxy_cidrs.len(), 4);
    assert_eq!(settings.server.write_timeout, None);
    assert_eq!(settings.proxy.response_header_timeout, Duration::from_secs(600));
    assert_eq!(settings.proxy.response_timeout, None);
    assert_eq!(settings.proxy.retry.on_status.len(), 4);
    assert_eq!(settings.routing, Routing::Strict);
    assert_eq!(settings.logging.format, LogFormat::JsonUnlessTerminal);
    assert!(settings.discovery.endpoints.is_empty() && settings.discovery.local);
    assert!(loaded.source.is_none() && loaded.notices.is_empty());
}

#[test]
fn every_default_of_the_table_is_valid() {
    for key in KEYS.iter().chain(ENDPOINT_KEYS) {
        let tree = env::defaults(std::slice::from_ref(key));

        assert_eq!(tree.is_empty(), key.default.is_empty(), "{}", key.path);
    }
}

#[test]
fn zero_takes_the_default_of_a_timeout_or_lifts_a_limit() {
    let loaded = loaded(
        "\
server:
  read_timeout: 0s
  read_header_timeout: 0s
  host: '[::1]'
  request_limits: {max_body_size: 0, max_header_size: 1}
  rate_limits: {global_requests_per_minute: 0, per_ip_requests_per_minute: -1, health_requests_per_minute: 0, burst_size: 0}
proxy: {read_timeout: 0, response_timeout: 15m}
",
    );

    let server = &loaded.settings.server;
    assert_eq!(server.host, "::1");
    assert_eq!((server.read_timeout, server.read_header_timeout), (None, Duration::from_secs(10)));
    assert_eq!((server.limits.max_body_bytes, server.limits.max_header_bytes), (None, 4096));
    assert!(server.rate_limits.global.is_none() && server.rate_limits.per_ip.is_none());
    assert_eq!(loaded.settings.proxy.read_timeout, Duration::from_secs(600));
    assert_eq!(loaded.settings.proxy.response_timeout, Some(Duration::from_secs(900)));
}

#[test]
fn the_shipped_file_is_valid_and_the_same_as_the_defaults() {
    let shipped = fs::read_to_string(root().join("config/config.yaml")).unwrap();
    let (_directory, options) = in_directory(&[], Env::default());

    let with_file = loaded(&shipped);
    let without = load(&options).unwrap();

    assert_eq!(notices(&with_file), "");
    assert_eq!(format!("{:?}", with_file.settings), format!("{:?}", without.settings));
}

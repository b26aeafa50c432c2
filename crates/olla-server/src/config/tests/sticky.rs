//! `proxy.sticky_sessions`, and the page that explains it.

use std::{fs, time::Duration};

use olla_core::KeySource;
use olla_proxy::Sticky;

use super::{Env, load_text, loaded, notices, problems, root};

fn sticky(text: &str) -> Option<Sticky> {
    loaded(text).settings.proxy.sticky
}

#[test]
fn sticky_sessions_are_off_until_they_are_switched_on() {
    assert_eq!(sticky(""), None);
    assert_eq!(sticky("proxy: {sticky_sessions: {max_sessions: 5}}"), None);
    assert_eq!(sticky("proxy: {sticky_sessions: {enabled: true}}"), Some(Sticky::default()));
}

#[test]
fn every_key_is_read() {
    let text = "\
proxy:
  sticky_sessions:
    enabled: true
    key_sources: [ip, Session-Header]
    idle_ttl_seconds: 60
    max_sessions: 7
    prefix_hash_bytes: 0
    max_load_percent: 100
";

    let expected = Sticky {
        key_sources: vec![KeySource::Ip, KeySource::SessionHeader],
        idle_ttl: Duration::from_secs(60),
        max_sessions: 7,
        prefix_hash_bytes: 0,
        max_load_percent: 100,
    };
    assert_eq!(sticky(text), Some(expected));
}

#[test]
fn the_environment_switches_them_on() {
    let env = Env::from([
        ("OLLA_PROXY_STICKY_SESSIONS_ENABLED", "true"),
        ("OLLA_PROXY_STICKY_SESSIONS_KEY_SOURCES", "ip,auth_header"),
    ]);

    let sticky = load_text("", env).unwrap().settings.proxy.sticky.unwrap();

    assert_eq!(sticky.key_sources, [KeySource::Ip, KeySource::AuthHeader]);
}

#[test]
fn less_than_nothing_is_nothing_as_it_was() {
    let sticky =
        sticky("proxy: {sticky_sessions: {enabled: true, idle_ttl_seconds: -1, prefix_hash_bytes: -1}}")
            .unwrap();

    assert_eq!((sticky.idle_ttl, sticky.prefix_hash_bytes), (Duration::ZERO, 0));
}

#[test]
fn every_mistake_is_found_at_once_and_has_a_way_out() {
    let text = "\
proxy:
  sticky_sessions:
    enabled: true
    idle_ttl_seconds: 0
    max_sessions: 0
    key_sources: [session_headr, cookie]
    max_load_percent: 99
    purge: true
";

    assert_eq!(
        problems(text, Env::default()),
        "\
config.yaml:5: proxy.sticky_sessions.max_sessions: is 0, and so is `idle_ttl_seconds`
    help: limit one of them, or conversations are remembered until memory runs out
config.yaml:6: proxy.sticky_sessions.key_sources[0]: expected one of session_header, prefix_hash, auth_header, ip, found \"session_headr\"
    help: did you mean `session_header`?
config.yaml:6: proxy.sticky_sessions.key_sources[1]: expected one of session_header, prefix_hash, auth_header, ip, found \"cookie\"
config.yaml:7: proxy.sticky_sessions.max_load_percent: expected a whole number of percent from 100, or 0 for no limit, found 99
config.yaml:8: proxy.sticky_sessions.purge: unknown key
    help: known keys here: enabled, key_sources, idle_ttl_seconds, max_sessions, prefix_hash_bytes, max_load_percent
"
    );
    assert_eq!(
        problems("proxy: {sticky_sessions: {enabled: true, key_sources: []}}", Env::default()),
        "\
config.yaml:1: proxy.sticky_sessions.key_sources: is empty, so that no conversation is ever recognised
    help: name at least one, or set `proxy.sticky_sessions.enabled` to false
"
    );
}

#[test]
fn the_examples_of_the_page_are_whole_configurations() {
    let page = fs::read_to_string(root().join("docs/sticky-sessions.md")).unwrap();
    let examples: Vec<_> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();

    assert!(!examples.is_empty());
    for example in examples {
        let loaded = loaded(example);
        assert!(loaded.settings.proxy.sticky.is_some(), "{example}");
        assert_eq!(notices(&loaded), "", "{example}");
    }
}

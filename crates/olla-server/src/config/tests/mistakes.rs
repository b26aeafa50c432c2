//! Mistakes anywhere in a file: all of them are reported, each where it stands.

use super::{load_text, loaded, problems};
use crate::config::Env;

#[test]
fn every_mistake_is_reported_at_once() {
    let text = "\
server:
  port: 70000
  read_timeout: fast
  request_logging: maybe
  rate_limits:
    burst_size: 0
    trusted_proxy_cidrs: [10.0.0.0/8, 10.0.0.0/99]
  cors: {enabled: true, allow_credentials: true}
  request_limits: {max_body_size: lots}
proxy:
  load_balencer: priority
  load_balancer: fastest
  retry: {on_status: [503, 200], enabled: [true]}
  profile_filter: {include: ['']}
discovery:
  model_discovery: {interval: 0s}
  static: 5
model_aliases:
  empty: []
  ' padded': [x]
  blank: [x, ' ']
nonsense: 1
";

    let env = Env::from([("OLLA_SERVER_IDLE_TIMEOUT", "soon")]);

    assert_eq!(
        problems(text, env),
        "\
config.yaml:2: server.port: expected a port from 1 to 65535, found 70000
config.yaml:3: server.read_timeout: expected a duration such as 300ms, 30s, 1m30s, or a number of seconds, found \"fast\"
config.yaml:4: server.request_logging: expected true or false, found \"maybe\"
config.yaml:6: server.rate_limits.burst_size: must be at least 1, or no request passes
    help: to switch rate limits off, set each `…_requests_per_minute` to 0
config.yaml:7: server.rate_limits.trusted_proxy_cidrs[1]: expected an address block such as 10.0.0.0/8, found \"10.0.0.0/99\"
config.yaml:8: server.cors.allow_credentials: cannot be combined with `*` in `allowed_origins`
    help: name the origins that may send credentials
config.yaml:9: server.request_limits.max_body_size: expected a number of bytes, or a size such as 100MB or 1GiB, found \"lots\"
config.yaml:11: proxy.load_balencer: unknown key
    help: did you mean `load_balancer`?
config.yaml:12: proxy.load_balancer: expected one of priority, round-robin, least-connections, found \"fastest\"
config.yaml:13: proxy.retry.enabled: expected true or false, found a list
config.yaml:13: proxy.retry.on_status[1]: expected an HTTP error status from 400 to 599, found 200
config.yaml:14: proxy.profile_filter.include[0]: expected a name, or a pattern such as llama3*, found empty text
config.yaml:16: discovery.model_discovery.interval: expected a duration above 0 such as 300ms, 30s, 1m30s, or a number of seconds, found \"0s\"
config.yaml:17: discovery.static: expected a mapping, found another value
config.yaml:19: model_aliases.empty: has no model to stand for
    help: list at least one real model name
config.yaml:20: model_aliases. padded: the name of an alias begins or ends with a blank
config.yaml:21: model_aliases.blank[1]: is blank instead of the name of a model
config.yaml:22: nonsense: unknown key
    help: known keys here: server, proxy, endpoints, discovery, model_registry, model_aliases, translators, logging, engineering
OLLA_SERVER_IDLE_TIMEOUT: server.idle_timeout: expected a duration such as 300ms, 30s, 1m30s, or a number of seconds, found \"soon\"
"
    );
}

#[test]
fn a_number_that_is_too_long_is_a_mistake_like_any_other() {
    let long = "9".repeat(23);
    let text = format!(
        "server:\n  port: {long}\n  workers: -{long}\n  request_limits: {{max_body_size: {long}}}\n\
         proxy: {{retry: {{max_attempts: {}}}}}\nnonsense: 1\n",
        "9".repeat(40)
    );

    let problems = problems(&text, Env::from([("OLLA_SERVER_CORS_MAX_AGE", long.as_str())]));

    for problem in [
        "config.yaml:2: server.port: expected a port from 1 to 65535, found",
        "config.yaml:3: server.workers: expected a whole number from 0 to 1024, found",
        "config.yaml:4: server.request_limits.max_body_size: expected a number of bytes",
        "config.yaml:5: proxy.retry.max_attempts: expected a whole number, 0 or more, found",
        "config.yaml:6: nonsense: unknown key",
        "OLLA_SERVER_CORS_MAX_AGE: server.cors.max_age: expected a whole number, 0 or more, found",
    ] {
        assert!(problems.contains(problem), "{problem}\n{problems}");
    }
    assert_eq!(problems.lines().filter(|line| !line.starts_with(' ')).count(), 6, "{problems}");
}

#[test]
fn there_may_be_1024_workers_and_no_more() {
    assert_eq!(loaded("server: {workers: 1024}").settings.server.workers, Some(1024));
    assert_eq!(
        problems("server: {workers: 1025}", Env::default()),
        "config.yaml:1: server.workers: expected a whole number from 0 to 1024, found 1025\n"
    );
}

#[test]
fn a_syntax_error_names_its_line_and_hides_nothing_else() {
    let env = Env::from([("OLLA_SERVER_PORT", "x")]);

    assert_eq!(
        problems("server:\n  port: 1\n bad: [\n", env),
        "\
config.yaml:3: is not valid YAML: did not find expected key
OLLA_SERVER_PORT: server.port: expected a port from 1 to 65535, found \"x\"
"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_loading_panic(
        text in "((server|proxy|endpoints|auth|url|model_aliases|headers|retry|port)?[:\\[\\]{}, -]{1,2}[a-z0-9$\\n]{0,4}\n? {0,4}){0,12}"
    ) {
        let _ = load_text(&text, Env::default());
    }
}

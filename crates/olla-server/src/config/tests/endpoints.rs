//! Endpoints: how they may be written, and all that can be wrong with one.

use std::time::Duration;

use super::{load_text, loaded, notices, problems};
use crate::config::Env;

#[test]
fn endpoints_may_stand_in_two_places_and_in_short_form() {
    let loaded = loaded(
        "\
endpoints:
  - http://[::1]:8000/
  - {url: 'http://h:1', name: first, weight: 3, models: [a, {name: b, context_length: 4096}]}
discovery:
  static:
    endpoints:
      - {url: 'http://gpu:11434', type: OLLAMA, check_interval: 2, check_timeout: 0.5}
      - {url: 'http://gpu:11434/base', type: ollama}
",
    );

    let specs = &loaded.settings.discovery.endpoints;
    let names: Vec<_> = specs.iter().map(|s| &*s.name).collect();
    assert_eq!(names, ["auto-::1-8000", "first", "ollama-gpu-11434", "ollama-gpu-11434-2"]);
    assert_eq!(specs[3].shown, "ollama-gpu-11434-2");
    assert_eq!((specs[1].weight, specs[1].declared_models[1].context_length), (3, Some(4096)));
    assert_eq!(specs[2].check_interval, Duration::from_secs(2));
    assert_eq!(specs[2].check_timeout, Duration::from_millis(500));
    assert_eq!(specs[2].kind, loaded.profiles.resolve("ollama"));
    assert!(specs[2].kind.is_some() && specs[0].kind.is_none());
    assert!(!loaded.settings.discovery.local);
}

#[test]
fn every_mistake_of_an_endpoint_is_reported_at_once() {
    let text = "\
endpoints:
  - url: http://user:s3cret@h
    name: one
    type: olama
    check_interval: 500ms
    check_timeout: 2s
    priority: -1
    weight: 0
    allow_paths: [key]
    wieght: 2
    model_filter: {exclude: ['']}
    headers: {'bad name': x, Content-Length: '1', X-Ok: '${NOT_SET} s3cret'}
    tls: {ca_file: bad.pem}
    auth: {type: bearer, key: s3cret}
  - name: one
  - just text: s3cret
  - 's3cret text'
  - [s3cret]
discovery:
  static:
    endpoints:
      - {url: 'http://h:1', name: two, auth: {type: basic, username: '', password_file: none.txt}}
      - {url: 'http://H:1/', name: two, auth: {type: api_key, key: '${A}', key_file: f}, tls: {ca_file: none.pem}}
      - {url: 'http://x', models: [{context_length: 5}], check_timeout: 31s, check_interval: 1m, auth: s3cret}
      - {url: 'http://y', auth: {token: 's3cret'}, model_url: 'ftp://h/x', health_check_url: 'http://u:s3cret@h/'}
";

    let problems = problems(text, Env::default());

    assert!(!problems.contains("s3cret"), "{problems}");
    assert_eq!(
        problems,
        "\
config.yaml:2: endpoints[0].url: must not hold credentials; use an `auth` block instead
config.yaml:4: endpoints[0].type: unknown kind \"olama\"; known are auto, anthropic, docker-model-runner, lemonade, litellm, llamacpp, lm-studio, lmdeploy, ollama, omlx, openai-compatible, sglang, vllm, vllm-mlx
    help: did you mean `ollama`?
config.yaml:5: endpoints[0].check_interval: must be at least 1s
config.yaml:6: endpoints[0].check_timeout: must be shorter than `check_interval`, but 2s is not shorter than 500ms
config.yaml:7: endpoints[0].priority: expected a whole number, 0 or more, found -1
config.yaml:8: endpoints[0].weight: expected a whole number, 1 or more, found 0
config.yaml:9: endpoints[0].allow_paths[0]: expected a path that begins with /, without . or .. segments, where * may stand for a whole segment, such as /key/*, found \"key\"
config.yaml:10: endpoints[0].wieght: unknown key
    help: did you mean `weight`?
config.yaml:11: endpoints[0].model_filter.exclude[0]: expected a name, or a pattern such as llama3*, found empty text
config.yaml:12: endpoints[0].headers.Content-Length: cannot be set: it belongs to the connection, not to the request
config.yaml:12: endpoints[0].headers.X-Ok: the environment variable NOT_SET is not set
    help: set it, or write ${NOT_SET:-default}
config.yaml:12: endpoints[0].headers.bad name: is not the name of a header
config.yaml:13: endpoints[0].tls.ca_file: the file holds no PEM certificate
config.yaml:14: endpoints[0].auth.key: does not belong to auth type bearer
config.yaml:14: endpoints[0].auth.token: is missing
    help: set `token` or `token_file`
config.yaml:15: endpoints[1].url: is missing
    help: write it like http://host:port
config.yaml:16: endpoints[2].just text: unknown key
config.yaml:16: endpoints[2].url: is missing
    help: write it like http://host:port
config.yaml:17: endpoints[3].url: is not a valid URL; write it like http://host:port
config.yaml:18: endpoints[4]: expected a mapping, found a list
config.yaml:22: discovery.static.endpoints[0].auth.username: is empty
config.yaml:22: discovery.static.endpoints[0].auth.password_file: cannot read the file: No such file or directory (os error 2)
config.yaml:23: discovery.static.endpoints[1].auth.key_file: is set beside `key`
    help: set one of the two
config.yaml:23: discovery.static.endpoints[1].tls.ca_file: cannot read the file: No such file or directory (os error 2)
config.yaml:23: discovery.static.endpoints[1].name: another endpoint has the name \"two\": discovery.static.endpoints[0] in line 22
    help: give each endpoint its own name
config.yaml:23: discovery.static.endpoints[1].url: another endpoint has the same URL: discovery.static.endpoints[0] in line 22
    help: remove one of the two; use `weight` to give an endpoint more traffic
config.yaml:24: discovery.static.endpoints[2].auth: expected a mapping, found other text
config.yaml:24: discovery.static.endpoints[2].check_timeout: must be at most 30s
config.yaml:24: discovery.static.endpoints[2].models[0]: has no name
config.yaml:25: discovery.static.endpoints[3].auth.type: is missing
    help: set it to bearer, api_key, basic or forward
config.yaml:25: discovery.static.endpoints[3].health_check_url: must not hold credentials; use an `auth` block instead
config.yaml:25: discovery.static.endpoints[3].model_url: must begin with http:// or https://
"
    );
}

#[test]
fn what_could_only_be_a_slip_in_an_endpoint_is_a_mistake() {
    let text = "\
endpoints:
  - url: http://h
    models: [a, A, {name: a}]
    allow_paths: [/ok/..x, /a/../b, '/*/./x', /%2e%2E/x]
    auth: {type: basic, username: 'a:s3cret', password: p}
  - {url: 'http://i', auth: {type: basic, username: '${USER_NAME}', password: 'p:q'}}
";

    assert_eq!(
        problems(text, Env::from([("USER_NAME", "s3cret:")])),
        "\
config.yaml:3: endpoints[0].models[2]: names the model \"a\" again
config.yaml:4: endpoints[0].allow_paths[1]: expected a path that begins with /, without . or .. segments, where * may stand for a whole segment, such as /key/*, found \"/a/../b\"
config.yaml:4: endpoints[0].allow_paths[2]: expected a path that begins with /, without . or .. segments, where * may stand for a whole segment, such as /key/*, found \"/*/./x\"
config.yaml:4: endpoints[0].allow_paths[3]: expected a path that begins with /, without . or .. segments, where * may stand for a whole segment, such as /key/*, found \"/%2e%2E/x\"
config.yaml:5: endpoints[0].auth.username: holds a colon, which cannot stand in a user name
config.yaml:6: endpoints[1].auth.username: holds a colon, which cannot stand in a user name
"
    );
}

#[test]
fn a_health_path_that_costs_money_is_noticed() {
    let loaded = loaded("endpoints: [{url: 'http://h', type: litellm, health_check_url: /health}]");

    let notices = notices(&loaded);

    assert!(notices.starts_with("endpoint litellm-h-80: health_check_url /health is costly: "), "{notices}");
    assert!(notices.ends_with("leave it out to ask for /health/liveliness\n"), "{notices}");
}

#[test]
fn a_notice_shows_no_value_that_held_a_variable() {
    let text = "endpoints: [{url: 'http://h/${TEAM}', type: litellm, health_check_url: /health}]";

    let loaded = load_text(text, Env::from([("TEAM", "s3cret")])).unwrap();

    let notices = notices(&loaded);
    assert!(notices.starts_with("endpoint litellm-h-80: health_check_url /health is costly"), "{notices}");
    assert!(!notices.contains("s3cret"), "{notices}");
}

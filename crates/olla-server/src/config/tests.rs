//! Whole configurations: what they resolve to, and all that is said about bad ones.

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::{
    Env, LoadOptions, Loaded, Rejected,
    keys::{ENDPOINT_KEYS, KEYS, Key, MODEL_KEYS},
    load,
    settings::{LogFormat, LogLevel},
};
use olla_core::Aliases;
use olla_proxy::{Fallback, Routing};

fn in_directory(files: &[(&str, &str)], env: Env) -> (TempDir, LoadOptions) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let options = LoadOptions { env, directory: directory.path().into(), ..LoadOptions::default() };
    (directory, options)
}

fn load_text(text: &str, env: Env) -> Result<Loaded, Rejected> {
    let (_directory, options) = in_directory(&[("config.yaml", text), ("bad.pem", "no certificate")], env);
    load(&options)
}

fn loaded(text: &str) -> Loaded {
    load_text(text, Env::default()).unwrap()
}

fn problems(text: &str, env: Env) -> String {
    let rejected = load_text(text, env).unwrap_err();
    rejected.problems.iter().map(|p| format!("{p}\n")).collect()
}

fn alias_names(aliases: &Aliases) -> Vec<&str> {
    aliases.sorted().into_iter().map(|(name, _)| name).collect()
}

fn notices(loaded: &Loaded) -> String {
    loaded.notices.iter().map(|n| format!("{n}\n")).collect()
}

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
        let tree = super::env::defaults(std::slice::from_ref(key));

        assert_eq!(tree.is_empty(), key.default.is_empty(), "{}", key.path);
    }
}

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
    assert_eq!(specs[3].name_value, "ollama-gpu-11434-2");
    assert_eq!((specs[1].weight, specs[1].declared_models[1].context_length), (3, Some(4096)));
    assert_eq!(specs[2].check_interval, Duration::from_secs(2));
    assert_eq!(specs[2].check_timeout, Duration::from_millis(500));
    assert_eq!(specs[2].kind, loaded.profiles.resolve("ollama"));
    assert!(specs[2].kind.is_some() && specs[0].kind.is_none());
    assert!(!loaded.settings.discovery.local);
}

#[test]
fn credentials_come_from_values_variables_and_files_and_win_over_headers() {
    let env = Env::from([("TOKEN", "t1"), ("USER_NAME", "u"), ("TENANT", "x")]);
    let (_directory, options) = in_directory(
        &[
            (
                "config.yaml",
                "\
endpoints:
  - {url: 'http://a', auth: {type: bearer, token: '${TOKEN}'}, headers: {Authorization: no, X-Tenant: '${TENANT}'}}
  - {url: 'http://b', auth: {type: api_key, key_file: key.txt, header: X-Key}}
  - {url: 'http://c', auth: {type: basic, username: '${USER_NAME}', password: '${NONE:-p}'}}
  - {url: 'http://d', auth: {type: forward}}
",
            ),
            ("key.txt", "  k1\n"),
        ],
        env,
    );

    let loaded = load(&options).unwrap();

    let sent: Vec<Vec<String>> = loaded
        .settings
        .discovery
        .endpoints
        .iter()
        .map(|spec| spec.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect())
        .collect();
    assert_eq!(sent[0], ["x-tenant: x", "authorization: Bearer t1"]);
    assert_eq!(sent[1], ["x-key: k1"]);
    assert_eq!(sent[2], ["authorization: Basic dTpw"]);
    assert!(sent[3].is_empty() && loaded.settings.discovery.endpoints[3].forward_credentials);
    assert!(
        loaded.settings.discovery.endpoints.iter().flat_map(|s| &*s.headers).all(|(_, v)| v.is_sensitive())
    );
}

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
fn the_first_usual_file_is_taken_unless_one_is_named() {
    let files = [
        ("config/config.local.yaml", "server: {port: 1}"),
        ("config/config.yaml", "server: {port: 2}"),
        ("mine.yaml", "server: {port: 3}"),
    ];
    let port = |options: &LoadOptions| load(options).unwrap().settings.server.port;

    let (_usual, options) = in_directory(&files, Env::default());
    assert_eq!(port(&options), 1);
    let (_named, options) = in_directory(&files, Env::from([("OLLA_CONFIG_FILE", "mine.yaml")]));
    assert_eq!(port(&options), 3);
    let options = LoadOptions { config: Some("config/config.yaml".into()), ..options };
    assert_eq!(port(&options), 2);

    let options = LoadOptions { config: Some("absent.yaml".into()), ..options };
    let rejected = load(&options).unwrap_err();
    assert_eq!(
        rejected.problems[0].to_string(),
        "absent.yaml: cannot be read: No such file or directory (os error 2)\n    \
         help: check `--config` and OLLA_CONFIG_FILE, or leave both out"
    );
}

#[test]
fn profiles_come_from_the_working_directory_the_config_and_the_command_line() {
    let profile = |name: &str| {
        format!(
            "name: {name}\nrouting: {{prefixes: [{name}]}}\napi: {{paths: [/v1/models], model_discovery_path: /v1/models, health_check_path: /}}\nrequest: {{response_format: openai}}\n"
        )
    };
    let (a, b, c) = (profile("kind-a"), profile("kind-b"), profile("kind-c"));
    let (_directory, options) = in_directory(
        &[
            ("config/profiles/sub/a.yaml", &a),
            ("etc/olla.yaml", ""),
            ("etc/config/profiles/b.yaml", &b),
            ("etc/config/profiles/a.yaml", &a.replace("prefixes: [", "prefixes: [newer, ")),
            ("more/c.yaml", &c),
            ("more/readme.md", "not a profile"),
        ],
        Env::default(),
    );
    let options =
        LoadOptions { config: Some("etc/olla.yaml".into()), profiles: Some("more".into()), ..options };

    let loaded = load(&options).unwrap();

    for kind in ["kind-a", "kind-b", "kind-c"] {
        assert!(loaded.profiles.resolve(kind).is_some(), "{kind}");
    }
    assert!(loaded.profiles.resolve("newer").is_some(), "the later directory wins");
    let options = LoadOptions { profiles: Some("nowhere".into()), ..options };
    let rejected = load(&options).unwrap_err();
    assert!(rejected.problems[0].to_string().starts_with("nowhere: cannot be read"));
}

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
    help: known keys here: server, proxy, endpoints, discovery, model_registry, model_aliases, logging, engineering
OLLA_SERVER_IDLE_TIMEOUT: server.idle_timeout: expected a duration such as 300ms, 30s, 1m30s, or a number of seconds, found \"soon\"
"
    );
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
config.yaml:4: endpoints[0].type: unknown kind \"olama\"; known are auto, docker-model-runner, lemonade, litellm, llamacpp, lm-studio, lmdeploy, ollama, omlx, openai-compatible, sglang, vllm, vllm-mlx
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
fn urls_may_hold_variables() {
    let text = "\
endpoints:
  - 'http://${HOST}:${PORT:-8000}'
  - {url: 'https://${HOST}/${TEAM}', model_url: '${LIST}', health_check_url: '${EMPTY}'}
";
    let env = Env::from([("HOST", "gpu-1"), ("TEAM", "blue"), ("LIST", "/v2/models"), ("EMPTY", "")]);

    let loaded = load_text(text, env).unwrap();

    let specs = &loaded.settings.discovery.endpoints;
    assert_eq!(specs[0].base.to_string(), "http://gpu-1:8000");
    assert_eq!(specs[1].base.to_string(), "https://gpu-1/blue");
    assert_eq!(specs[1].listing.as_ref().unwrap().path, "/blue/v2/models");
    assert_eq!(specs[1].health, None);
}

#[test]
fn a_url_with_a_bad_variable_is_a_problem_that_shows_no_value() {
    let text = "\
endpoints:
  - {url: 'http://${NOWHERE}', health_check_url: '/${NOPE}', model_url: '/a${b'}
  - {url: '${BAD}'}
  - {url: 'http://h', name: h, headers: {X-Key: 'k${oops'}, auth: {type: bearer, token: 'SEK${oops'}}
  - {url: 'http://${HOST}', name: a}
  - {url: 'http://${HOST}', name: b, health_check_url: 'ftp://${HOST}'}
";
    let env = Env::from([("BAD", "s3cret"), ("HOST", "s3cret")]);

    let problems = problems(text, env);

    assert!(!problems.contains("s3cret") && !problems.contains("oops"), "{problems}");
    assert_eq!(
        problems,
        "\
config.yaml:2: endpoints[0].url: the environment variable NOWHERE is not set
    help: set it, or write ${NOWHERE:-default}
config.yaml:2: endpoints[0].health_check_url: the environment variable NOPE is not set
    help: set it, or write ${NOPE:-default}
config.yaml:2: endpoints[0].model_url: holds `${` without its `}`
    help: write ${NAME} or ${NAME:-default}; a default cannot hold a variable
config.yaml:3: endpoints[1].url: must begin with http:// or https://
config.yaml:4: endpoints[2].headers.X-Key: holds `${` without its `}`
    help: write ${NAME} or ${NAME:-default}; a default cannot hold a variable
config.yaml:4: endpoints[2].auth.token: holds `${` without its `}`
    help: write ${NAME} or ${NAME:-default}; a default cannot hold a variable
config.yaml:6: endpoints[4].health_check_url: must begin with http:// or https://
config.yaml:6: endpoints[4].url: another endpoint has the same URL: endpoints[3] in line 5
    help: remove one of the two; use `weight` to give an endpoint more traffic
"
    );
}

#[test]
fn a_url_is_told_all_that_is_wrong_with_it() {
    assert_eq!(
        problems("endpoints: ['http://u:s3cret@h?key=s3cret', 'ftp://h#x', 'http://h?x']", Env::default()),
        "\
config.yaml:1: endpoints[0].url: must not hold credentials; use an `auth` block instead
config.yaml:1: endpoints[0].url: must not have a query or fragment
config.yaml:1: endpoints[1].url: must begin with http:// or https://
config.yaml:1: endpoints[1].url: must not have a query or fragment
config.yaml:1: endpoints[2].url: must not have a query or fragment
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

#[test]
fn what_earlier_versions_read_is_listed_once_and_what_is_missing_is_said() {
    let text = "\
proxy: {engine: sherpa, max_retries: 3, sticky_sessions: {enabled: true, anything: 1}}
discovery: {type: static}
model_registry: {type: memory, routing_strategy: {type: discovery, options: {discovery_timeout: 2s}}}
translators: {anthropic: {enabled: true, inspector: {enabled: true}}}
dashboard: {enabled: true, gate_internal_api: true}
";

    let loaded = loaded(text);

    assert_eq!(loaded.settings.routing, Routing::Strict);
    assert_eq!(
        notices(&loaded),
        "\
proxy.sticky_sessions.enabled: sticky sessions are not available in this version; each request is balanced on its own
model_registry.routing_strategy.type: the routing strategy `discovery` is not available in this version; it acts as `strict`
dashboard.enabled: the dashboard is not available in this version; see /internal/status
dashboard.gate_internal_api: access to /internal is not gated in this version; keep the port away from strangers
translators.anthropic.enabled: translation of the Anthropic API is not available in this version; backends that speak it themselves are reached as they are
translators.anthropic.inspector.enabled: the Anthropic inspector is not available in this version; nothing is written to disk
settings of earlier versions that change nothing and can be removed
    dashboard, model_registry.routing_strategy.options.discovery_timeout, proxy.sticky_sessions, translators: not available in this version
    discovery.type: endpoints come from the list; `discovery.local` adds those found on this machine
    model_registry.type: models are always kept in memory
    proxy.engine: there is one engine
    proxy.max_retries: use `proxy.retry.max_attempts`
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

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
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
translators.anthropic.enabled: translation of the Anthropic API is not available in this version; backends that speak it themselves are reached as they are
settings of earlier versions that change nothing and can be removed
    dashboard, model_registry.routing_strategy.options.discovery_refresh_on_miss, model_registry.routing_strategy.options.discovery_timeout, proxy.sticky_sessions, server.rate_limits.per_endpoint, translators: not available in this version
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

    assert_eq!(loaded.profiles.iter().count(), 12);
    assert_eq!(loaded.notices.len(), 1);
}

/// Returns the row of a key in the documentation.
fn row(key: &Key, with_variable: bool) -> String {
    let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
    let variable = if with_variable { format!(" `{}` |", key.env()) } else { String::new() };
    format!("| `{}` | {} | {default} | {} |{variable}", key.path, key.shape.describe(), key.meaning)
}

#[test]
fn the_documentation_lists_every_key_and_no_other() {
    let documentation = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut expected: Vec<String> = KEYS.iter().map(|key| row(key, true)).collect();
    expected.extend(ENDPOINT_KEYS.iter().chain(MODEL_KEYS).map(|key| row(key, false)));

    let rows: Vec<&str> = documentation.lines().filter(|line| line.starts_with("| `")).collect();

    for row in &expected {
        assert!(rows.contains(&row.as_str()), "docs/configuration.md lacks\n{row}");
    }
    for row in rows {
        assert!(expected.iter().any(|e| e == row), "docs/configuration.md has a row for no key:\n{row}");
    }
}

#[test]
fn no_two_keys_share_a_variable() {
    let mut variables: Vec<_> = KEYS.iter().map(Key::env).collect();
    variables.sort();
    let count = variables.len();
    variables.dedup();

    assert_eq!(variables.len(), count);
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

#[test]
fn rules_for_model_names_are_read_and_checked_too() {
    let (_directory, options) = in_directory(&[("config/models.yaml", "vresion: 1\n")], Env::default());

    let rejected = load(&options).unwrap_err();

    assert!(rejected.problems.iter().any(|p| p.to_string().contains("config/models.yaml")), "{rejected:?}");
}

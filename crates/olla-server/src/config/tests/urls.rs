//! URLs of endpoints, and the variables in them.

use super::{load_text, problems};
use crate::config::Env;

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

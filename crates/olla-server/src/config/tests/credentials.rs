//! Credentials of endpoints.

use super::in_directory;
use crate::config::{Env, load};

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

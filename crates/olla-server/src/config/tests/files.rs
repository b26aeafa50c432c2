//! Which files are read.

use super::in_directory;
use crate::config::{Env, LoadOptions, load};

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
fn rules_for_model_names_are_read_and_checked_too() {
    let (_directory, options) = in_directory(&[("config/models.yaml", "vresion: 1\n")], Env::default());

    let rejected = load(&options).unwrap_err();

    assert!(rejected.problems.iter().any(|p| p.to_string().contains("config/models.yaml")), "{rejected:?}");
}

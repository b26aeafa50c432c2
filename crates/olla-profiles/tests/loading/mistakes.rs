//! Mistakes in files: what is refused, and how it is said.

use super::*;

#[test]
fn all_mistakes_of_all_files_are_reported_with_file_line_and_key() {
    let first = "name: acme\nrouting:\n  prefix: [acme]\napi:\n  openai_compatible: maybe\n  paths:\n    - /ok\n    - v1/models\n    - /a*b\n";
    let second = "name: other\napi:\n  paths: [/x]\n  health_check_path: health\n  first_byte_timeout: soon\n  unknown_path_body: ''\nlistings: {}\ndetection:\n  default_ports: [80, 99999]\n";

    let problems = load(&[first, second]).unwrap_err();

    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            r#"0.yaml:3: routing.prefix: is not a key of a profile; did you mean "prefixes"?"#,
            r#"0.yaml:8: api.paths[1]: path rule "v1/models" must begin with /"#,
            r#"0.yaml:9: api.paths[2]: path rule "/a*b" has * inside a segment; a * stands for a whole segment"#,
            "0.yaml:5: api.openai_compatible: must be true or false, not a text",
            r#"1.yaml:7: listings: is not a key of a profile; did you mean "listing"?"#,
            "1.yaml:4: api.health_check_path: must be a path that begins with /",
            "1.yaml:5: api.first_byte_timeout: must be a duration such as 90s, 5m or 1h30m",
            "1.yaml:6: api.unknown_path_body: must be a text, not a blank",
            "1.yaml:9: detection.default_ports[1]: must be a whole number in range",
        ]
    );
}

#[test]
fn a_file_that_says_nothing_useful_is_told_so() {
    assert_eq!(
        problems("{}"),
        ["0.yaml: needs `api.paths`: nothing else is forwarded", "0.yaml: needs a `name`"]
    );
    assert_eq!(problems("- 1"), ["0.yaml: must be a mapping, not a list"]);
    assert_eq!(problems("# nothing\n"), ["0.yaml: must be a mapping, not empty"]);
    assert!(problems("name: [").pop().unwrap().starts_with("0.yaml:"), "with the line of the syntax error");
    assert!(problems("a: 1\na: 2\n")[0].contains("duplicate"));
}

#[test]
fn names_and_prefixes_are_single_words_that_lead_nowhere_else() {
    for (line, suggestion) in [
        ("routing: {prefixes: [/litellm/]}", "did you mean \"litellm\"?"),
        ("routing: {prefixes: [proxy]}", "none of auto, proxy"),
        ("routing: {prefixes: ['a b']}", "one word"),
    ] {
        let told = problems(&format!("name: acme\napi: {{paths: [/x]}}\n{line}\n"));
        assert!(told.len() == 1 && told[0].contains(suggestion), "{told:?}");
    }
    assert!(problems("name: auto\napi: {paths: [/x]}\n")[0].contains("none of auto"));
}

#[test]
fn a_prefix_of_two_kinds_is_refused_naming_both() {
    let told = problems("name: acme\nrouting: {prefixes: [LM_Studio]}\napi: {paths: [/x]}\n");

    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("0.yaml:2: routing.prefixes: "), "{told:?}");
    assert!(told[0].ends_with("\"lm-studio\" already leads to \"lm-studio\" of lm-studio.yaml"), "{told:?}");
}

#[test]
fn two_files_of_the_same_name_are_refused() {
    let problems = load(&[MINIMAL, MINIMAL]).unwrap_err();

    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].to_string(), "1.yaml:1: name: \"acme\" is already defined by 0.yaml");
}

#[test]
fn a_listing_that_cannot_work_is_refused() {
    for (block, complaint) in [
        ("listing: vlm", "did you mean \"vllm\"?"),
        ("listing: {fields: {name: id}}", "needs a `models`"),
        ("listing: {models: data}", "needs a `fields`"),
        ("listing: {models: data, fields: {}}", "needs a `name`"),
        ("listing: {models: data, fields: {name: a..b}}", "dotted path"),
        ("listing: {models: data, fields: {name: id, size: n}}", "did you mean \"size_bytes\"?"),
        ("listing: {models: data, fields: {name: {path: id, constant: x}}}", "either `path` or `constant`"),
        ("listing: {models: data, fields: {name: {constant: x, before: y}}}", "do nothing"),
        (
            "listing: {models: d, fields: {name: id, used_for: {path: t, values: {llm: chat}}}}",
            "one of text, vision",
        ),
        (
            "listing: {models: d, fields: {name: id, used_for: {constant: embedding}}}",
            "did you mean \"embeddings\"?",
        ),
        (
            "listing: {models: d, fields: {name: id, images: {path: t, values: {yes: 'yes'}}}}",
            "must be one of true, false",
        ),
        ("listing: {models: d, fields: {name: {constant: x, key: '*'}}}", "needs a `path`"),
        ("listing: {models: d, fields: {name: {path: id, key: ' '}}}", "key: must be a text"),
        ("listing: openai\nrequest: {response_format: openai}", "keep one"),
    ] {
        let told = problems(&format!("{MINIMAL}{block}\n"));
        assert!(told.len() == 1 && told[0].contains(complaint), "{block}: {told:?}");
        assert!(told[0].starts_with("0.yaml:4: listing"), "{told:?}");
    }
}

#[test]
fn a_question_that_cannot_be_asked_or_understood_is_refused() {
    let fields = "fields: {format: f}";
    for (question, complaint) in [
        ("{path: /x, fields: {format: f}}".to_owned(), "needs a `about`"),
        (format!("{{about: every, path: /x, name_at: m, {fields}}}"), "must be one of each, all, only"),
        (format!("{{about: onyl, path: /x, {fields}}}"), "did you mean \"only\"?"),
        (format!("{{about: only, {fields}}}"), "needs a `path`"),
        (format!("{{about: only, path: x, {fields}}}"), "must be a path that begins with /"),
        ("{about: only, path: /x}".to_owned(), "needs a `fields`"),
        (format!("{{about: each, path: /x, {fields}}}"), "needs a `name_at`"),
        (format!("{{about: only, path: /x, name_at: m, {fields}}}"), "is for questions about each model"),
        (format!("{{about: only, path: /x, models: m, {fields}}}"), "is for questions about all models"),
        ("{about: only, path: /x, fields: {name: n}}".to_owned(), "is for questions about all models"),
        (format!("{{about: all, path: /x, models: m, {fields}}}"), "needs a `name`"),
        ("{about: all, path: /x, fields: {name: n}}".to_owned(), "needs a `models`"),
        (format!("{{about: only, path: /x, {fields}, method: GET}}"), "is not a key of a profile"),
        (
            format!("{{about: only, path: /x, {fields}, capabilities_complete: true}}"),
            "needs `fields.capabilities`",
        ),
    ] {
        let told = problems(&format!("{MINIMAL}details: [{question}]\n"));
        assert!(told.len() == 1 && told[0].contains(complaint), "{question}: {told:?}");
        assert!(told[0].starts_with("0.yaml:4: details[0]"), "{told:?}");
    }
}

#[test]
fn a_residency_that_tells_nothing_is_refused() {
    for (residency, complaint) in [
        ("/api/ps", "must be a mapping"),
        ("{path: /x, fields: {name: n}}", "needs a `models`"),
        ("{path: /x, models: m}", "needs a `fields`"),
        ("{path: /x, models: m, fields: {}}", "needs a `name`"),
        ("{models: m, fields: {name: n}}", "needs `loaded`"),
        ("{path: /x, models: m, fields: {name: n, size_vram: s}}", "is not a key of a profile"),
        ("{models: m, fields: {name: n, loaded: {path: s, values: {on: loaded}}}}", "one of true, false"),
    ] {
        let told = problems(&format!("{MINIMAL}residency: {residency}\n"));
        assert!(told.iter().any(|told| told.contains(complaint)), "{residency}: {told:?}");
        assert!(told[0].starts_with("0.yaml:4: residency"), "{told:?}");
    }
}

#[test]
fn a_signature_that_matches_everything_or_nothing_is_refused() {
    for (signature, complaint) in [
        ("{path: /x}", "at least one of"),
        ("{json: {path: a}}", "needs a `path`"),
        ("{path: /x, status: 1000}", "not an HTTP status"),
        ("{path: /x, header: {contains: a}}", "needs a `name`"),
        ("{path: /x, status: 200, body: a}", "did you mean \"body_contains\"?"),
        ("{path: /x, header: {name: 'a b'}}", "is not the name of a header"),
    ] {
        let told = problems(&format!("{MINIMAL}detection: {{signatures: [{signature}]}}\n"));
        assert!(told.len() == 1 && told[0].contains(complaint), "{signature}: {told:?}");
    }
}

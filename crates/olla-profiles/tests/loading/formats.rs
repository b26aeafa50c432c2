//! Which formats of conversation a kind speaks, and since when.

use super::*;

#[test]
fn a_kind_speaks_the_formats_it_names_or_else_those_whose_paths_are_forwarded() {
    let profiles = Profiles::builtin();
    let spoken = |name: &str| -> Vec<&str> {
        kind(&profiles, name).formats().iter().map(|spoken| spoken.format.name()).collect()
    };

    assert_eq!(spoken("lm-studio"), ["chat", "messages", "responses"], "from its paths");
    assert_eq!(spoken("lmdeploy"), ["chat"]);
    assert_eq!(spoken("openai-compatible"), ["chat", "responses"]);
    for stateless in ["ollama", "llamacpp", "litellm"] {
        assert_eq!(spoken(stateless), ["chat", "messages"], "{stateless}");
    }
    assert_eq!(spoken("anthropic"), ["messages"]);
    let moved = kind(&profiles, "dmr").speaks(WireFormat::Messages).unwrap();
    assert_eq!(moved.path.as_deref(), Some("/anthropic/v1/messages"));
    assert_eq!(kind(&profiles, "vllm").speaks(WireFormat::Chat).unwrap().takes.enable_thinking, Some(true));
    assert_eq!(kind(&profiles, "anthropic").headers[0].1, "2023-06-01");
}

#[test]
fn older_files_say_whether_and_where_messages_are_spoken() {
    let file = |support: &str| {
        format!(
            "name: lm-studio\napi: {{paths: [/v1/chat/completions, /v1/messages], anthropic_support: {support}}}"
        )
    };
    for (support, expected) in [
        ("{enabled: false}", None),
        ("{enabled: true}", Some(None)),
        ("{enabled: true, messages_path: /a/messages}", Some(Some("/a/messages"))),
    ] {
        let loaded = load(&[&file(support)]).unwrap();
        let spoken = kind(&loaded.profiles, "lm-studio").speaks(WireFormat::Messages);
        assert_eq!(spoken.map(|spoken| spoken.path.as_deref()), expected, "{support}");
    }
}

#[test]
fn mistakes_in_formats_are_named() {
    let file = "name: x\napi:\n  paths: [/a]\n  formats: [chats, {format: messages, takes: {thoughts: x, topk: 1}, \
         models: [{since: new, takes: {}}, {families: [opus]}]}]";

    assert_eq!(
        problems(file),
        [
            r#"0.yaml:4: api.formats[0]: must be one of chat, messages, responses; did you mean "chat"?"#,
            r#"0.yaml:4: api.formats[1].takes.topk: is not a key of a profile; did you mean "top_k"?"#,
            "0.yaml:4: api.formats[1].takes.thoughts: must be one of reasoning_content, reasoning, \
             thinking_blocks, by_model, nowhere",
            "0.yaml:4: api.formats[1].models[0]: needs a `families`",
            "0.yaml:4: api.formats[1].models[0].since: must be a version such as 0.14.0, in quotes",
            "0.yaml:4: api.formats[1].models[1]: needs a `takes`",
        ]
    );
}

#[test]
fn the_version_from_which_a_format_is_spoken_is_read_and_so_is_the_report_of_a_server() {
    let profiles = Profiles::builtin();
    let ollama = kind(&profiles, "ollama");

    let since = ollama.speaks(WireFormat::Messages).unwrap().since;
    let report = ollama.version_report().unwrap();

    assert_eq!(report.path(), "/api/version");
    assert!(
        report.read(br#"{"version":"0.13.9"}"#) < since && report.read(br#"{"version":"0.14.0"}"#) == since
    );
    assert_eq!(report.read(b"{}"), None);
}

#[test]
fn every_kind_with_a_first_version_of_messages_says_where_its_version_is_reported() {
    let profiles = Profiles::builtin();
    // The releases that brought /v1/messages, and the ones before them, as the servers write them.
    let releases = [
        ("llamacpp", r#"{"build_info":"b7186-3ce7a65c2"}"#, r#"{"build_info":"b7187-ff55414c4"}"#),
        ("ollama", r#"{"version":"0.13.5"}"#, r#"{"version":"0.14.0"}"#),
        ("sglang", r#"{"version":"0.5.8.post1"}"#, r#"{"version":"0.5.9"}"#),
        ("vllm", r#"{"version":"0.11.0"}"#, r#"{"version":"0.11.1"}"#),
    ];

    for (name, before, first) in releases {
        let kind = kind(&profiles, name);
        let since = kind.speaks(WireFormat::Messages).unwrap().since.unwrap();
        let report = kind.version_report().unwrap();

        assert!(report.read(before.as_bytes()).unwrap() < since, "{name}");
        assert_eq!(report.read(first.as_bytes()), Some(since), "{name}");
    }
}

//! Lists of models, answered from the fleet and never from a backend.

use http::{Method, StatusCode};
use olla_core::{Model, Outcome, Status};

use crate::support::{Backend, Plan, Stage, Told, get};

/// `a` is vLLM, `b` is Ollama, and one model is on both.
fn stage() -> Stage {
    let (first, second) = (Backend::refusing(), Backend::refusing());
    let mut plan = Plan::over(&[&first, &second]);
    plan.kind(1, "ollama");
    plan.models(0, &["Qwen/Qwen3-8B", "shared"]);
    plan.models(1, &["llama3.2:3b", "shared"]);
    plan.aliases =
        vec![("fast", &["llama3.2:3b", "gone"]), ("lost", &["gone"]), ("shared", &["llama3.2:3b"])];
    plan.start()
}

fn ids(told: &Told) -> Vec<String> {
    let list = told.json();
    assert_eq!(
        (list["object"].as_str(), told.header("content-type")),
        (Some("list"), Some("application/json"))
    );
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn each_scope_lists_its_own_models_sorted_and_once() {
    let stage = stage();

    for (target, expected) in [
        ("/v1/models", &["Qwen/Qwen3-8B", "fast", "llama3.2:3b", "shared"][..]),
        ("/olla/proxy/v1/models", &["Qwen/Qwen3-8B", "fast", "llama3.2:3b", "shared"]),
        ("/olla/openai/v1/models", &["Qwen/Qwen3-8B", "fast", "llama3.2:3b", "shared"]),
        ("/olla/vllm/v1/models", &["Qwen/Qwen3-8B", "shared"]),
        ("/olla/ollama/v1/models?x=1", &["fast", "llama3.2:3b", "shared"]),
        ("/olla/litellm/v1/models", &[]),
    ] {
        let told = stage.ask(get(target)).await;

        assert_eq!((told.status, ids(&told)), (StatusCode::OK, owned(expected)), "{target}");
        assert!(told.header("x-olla-request-id").is_some() && told.header("x-olla-response-time").is_some());
    }
}

#[tokio::test]
async fn aliases_are_marked() {
    let list = stage().ask(get("/v1/models")).await.json();

    let find = |id: &str| list["data"].as_array().unwrap().iter().find(|m| m["id"] == id).unwrap().clone();
    assert_eq!(find("fast")["alias_of"], serde_json::json!(["llama3.2:3b", "gone"]));
    assert!(find("shared").get("alias_of").is_none(), "a model of that name exists");
    for key in ["object", "created", "owned_by"] {
        assert!(find("fast").get(key).is_some() && find("shared").get(key).is_some(), "{key}");
    }
}

#[tokio::test]
async fn models_of_endpoints_that_are_down_are_not_listed() {
    let stage = stage();
    stage.endpoint(1).live.set_status(Status::Unhealthy);

    assert_eq!(ids(&stage.ask(get("/v1/models")).await), ["Qwen/Qwen3-8B", "shared"]);
}

#[tokio::test]
async fn one_model_is_found_by_its_name_with_slash_or_encoded() {
    let stage = stage();

    for target in
        ["/v1/models/Qwen/Qwen3-8B", "/v1/models/Qwen%2FQwen3-8B", "/olla/vllm/v1/models/Qwen%2fQwen3-8B"]
    {
        let told = stage.ask(get(target)).await;

        assert_eq!(
            (told.status, told.json()["id"].as_str()),
            (StatusCode::OK, Some("Qwen/Qwen3-8B")),
            "{target}"
        );
    }
    assert_eq!(stage.ask(get("/v1/models/fast")).await.json()["alias_of"][0], "llama3.2:3b");
}

#[tokio::test]
async fn one_model_is_found_in_any_case_as_requests_find_it() {
    let told = stage().ask(get("/v1/models/qwen/qwen3-8b")).await;

    assert_eq!((told.status, told.json()["id"].as_str()), (StatusCode::OK, Some("Qwen/Qwen3-8B")));
}

#[tokio::test]
async fn a_model_that_is_not_there_is_not_found() {
    for target in ["/v1/models/nothing", "/olla/ollama/v1/models/Qwen/Qwen3-8B"] {
        let told = stage().ask(get(target)).await;

        assert_eq!(told.status, StatusCode::NOT_FOUND, "{target}");
        assert_eq!(told.json()["error"]["code"], "model_not_found");
    }
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let stage = stage();
    let length = stage.ask(get("/v1/models")).await.text().len();
    stage.journal.only().await;
    let mut wire = stage.wire().await;

    wire.send("HEAD /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;

    let head = wire.head().await;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains(&format!("content-length: {length}\r\n")),
        "{head}"
    );
    assert_eq!(wire.rest().await.0, "");
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.bytes_out), (Outcome::Success, 0));
}

#[tokio::test]
async fn other_methods_are_for_backends() {
    let mut request = get("/v1/models");
    *request.method_mut() = Method::OPTIONS;

    assert_eq!(stage().ask(request).await.status, StatusCode::BAD_GATEWAY, "the backends refuse connections");
}

#[tokio::test]
async fn a_slash_at_the_end_asks_for_the_list() {
    assert_eq!(stage().ask(get("/v1/models/")).await.json()["object"], "list");
}

#[tokio::test]
async fn a_model_that_a_pattern_stands_for_is_there() {
    let mut plan = Plan::over(&[&Backend::refusing()]);
    plan.models(0, &["openai/*"]);

    let told = plan.start().ask(get("/v1/models/openai/gpt-4")).await;

    assert_eq!((told.status, told.json()["id"].as_str()), (StatusCode::OK, Some("openai/gpt-4")));
}

#[tokio::test]
async fn a_name_that_an_endpoint_implies_is_there_unless_an_alias_has_it() {
    let tagged = |name: &str| {
        let mut model = Model::named(format!("{name}:latest"));
        model.also = vec![name.into()];
        model
    };
    let mut plan = Plan::over(&[&Backend::refusing()]);
    plan.models[0] = vec![tagged("phi4"), tagged("mine")];
    plan.aliases = vec![("mine", &["phi4"])];
    let stage = plan.start();

    assert_eq!(stage.ask(get("/v1/models/phi4")).await.json()["id"], "phi4:latest");
    assert_eq!(stage.ask(get("/v1/models/mine")).await.json()["alias_of"][0], "phi4");
    assert_eq!(stage.ask(get("/v1/models/MINE:latest")).await.json()["id"], "mine:latest");
}

#[tokio::test]
async fn each_spelling_of_a_name_is_found_and_one_is_listed() {
    let backends = [Backend::refusing(), Backend::refusing()];
    let mut plan = Plan::over(&backends.each_ref());
    plan.models(0, &["Qwen/Qwen3-8B"]);
    plan.models(1, &["qwen/qwen3-8b"]);
    let stage = plan.start();

    assert_eq!(ids(&stage.ask(get("/v1/models")).await), ["Qwen/Qwen3-8B"]);
    for (asked, found) in [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("qwen/qwen3-8b", "qwen/qwen3-8b"),
        ("QWEN/QWEN3-8B", "Qwen/Qwen3-8B"),
    ] {
        assert_eq!(stage.ask(get(&format!("/v1/models/{asked}"))).await.json()["id"], found);
    }
}

/// The kinds in the order of the fleet, each with a model of its own name.
fn of_kinds(kinds: &[&str]) -> Stage {
    let backends: Vec<_> = kinds.iter().map(|_| Backend::refusing()).collect();
    let mut plan = Plan::over(&backends.iter().collect::<Vec<_>>());
    for (at, kind) in kinds.iter().enumerate() {
        plan.kind(at, kind);
        plan.models(at, &[kind]);
    }
    plan.start()
}

#[tokio::test]
async fn where_several_dialects_have_the_path_the_client_decides_and_not_the_fleet() {
    for kinds in [&[][..], &["anthropic"], &["anthropic", "vllm"], &["vllm", "anthropic"]] {
        let stage = of_kinds(kinds);
        let mut sorted = kinds.to_vec();
        sorted.sort_unstable();

        for target in ["/v1/models", "/olla/proxy/v1/models"] {
            let told = stage.ask(get(target)).await;
            assert_eq!((told.status, ids(&told)), (StatusCode::OK, owned(&sorted)), "{target} {kinds:?}");
            assert!(told.json()["data"].as_array().unwrap().iter().all(|model| model["object"] == "model"));

            let mut anthropic = get(target);
            anthropic.headers_mut().insert("anthropic-version", "2023-06-01".parse().unwrap());
            let page = stage.ask(anthropic).await.json();
            assert_eq!(
                (&page["has_more"], page.get("object")),
                (&serde_json::json!(false), None),
                "{kinds:?}"
            );
            assert_eq!(page["data"].as_array().unwrap().len(), kinds.len());
        }
    }
}

#[tokio::test]
async fn openai_clients_are_answered_as_such_where_no_endpoint_is() {
    for target in ["/v1/models?limit=0", "/olla/openai/v1/models"] {
        assert_eq!(ids(&of_kinds(&[]).ask(get(target)).await), [""; 0], "{target}");
    }

    let missing = of_kinds(&[]).ask(get("/v1/models/x")).await.json();
    assert_eq!(missing["error"]["code"], "model_not_found");
}

//! Five backends of four kinds with overlapping models: one catalogue, every name routable, nothing stale.

use http::Request;
use olla_sim::{Engine, Kind};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    client::{self, Answer, Body, chat},
    engines::{self, engine, entry},
    olla::{Olla, PATIENCE, Setup},
};

/// `ollama-b` has `llama3.2:3b` of `ollama-a` under another name; LM Studio and vLLM spell one name differently; a model
/// is on both vLLM and LiteLLM.
struct Farm {
    olla: Olla,
    ollama_a: Engine,
    ollama_b: Engine,
    _others: [Engine; 3],
}

async fn farm() -> Farm {
    let ollama_a = engine("ollama-a", Kind::Ollama).models(["llama3.2:3b", "nomic-embed-text:latest"]);
    let ollama_a = engines::start(ollama_a).await;
    copy(&ollama_a, "llama3.2:3b", "llama3.2:latest").await;
    let ollama_b = engines::start(engine("ollama-b", Kind::Ollama).models(["llama3.2:3b", "phi4"])).await;
    copy(&ollama_b, "llama3.2:3b", "my-llama").await;
    delete(&ollama_b, "llama3.2:3b").await;
    let lmstudio = engine("lmstudio", Kind::LmStudio).models(["qwen/qwen3-8b", "text-embedding-e5"]);
    let lmstudio = engines::start(lmstudio).await;
    let vllm = engines::start(engine("vllm", Kind::Vllm).models(["Qwen/Qwen3-8B", "mistral-small"])).await;
    let litellm = engine("litellm", Kind::LiteLlm).models(["gpt-4", "mistral-small", "groq/*"]);
    let litellm = engines::start(litellm).await;
    let endpoints = [
        entry("ollama-a", &ollama_a, "ollama"),
        entry("ollama-b", &ollama_b, "ollama"),
        entry("lmstudio", &lmstudio, "lm-studio"),
        entry("vllm", &vllm, "vllm"),
        entry("litellm", &litellm, "litellm"),
    ];
    let config = format!(
        "server: {{rate_limits: {{per_ip_requests_per_minute: 0, global_requests_per_minute: 0}}}}\nmodel_aliases: {{fast: [my-llama, gpt-4]}}\nendpoints:\n{}",
        endpoints.concat()
    );
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    Farm { olla, ollama_a, ollama_b, _others: [lmstudio, vllm, litellm] }
}

async fn copy(engine: &Engine, source: &str, destination: &str) {
    let order = json!({"source": source, "destination": destination});
    let copied = client::exchange(engine.addr(), client::post("/api/copy", &order)).await;
    assert_eq!(copied.status, 200, "{copied:?}");
}

async fn delete(engine: &Engine, model: &str) {
    let order = Request::delete("/api/delete").body(Body::from(json!({"model": model}).to_string()));
    assert_eq!(client::exchange(engine.addr(), order.unwrap()).await.status, 200);
}

/// Every list: where it is, and where the array of models and the name of a model are.
const LISTS: [(&str, &str, &str); 12] = [
    ("/v1/models", "data", "id"),
    ("/olla/proxy/v1/models", "data", "id"),
    ("/olla/openai/v1/models", "data", "id"),
    ("/olla/ollama/v1/models", "data", "id"),
    ("/olla/ollama/api/tags", "models", "name"),
    ("/olla/lmstudio/v1/models", "data", "id"),
    ("/olla/lmstudio/api/v0/models", "data", "id"),
    ("/olla/lmstudio/api/v1/models", "models", "key"),
    ("/olla/vllm/v1/models", "data", "id"),
    ("/olla/litellm/v1/models", "data", "id"),
    ("/olla/models", "data", "id"),
    ("/olla/models?format=ollama", "models", "name"),
];

const OF_OLLAMA: [&str; 6] =
    ["fast", "llama3.2:3b", "llama3.2:latest", "my-llama:latest", "nomic-embed-text:latest", "phi4"];
const EVERYTHING: [&str; 11] = [
    "Qwen/Qwen3-8B",
    "fast",
    "gpt-4",
    "llama3.2:3b",
    "llama3.2:latest",
    "mistral-small",
    "my-llama:latest",
    "nomic-embed-text:latest",
    "phi4",
    "qwen/qwen3-8b",
    "text-embedding-e5",
];

// === impl Farm ===

impl Farm {
    async fn list(&self, (path, array, key): (&str, &str, &str)) -> Vec<String> {
        let list = self.olla.get(path).await.json();
        let entries = list[array].as_array().unwrap_or_else(|| panic!("{path}: {list}")).iter();
        entries.map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
    }

    /// Asks a model for what it is for, where its list is.
    async fn ask(&self, path: &str, model: &str) -> Answer {
        let mut base = "";
        if let Some(kind) = path.strip_prefix("/olla/").and_then(|rest| rest.split('/').next())
            && !kind.starts_with("models")
        {
            base = &path[.."/olla/".len() + kind.len()];
        }
        let embeds = model.contains("embed");
        if path.ends_with("/api/tags") {
            let (path, body) = match embeds {
                true => ("api/embed", json!({"model": model, "input": "x"})),
                false => ("api/chat", chat(model)),
            };
            return self.olla.post(&format!("{base}/{path}"), &body).await;
        }
        if embeds {
            self.olla.post(&format!("{base}/v1/embeddings"), &json!({"model": model, "input": "x"})).await
        } else {
            self.olla.post(&format!("{base}/v1/chat/completions"), &chat(model)).await
        }
    }

    /// Returns the endpoints that a request for a model could go to, and the name under which each is asked.
    async fn reach(&self, model: &str) -> Vec<(String, String)> {
        let model = model.replace('/', "%2F");
        let told = self.olla.get(&format!("/internal/explain?model={model}")).await.json();
        let rows = told["endpoints"].as_array().unwrap_or_else(|| panic!("{told}")).iter();
        let usable = rows.filter(|row| row["verdict"] == "first_choice" || row["verdict"] == "later");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        usable.map(|row| (text(&row["endpoint"]), text(&row["model"]))).collect()
    }

    async fn refresh(&self) {
        let order = Request::post("/internal/discovery/refresh").body(Body::default()).unwrap();
        assert_eq!(self.olla.send(order).await.json()["refreshed"], 5);
    }

    /// Returns the entry of a model in `/olla/models`.
    async fn entry(&self, id: &str) -> Value {
        let list = self.olla.get("/olla/models").await.json();
        list["data"].as_array().unwrap().iter().find(|entry| entry["id"] == id).cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn every_list_has_the_models_that_its_path_leads_to() {
    let farm = farm().await;

    for (path, expected) in [
        (0, &EVERYTHING[..]),
        (1, &EVERYTHING),
        (2, &EVERYTHING),
        (3, &OF_OLLAMA),
        (4, &EVERYTHING),
        (5, &["qwen/qwen3-8b", "text-embedding-e5"]),
        (6, &["qwen/qwen3-8b", "text-embedding-e5"]),
        (7, &["qwen/qwen3-8b", "text-embedding-e5"]),
        (8, &["Qwen/Qwen3-8B", "mistral-small"]),
        (9, &["fast", "gpt-4", "mistral-small"]),
        (11, &OF_OLLAMA),
    ] {
        // One model has two spellings: a list of all endpoints shows that of the first.
        let first_spelling =
            |name: &&&str| !(expected.len() == EVERYTHING.len() && **name == "Qwen/Qwen3-8B");
        let expected: Vec<_> = expected.iter().filter(first_spelling).copied().collect();
        assert_eq!(farm.list(LISTS[path]).await, expected, "{}", LISTS[path].0);
    }
}

#[tokio::test]
async fn one_catalogue_knows_each_model_once_with_all_its_names_and_places() {
    let farm = farm().await;

    assert_eq!(
        farm.list(LISTS[10]).await,
        [
            "fast",
            "gpt-4",
            "llama3.2:3b",
            "mistral-small",
            "nomic-embed-text:latest",
            "phi4",
            "qwen/qwen3-8b",
            "text-embedding-e5"
        ]
    );
    let llama = farm.entry("llama3.2:3b").await["olla"].clone();
    assert_eq!(
        llama["aliases"],
        json!(["llama3.2", "llama3.2:3b", "llama3.2:latest", "my-llama", "my-llama:latest"])
    );
    assert_eq!(
        llama["availability"],
        json!([
            {"endpoint": "ollama-a", "state": "available", "names": ["llama3.2:3b", "llama3.2:latest"]},
            {"endpoint": "ollama-b", "state": "available", "names": ["my-llama:latest"]},
        ])
    );
    assert_eq!(farm.entry("fast").await["olla"]["alias_of"], json!(["my-llama", "gpt-4"]));
    let qwen = farm.olla.get("/olla/models/Qwen%2FQwen3-8B").await.json();
    assert_eq!((&qwen["id"], &qwen["endpoints"]), (&json!("qwen/qwen3-8b"), &json!(["lmstudio", "vllm"])));
    assert_eq!(farm.olla.get("/olla/models/QWEN/qwen3-8b").await.json(), qwen);
    assert_eq!(farm.olla.get("/olla/models/QWEN").await.error_code(), "model_not_found");
}

#[tokio::test]
async fn every_name_of_every_list_is_answered_where_the_list_is() {
    let farm = farm().await;

    for list in LISTS {
        for name in farm.list(list).await {
            let answer = farm.ask(list.0, &name).await;
            assert_eq!(answer.status, 200, "{} {name}: {answer:?}", list.0);
        }
    }
    for alias in farm.entry("llama3.2:3b").await["olla"]["aliases"].as_array().unwrap() {
        assert_eq!(farm.ask("/v1/models", alias.as_str().unwrap()).await.status, 200, "{alias}");
    }
}

#[tokio::test]
async fn any_name_of_a_model_reaches_every_endpoint_that_has_it_under_the_name_that_it_knows() {
    let farm = farm().await;

    for (name, places) in [
        ("llama3.2:3b", [("ollama-a", "llama3.2:3b"), ("ollama-b", "my-llama:latest")]),
        ("llama3.2:latest", [("ollama-a", "llama3.2:latest"), ("ollama-b", "my-llama:latest")]),
        ("llama3.2", [("ollama-a", "llama3.2"), ("ollama-b", "my-llama:latest")]),
        ("my-llama", [("ollama-a", "llama3.2:3b"), ("ollama-b", "my-llama")]),
        ("MY-LLAMA", [("ollama-a", "llama3.2:3b"), ("ollama-b", "my-llama:latest")]),
        ("Qwen/Qwen3-8B", [("lmstudio", "qwen/qwen3-8b"), ("vllm", "Qwen/Qwen3-8B")]),
        ("QWEN/QWEN3-8B", [("lmstudio", "qwen/qwen3-8b"), ("vllm", "Qwen/Qwen3-8B")]),
        ("mistral-small", [("vllm", "mistral-small"), ("litellm", "mistral-small")]),
    ] {
        let places = places.map(|(endpoint, model)| (endpoint.to_owned(), model.to_owned()));
        assert_eq!(farm.reach(name).await, places, "{name}");
    }

    farm.ollama_a.refuse(None).await;
    let answer = farm.ask("/v1/models", "llama3.2:latest").await;

    assert_eq!((answer.status, answer.header("x-olla-endpoint")), (200, "ollama-b"));
    let received = farm.ollama_b.received();
    let body: Value = serde_json::from_slice(&received.last().unwrap().body).unwrap();
    assert_eq!(body["model"], "my-llama:latest");
}

#[tokio::test]
async fn what_is_deleted_on_its_engine_is_nowhere_after_a_refresh() {
    let farm = farm().await;
    assert_eq!(farm.reach("phi4").await.len(), 1);

    delete(&farm.ollama_b, "my-llama").await;
    delete(&farm.ollama_b, "phi4").await;
    farm.refresh().await;

    for list in LISTS {
        let names = farm.list(list).await;
        assert!(
            !names.iter().any(|name| name.starts_with("my-llama") || name == "phi4"),
            "{}: {names:?}",
            list.0
        );
    }
    assert_eq!(farm.entry("llama3.2:3b").await["olla"]["availability"].as_array().unwrap().len(), 1);
    assert_eq!(farm.olla.get("/olla/models/phi4").await.status, 404);
    assert_eq!(farm.ask("/v1/models", "phi4").await.error_code(), "model_not_found");
    assert_eq!(farm.ask("/v1/models", "my-llama").await.error_code(), "model_not_found");
    let loaded = farm.olla.get("/olla/ollama/api/ps").await.text().to_owned();
    assert!(!loaded.contains("phi4"), "{loaded}");
    let status = farm.olla.get("/internal/status/models?detailed=true&group=family").await.text().to_owned();
    assert!(!status.contains("phi4") && !status.contains("my-llama"), "{status}");
    assert_eq!(farm.reach("llama3.2:3b").await, [("ollama-a".to_owned(), "llama3.2:3b".to_owned())]);
}

#[tokio::test]
async fn the_operations_of_ollama_speak_for_all_servers() {
    let farm = farm().await;

    let shown = farm.olla.post("/olla/ollama/api/show", &json!({"model": "my-llama"})).await;
    let unknown = farm.olla.post("/olla/ollama/api/show", &json!({"model": "nothing:1b"})).await;
    let of_another = farm.olla.post("/olla/ollama/api/show", &json!({"model": "gpt-4"})).await;
    let version = farm.olla.get("/olla/ollama/api/version").await;
    let pulled = farm.olla.post("/olla/ollama/api/pull", &json!({"model": "phi4"})).await;

    assert_eq!((shown.status, &shown.json()["capabilities"]), (200, &json!(["completion", "tools"])));
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("model_not_found")));
    assert!(unknown.json()["error"].as_str().unwrap().contains("nothing:1b"));
    assert_eq!(of_another.json()["capabilities"][0], "completion", "{of_another:?}");
    assert!(version.json()["version"].is_string(), "{version:?}");
    assert_eq!((pulled.status, &pulled.json()["code"]), (501, &json!("not_offered")));
}

#[tokio::test]
async fn what_all_servers_hold_in_memory_is_one_list() {
    let farm = farm().await;
    farm.ollama_a.set_loaded(["llama3.2:3b"]);
    farm.ollama_b.set_loaded(["phi4"]);

    let both = async {
        loop {
            let list = farm.olla.get("/olla/ollama/api/ps").await.json();
            if list["models"].as_array().is_some_and(|models| models.len() == 2) {
                return list;
            }
            sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let list = timeout(PATIENCE, both).await.expect("both are seen to be loaded");

    let rows: Vec<_> =
        list["models"].as_array().unwrap().iter().map(|row| (&row["model"], &row["endpoint"])).collect();
    assert_eq!(rows, [(&json!("llama3.2:3b"), &json!("ollama-a")), (&json!("phi4"), &json!("ollama-b"))]);
    assert!(list["models"][0]["size_vram"].as_u64().unwrap() > 0);
    assert_eq!(farm.entry("phi4").await["olla"]["availability"][0]["state"], "loaded");
}

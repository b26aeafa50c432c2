//! Answers in every dialect, whole and streamed.

use std::time::{Duration, Instant};

use olla_sim::{Engine, Kind};
use serde_json::{Value, json};

use crate::client::{CHAT, CHAT_STREAM, Raw, Response, plain, post, request, start};

const PATH: &str = "/v1/chat/completions";

async fn ollama() -> Engine {
    start(Engine::builder("sim-a").kind(Kind::Ollama).models(["m:latest"]).tokens(5)).await
}

fn body(extra: &Value) -> String {
    let mut body =
        json!({"model": "sim-model", "messages": [{"role": "user", "content": "please call the tool"}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body.to_string()
}

fn data(response: &Response) -> Vec<Value> {
    let events = response.events();
    let (last, chunks) = events.split_last().unwrap();
    assert_eq!(last.1, "[DONE]");
    chunks.iter().map(|(_, data)| serde_json::from_str(data).unwrap()).collect()
}

fn tool() -> Value {
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}])
}

#[tokio::test]
async fn a_chat_answer_names_the_engine_and_repeats_the_request() {
    let engine = plain().await;

    let answer = post(&engine, PATH, CHAT).await;

    assert!(answer.head.contains("x-sim-engine: sim-a\r\n"));
    let json = answer.json();
    let text = json["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("sim-a heard: hi there "), "{text}");
    assert_eq!(text.split(' ').count(), 16);
    assert_eq!((&json["model"], &json["choices"][0]["finish_reason"]), (&json!("sim-model"), &json!("stop")));
    assert_eq!(json["usage"]["completion_tokens"], 16);
}

#[tokio::test]
async fn equal_requests_get_equal_bytes() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;

    let first = raw.exchange("POST", PATH, CHAT).await;
    let second = raw.exchange("POST", PATH, CHAT).await;
    let other = raw.exchange("POST", PATH, &CHAT.replace("hi there", "bye")).await;

    assert_eq!((first.head, &first.body), (second.head, &second.body));
    assert_ne!(first.body, other.body);
}

#[tokio::test]
async fn a_chat_stream_has_role_tokens_finish_and_end_mark() {
    let engine = plain().await;

    let answer = post(&engine, PATH, CHAT_STREAM).await;

    assert!(answer.head.contains("content-type: text/event-stream\r\n"), "{}", answer.head);
    let chunks = data(&answer);
    assert_eq!(chunks.len(), 1 + 16 + 1);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let token = |chunk: &Value| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
    let streamed: String = chunks.iter().filter_map(token).collect();
    assert!(streamed.starts_with("sim-a heard: hi there "), "{streamed}");
    assert_eq!(chunks[17]["choices"][0], json!({"index": 0, "delta": {}, "finish_reason": "stop"}));
}

#[tokio::test]
async fn a_stream_reports_usage_only_when_asked() {
    let engine = plain().await;

    let with = data(
        &post(&engine, PATH, &body(&json!({"stream": true, "stream_options": {"include_usage": true}})))
            .await,
    );
    let without = data(&post(&engine, PATH, CHAT_STREAM).await);

    let last = with.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["completion_tokens"]), (&json!([]), &json!(16)));
    assert!(without.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test]
async fn a_limit_of_the_client_ends_the_answer_early() {
    let engine = plain().await;

    let answer = post(&engine, PATH, &body(&json!({"max_tokens": 3}))).await.json();

    assert_eq!(answer["choices"][0]["message"]["content"], "sim-a heard: please");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn the_first_tool_is_called_when_the_user_says_so() {
    let engine = plain().await;

    let whole = post(&engine, PATH, &body(&json!({"tools": tool()}))).await.json();
    let chunks = data(&post(&engine, PATH, &body(&json!({"tools": tool(), "stream": true}))).await);

    let call = &whole["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(
        (&call["name"], &whole["choices"][0]["finish_reason"]),
        (&json!("get_weather"), &json!("tool_calls"))
    );
    let arguments = call["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({"city": "sim-a", "days": 1}));
    let part = |chunk: &Value| {
        chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str().map(str::to_owned)
    };
    assert_eq!(chunks.iter().filter_map(part).collect::<String>(), arguments);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn tools_alone_do_not_make_a_call() {
    let engine = plain().await;
    let quiet = body(&json!({"tools": tool()})).replace("please call the tool", "good morning");

    let answer = post(&engine, PATH, &quiet).await.json();

    assert!(answer["choices"][0]["message"].get("tool_calls").is_none(), "{answer}");
}

#[tokio::test]
async fn completions_are_answered_whole_and_streamed() {
    let engine = plain().await;

    let whole = post(&engine, "/v1/completions", r#"{"model":"sim-model","prompt":"once"}"#).await.json();
    let stream =
        post(&engine, "/v1/completions", r#"{"model":"sim-model","prompt":"once","stream":true}"#).await;

    let streamed: String =
        data(&stream).iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(whole["choices"][0]["text"], streamed);
    assert!(streamed.starts_with("sim-a heard: once "));
}

#[tokio::test]
async fn embeddings_have_one_vector_for_each_text() {
    let engine = plain().await;
    let ask =
        |input: Value, format: &str| json!({"model": "sim-model", "input": input, "encoding_format": format});

    let two = post(&engine, "/v1/embeddings", &ask(json!(["a", "b"]), "float").to_string()).await.json();
    let tokens = post(&engine, "/v1/embeddings", &ask(json!([1, 2, 3]), "float").to_string()).await.json();
    let packed = post(&engine, "/v1/embeddings", &ask(json!("a"), "base64").to_string()).await.json();

    assert_eq!(two["data"].as_array().unwrap().len(), 2);
    assert_ne!(two["data"][0]["embedding"], two["data"][1]["embedding"]);
    assert_eq!(tokens["data"].as_array().unwrap().len(), 1);
    // Eight 4-byte numbers are 44 characters.
    assert_eq!(packed["data"][0]["embedding"].as_str().unwrap().len(), 44);
}

#[tokio::test]
async fn unknown_models_and_bad_json_are_errors_of_the_dialect() {
    let engine = ollama().await;

    let openai = post(&engine, PATH, r#"{"model":"nope"}"#).await;
    let anthropic = post(&engine, "/v1/messages", r#"{"model":"nope"}"#).await;
    let native = post(&engine, "/api/chat", r#"{"model":"nope"}"#).await;
    let broken = post(&engine, PATH, "{").await;

    assert_eq!((openai.status, &openai.json()["error"]["code"]), (404, &json!("model_not_found")));
    assert_eq!((anthropic.status, &anthropic.json()["error"]["type"]), (404, &json!("not_found_error")));
    assert_eq!((native.status, &native.json()["error"]), (404, &json!("model 'nope' not found")));
    assert_eq!(broken.status, 400);
}

#[tokio::test]
async fn a_listed_wildcard_serves_every_name_below_it() {
    let engine = start(Engine::builder("sim-a").kind(Kind::LiteLlm).models(["openai/*"])).await;

    assert_eq!(post(&engine, PATH, r#"{"model":"openai/gpt-4o"}"#).await.status, 200);
    assert_eq!(post(&engine, "/chat/completions", r#"{"model":"azure/gpt-4o"}"#).await.status, 404);
}

#[tokio::test]
async fn ollama_streams_lines_by_default_and_ends_with_numbers() {
    let engine = ollama().await;
    let ask = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

    let answer = post(&engine, "/api/chat", ask).await;

    assert!(answer.head.contains("content-type: application/x-ndjson\r\n"));
    let lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 6);
    let text: String = lines.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert!(text.starts_with("sim-a heard: hi "), "{text}");
    assert!(lines[..5].iter().all(|line| line["done"] == false));
    assert_eq!(
        (&lines[5]["done"], &lines[5]["done_reason"], &lines[5]["eval_count"]),
        (&json!(true), &json!("stop"), &json!(5))
    );
    assert!(lines[5]["eval_duration"].is_u64() && lines[5]["total_duration"].is_u64());
}

#[tokio::test]
async fn ollama_answers_whole_when_told_not_to_stream() {
    let engine = ollama().await;

    let chat = post(&engine, "/api/chat", r#"{"model":"m","stream":false,"messages":[]}"#).await.json();
    let generate =
        post(&engine, "/api/generate", r#"{"model":"m","stream":false,"prompt":"hi"}"#).await.json();

    assert!(chat["message"]["content"].as_str().unwrap().starts_with("sim-a"));
    assert!(generate["response"].as_str().unwrap().starts_with("sim-a heard: hi"));
    assert_eq!((&chat["done"], &generate["done"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn ollama_embeds_and_shows() {
    let engine = ollama().await;

    let new = post(&engine, "/api/embed", r#"{"model":"m","input":["a","b"]}"#).await.json();
    let old = post(&engine, "/api/embeddings", r#"{"model":"m","prompt":"a"}"#).await.json();
    let show = post(&engine, "/api/show", r#"{"model":"m"}"#).await.json();

    assert_eq!((new["embeddings"].as_array().unwrap().len(), &new["embeddings"][0]), (2, &old["embedding"]));
    assert_eq!(show["details"]["format"], "gguf");
}

#[tokio::test]
async fn anthropic_streams_its_events_in_order() {
    let engine = start(Engine::builder("sim-a").kind(Kind::LlamaCpp).tokens(2)).await;

    let answer = post(&engine, "/v1/messages", CHAT_STREAM).await;

    let names: Vec<_> = answer.events().iter().map(|(name, _)| name.unwrap().to_owned()).collect();
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
    for (name, data) in answer.events() {
        assert_eq!(serde_json::from_str::<Value>(data).unwrap()["type"].as_str(), name);
    }
}

#[tokio::test]
async fn anthropic_answers_whole_calls_tools_and_counts_tokens() {
    let engine = start(Engine::builder("sim-a").kind(Kind::LlamaCpp)).await;
    let tools = json!([{"name": "look", "input_schema": {"properties": {"at": {"type": "string"}}}}]);

    let whole = post(&engine, "/v1/messages", CHAT).await.json();
    let call = post(&engine, "/v1/messages", &body(&json!({"tools": tools}))).await.json();
    let count = post(&engine, "/v1/messages/count_tokens", CHAT).await.json();

    assert!(whole["content"][0]["text"].as_str().unwrap().starts_with("sim-a heard: hi there"));
    assert_eq!((&whole["type"], &whole["stop_reason"]), (&json!("message"), &json!("end_turn")));
    assert_eq!(
        (&call["content"][0]["input"], &call["stop_reason"]),
        (&json!({"at": "sim-a"}), &json!("tool_use"))
    );
    assert_eq!(count["input_tokens"], whole["usage"]["input_tokens"]);
}

#[tokio::test]
async fn first_token_and_token_rate_are_kept() {
    let engine =
        start(Engine::builder("sim-a").ttft(Duration::from_millis(60)).tokens_per_second(100.0).tokens(5))
            .await;
    let mut raw = Raw::connect(&engine).await;
    let begin = Instant::now();
    raw.send(&request("POST", PATH, CHAT_STREAM)).await;

    raw.take_through("sim-a").await;
    let first = begin.elapsed();
    raw.take_through("[DONE]").await;
    let all = begin.elapsed();

    assert!(first >= Duration::from_millis(60), "{first:?}");
    assert!(all >= Duration::from_millis(100), "four pauses of 10 ms more: {all:?}");
}

#[tokio::test]
async fn one_request_can_set_its_own_pace() {
    let engine = start(Engine::builder("sim-a").ttft(Duration::from_secs(3600))).await;

    let by_body = post(&engine, PATH, &body(&json!({"sim": {"ttft_ms": 0, "tokens": 2}}))).await.json();
    let mut raw = Raw::connect(&engine).await;
    let length = CHAT.len();
    let sim = r#"{"ttft_ms":0,"tokens":1}"#;
    raw.send(&format!("POST {PATH} HTTP/1.1\r\nx-sim: {sim}\r\ncontent-length: {length}\r\n\r\n{CHAT}"))
        .await;
    let by_header = raw.response().await.json();

    assert_eq!(by_body["choices"][0]["message"]["content"], "sim-a heard:");
    assert_eq!(by_header["choices"][0]["message"]["content"], "sim-a");
}

#[tokio::test]
async fn an_early_head_comes_before_the_first_token() {
    let engine = start(Engine::builder("sim-a").ttft(Duration::from_secs(3600)).early_head(true)).await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT_STREAM)).await;

    let head = raw.take_through("\r\n\r\n").await;

    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
}

#[tokio::test]
async fn tokens_that_leave_apart_are_the_same_stream() {
    let engine = plain().await;
    let stream = |sim| body(&json!({"stream": true, "sim": sim}));

    let together = post(&engine, PATH, &stream(json!({"tokens": 9}))).await;
    let apart = post(&engine, PATH, &stream(json!({"tokens": 9, "apart": true}))).await;

    let events = |text: &str| text.matches("data: ").count();
    assert_eq!((apart.status, events(&apart.body)), (200, events(&together.body)));
    assert!(apart.body.ends_with("data: [DONE]\n\n"), "{}", apart.body);
}

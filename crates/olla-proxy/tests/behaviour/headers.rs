//! What a proxy passes on, changes, adds and keeps to itself (RFC 9110 §7.6).

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use olla_proxy::ClientAddr;

use crate::support::{Backend, Heard, Plan, Stage, answer, chat, get, ok, post};

/// Sends a chat request with these headers and returns what the backend heard.
async fn forwarded(headers: &[(&str, &str)], change: impl FnOnce(&mut Plan)) -> Heard {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    change(&mut plan);
    let mut request = chat();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    assert_eq!(plan.start().ask(request).await.status, StatusCode::OK);
    backend.heard_one()
}

/// Returns the response to the client when the backend sends these header lines.
async fn returned(lines: &str) -> Response<()> {
    let backend = Backend::answering(answer("200 OK", lines, "{}")).await;
    let told = Stage::over(&backend).ask(chat()).await;
    let mut response = Response::new(());
    *response.headers_mut() = told.headers;
    response
}

#[tokio::test]
async fn end_to_end_headers_reach_the_backend_unchanged() {
    let heard =
        forwarded(&[("accept", "text/event-stream"), ("user-agent", "curl/8"), ("x-thing", "1")], |_| {})
            .await;

    assert_eq!(heard.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(heard.header("accept"), Some("text/event-stream"));
    assert_eq!(heard.header("user-agent"), Some("curl/8"));
    assert_eq!(heard.header("x-thing"), Some("1"));
    assert_eq!(heard.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn hop_by_hop_headers_and_those_named_in_connection_stay_here() {
    let heard = forwarded(
        &[
            ("connection", "keep-alive, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic eDp5"),
            ("proxy-connection", "keep-alive"),
            ("expect", "100-continue"),
        ],
        |_| {},
    )
    .await;

    for name in [
        "connection",
        "x-mine",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "proxy-connection",
        "expect",
    ] {
        assert_eq!(heard.header(name), None, "{name}");
    }
}

const CREDENTIALS: [(&str, &str); 4] =
    [("authorization", "Bearer c"), ("cookie", "s=1"), ("x-api-key", "c"), ("x-auth-token", "c")];

#[tokio::test]
async fn credentials_of_the_client_stay_here() {
    let heard = forwarded(&CREDENTIALS, |_| {}).await;

    for (name, _) in CREDENTIALS {
        assert_eq!(heard.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn credentials_of_the_client_are_forwarded_where_the_endpoint_says_so() {
    let heard = forwarded(&CREDENTIALS, |plan| plan.specs[0].forward_credentials = true).await;

    for (name, value) in CREDENTIALS {
        assert_eq!(heard.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn headers_of_the_endpoint_replace_the_clients() {
    for forward in [false, true] {
        let heard = forwarded(&[("authorization", "Bearer client"), ("x-team", "client")], |plan| {
            plan.specs[0].forward_credentials = forward;
            plan.specs[0].headers = Arc::from([
                (http::header::AUTHORIZATION, HeaderValue::from_static("Bearer ours")),
                (HeaderName::from_static("x-team"), HeaderValue::from_static("ours")),
            ]);
        })
        .await;

        assert_eq!(heard.header("authorization"), Some("Bearer ours"));
        assert_eq!(heard.header("x-team"), Some("ours"));
    }
}

#[tokio::test]
async fn each_backend_gets_its_own_credentials_only() {
    let first = Backend::answering_once("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
    let second = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&first, &second]);
    plan.specs[0].headers =
        Arc::from([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer first"))]);

    plan.start().ask(chat()).await;

    assert_eq!(first.heard_one().header("authorization"), Some("Bearer first"));
    assert_eq!(second.heard_one().header("authorization"), None);
}

#[tokio::test]
async fn the_backend_is_told_who_asked_and_through_whom() {
    let heard = forwarded(&[], |_| {}).await;

    assert_eq!(heard.header("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(heard.header("x-real-ip"), Some("192.0.2.1"));
    assert_eq!(heard.header("x-forwarded-proto"), Some("http"));
    assert_eq!(heard.header("x-forwarded-host"), Some("olla.test"));
    assert!(heard.header("via").unwrap().starts_with("1.1 olla/"));
    assert!(heard.header("x-proxied-by").unwrap().starts_with("Olla/"));
    assert_eq!(heard.header("x-model"), Some("m"));
}

#[tokio::test]
async fn chains_of_proxies_grow_by_one_however_they_are_written() {
    for before in [&["a, b"][..], &["a", "b"]] {
        let headers: Vec<_> =
            before.iter().flat_map(|hop| [("x-forwarded-for", *hop), ("via", *hop)]).collect();

        let heard = forwarded(&headers, |plan| plan.trusted = true).await;

        assert_eq!(heard.header("x-forwarded-for"), Some("b, 192.0.2.1"), "nobody trusted has said a");
        let via = heard.header("via").unwrap();
        assert!(via.starts_with("a, b, 1.1 olla/"), "{via}");
    }
}

const SAID: [(&str, &str); 5] = [
    ("forwarded", "for=203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "chat.example"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-real-ip", "6.6.6.6"),
];

#[tokio::test]
async fn what_a_trusted_proxy_said_of_the_client_is_kept() {
    let heard = forwarded(&SAID, |plan| plan.trusted = true).await;

    assert_eq!(heard.header("x-forwarded-proto"), Some("https"));
    assert_eq!(heard.header("x-forwarded-host"), Some("chat.example"));
    assert_eq!(heard.header("x-forwarded-for"), Some("203.0.113.7, 192.0.2.1"));
    assert_eq!(heard.header("x-real-ip"), Some("203.0.113.7"), "the nearest hop that is no proxy of ours");
}

#[tokio::test]
async fn chains_begin_with_the_first_hop_that_a_trusted_proxy_has_seen() {
    let said = [
        ("x-forwarded-for", "6.6.6.6, 203.0.113.7, 192.0.2.9"),
        ("forwarded", "for=6.6.6.6;host=evil, for=203.0.113.7;proto=https"),
        ("forwarded", "for=192.0.2.9"),
    ];

    let heard = forwarded(&said, |plan| plan.trusted = true).await;

    assert_eq!(heard.header("x-forwarded-for"), Some("203.0.113.7, 192.0.2.9, 192.0.2.1"));
    assert_eq!(heard.header("x-real-ip"), Some("203.0.113.7"));
    assert_eq!(
        heard.header("forwarded"),
        Some("for=203.0.113.7;proto=https, for=192.0.2.9, for=192.0.2.1;proto=http")
    );
}

#[tokio::test]
async fn what_anybody_else_says_of_the_client_is_not_passed_on() {
    let heard = forwarded(&SAID, |_| {}).await;

    assert_eq!(heard.header("x-forwarded-proto"), Some("http"));
    assert_eq!(heard.header("x-forwarded-host"), Some("olla.test"));
    assert_eq!(heard.header("x-forwarded-for"), Some("192.0.2.1"));
    assert_eq!(heard.header("x-real-ip"), Some("192.0.2.1"));
    assert_eq!(heard.header("forwarded"), None);
}

#[tokio::test]
async fn addresses_of_version_6_are_written_plainly() {
    let backend = Backend::answering(ok("{}")).await;
    let mut request = chat();
    request.extensions_mut().insert(ClientAddr("2001:db8::1".parse::<IpAddr>().unwrap()));

    Stage::over(&backend).ask(request).await;

    assert_eq!(backend.heard_one().header("x-forwarded-for"), Some("2001:db8::1"));
}

#[tokio::test]
async fn the_host_is_the_backends() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);
    // HTTP/2 has no Host header, but an authority in its target.
    let absolute = Request::get("http://chat.example/olla/vllm/health").header("host", "other.example");
    let absolute = absolute.body(Full::<Bytes>::default()).unwrap();

    stage.ask(chat()).await;
    stage.ask(absolute).await;

    let [origin, absolute] = &backend.heard()[..] else { panic!() };
    // What the target says counts, whatever else there is (RFC 9112 §3.2.2).
    for heard in [origin, absolute] {
        assert_eq!(heard.header("host"), Some(&*backend.address().to_string()));
    }
    assert_eq!(absolute.line, "GET /health HTTP/1.1");
    assert_eq!(absolute.header("x-forwarded-host"), Some("chat.example"));
}

#[tokio::test]
async fn a_configured_host_is_the_only_one_that_a_backend_hears() {
    let heard = forwarded(&[], |plan| {
        plan.specs[0].headers =
            Arc::from([(http::header::HOST, HeaderValue::from_static("models.internal"))]);
    })
    .await;

    let hosts: Vec<_> = heard.headers.iter().filter(|(name, _)| name == "host").collect();
    assert_eq!(hosts, [&("host".to_owned(), "models.internal".to_owned())]);
}

#[tokio::test]
async fn interim_responses_are_not_the_answer() {
    let text = format!("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n{}", ok("{\"a\":1}"));
    let backend = Backend::answering(text).await;

    let told = Stage::over(&backend).ask(chat()).await;

    assert_eq!((told.status, &*told.body.unwrap()), (StatusCode::OK, "{\"a\":1}"));
    assert!(told.headers.get("link").is_none());
}

#[tokio::test]
async fn the_backend_is_told_the_length_of_every_body() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);
    let mut wire = stage.wire().await;
    wire.send("POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.send("d\r\n{\"model\":\"m\"}\r\n0\r\n\r\n").await;
    wire.until("{}").await;
    stage.ask(post("/v1/completions", "")).await;
    stage.ask(get("/olla/vllm/health")).await;

    let [chunked, empty, none] = &backend.heard()[..] else { panic!() };
    assert_eq!((chunked.header("content-length"), chunked.header("transfer-encoding")), (Some("13"), None));
    assert_eq!(empty.header("content-length"), Some("0"), "some servers answer 411 without");
    assert_eq!(none.header("content-length"), None);
}

#[tokio::test]
async fn end_to_end_headers_of_the_backend_reach_the_client_unchanged() {
    let headers = returned(
        "x-litellm-model-id: 7\r\nserver: uvicorn\r\nx-accel-buffering: no\r\nvary: a\r\nvary: b\r\n",
    )
    .await;
    let headers = headers.headers();

    assert_eq!(headers["x-litellm-model-id"], "7");
    assert_eq!(headers["server"], "uvicorn");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(headers["content-length"], "2");
}

#[tokio::test]
async fn a_backend_does_not_say_which_web_pages_may_use_olla() {
    let told = returned("access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\n").await;

    assert!(told.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
}

#[tokio::test]
async fn what_is_between_us_and_the_backend_does_not_reach_the_client() {
    let response = returned(
        "connection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\n\
         upgrade: h2c\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-api-key: k\r\nx-olla-endpoint: liar\r\n\
         x-olla-anything: 1\r\n",
    )
    .await;

    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-authenticate",
        "upgrade",
        "set-cookie",
        "x-api-key",
        "x-olla-anything",
    ] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(response.headers()["x-olla-endpoint"], "a");
}

#[tokio::test]
async fn the_endpoints_own_headers_are_never_echoed() {
    let backend = Backend::answering(answer("200 OK", "x-secret: s3cret\r\n", "{}")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.specs[0].headers =
        Arc::from([(HeaderName::from_static("x-secret"), HeaderValue::from_static("s3cret"))]);

    assert_eq!(plan.start().ask(chat()).await.header("x-secret"), None);
}

#[tokio::test]
async fn the_response_tells_who_answered() {
    let backend = Backend::answering(answer("200 OK", "via: 1.0 edge\r\nvia: 1.1 inner\r\n", "{}")).await;

    let told = Stage::over(&backend).ask(chat()).await;

    assert_eq!(told.header("x-olla-endpoint"), Some("a"));
    assert_eq!(told.header("x-olla-backend-type"), Some("vllm"));
    assert_eq!(told.header("x-olla-model"), Some("m"));
    assert!(told.header("x-olla-request-id").unwrap().starts_with("req_"));
    let time = told.header("x-olla-response-time").unwrap();
    let (seconds, fraction) = time.strip_suffix('s').unwrap().split_once('.').unwrap();
    assert!(seconds.parse::<u32>().is_ok() && fraction.len() == 3, "{time}");
    assert_eq!(told.header("x-olla-routing-strategy"), Some("strict"));
    assert_eq!(told.header("x-olla-routing-decision"), Some("routed"));
    assert_eq!(told.header("x-olla-routing-reason"), Some("model_found"));
    assert!(told.header("x-served-by").unwrap().starts_with("Olla/"));
    let via = told.header("via").unwrap();
    assert!(via.starts_with("1.0 edge, 1.1 inner, 1.1 olla/"), "{via}");
    assert_eq!(told.headers.get_all("via").iter().count(), 1);
}

#[tokio::test]
async fn the_clients_request_id_is_kept_and_passed_on() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);
    let mut request = chat();
    request.headers_mut().insert("x-request-id", HeaderValue::from_static("mine-1"));

    let told = stage.ask(request).await;

    assert_eq!(told.header("x-olla-request-id"), Some("mine-1"));
    assert_eq!(backend.heard_one().header("x-request-id"), Some("mine-1"));
    assert_eq!(stage.journal.only().await.id, "mine-1");
}

//! What of a backend's answer stays between Olla and the backend: secrets, cookies, where it is.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;

use crate::support::{Backend, Plan, Told, answer, chat, post, soon};

const KEY: &str = "sk-upstream-0123456789";

/// Asks a backend that has a key and a team, and answers with these header lines.
async fn told(lines: &str) -> Told {
    let backend = Backend::answering(answer("200 OK", lines, "{}")).await;
    let mut plan = Plan::over(&[&backend]);
    let header = |name, value: &str| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    plan.specs[0].headers =
        Arc::from([header("x-team", "research"), header("authorization", &format!("Bearer {KEY}"))]);
    plan.start().ask(chat()).await
}

#[tokio::test]
async fn a_header_that_holds_the_endpoints_key_does_not_reach_the_client() {
    let lines = [
        format!("x-debug: called with {KEY}"),
        format!("x-debug: Bearer {KEY}"),
        format!("www-authenticate: Bearer error=\"{KEY} has no credit\""),
        format!("link: <https://h/?key={KEY}>"),
    ];
    for line in lines {
        let told = told(&format!("{line}\r\nx-kept: 1\r\n")).await;

        assert_eq!(told.header("x-kept"), Some("1"));
        for (name, value) in &told.headers {
            assert!(!value.to_str().unwrap().contains(KEY), "{name}");
        }
    }
}

#[tokio::test]
async fn a_header_that_only_looks_like_a_configured_one_reaches_the_client() {
    let told = told("x-group: research\r\nx-scheme: Bearer\r\nx-part: sk-upstream\r\n").await;

    for (name, value) in [("x-group", "research"), ("x-scheme", "Bearer"), ("x-part", "sk-upstream")] {
        assert_eq!(told.header(name), Some(value));
    }
}

#[tokio::test]
async fn what_a_host_says_of_itself_does_not_reach_the_client() {
    let told = told(
        "set-cookie: a=1\r\nset-cookie2: a=1\r\nalt-svc: h2=\":8443\"\r\n\
         strict-transport-security: max-age=1\r\nrefresh: 1; url=http://gpu-1/\r\n",
    )
    .await;

    for name in ["set-cookie", "set-cookie2", "alt-svc", "strict-transport-security", "refresh"] {
        assert_eq!(told.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn trailers_are_as_discreet_as_heads() {
    let backend = Backend::answering(format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\n{{}}\r\n0\r\n\
         x-sum: 1\r\nset-cookie: a=1\r\nx-debug: {KEY}\r\nx-olla-endpoint: liar\r\n\r\n"
    ))
    .await;
    let mut plan = Plan::over(&[&backend]);
    plan.specs[0].headers =
        Arc::from([(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {KEY}")).unwrap())]);
    let stage = plan.start();
    let mut client = stage.http2().await;

    let mut request = chat();
    *request.uri_mut() = "http://olla.test/v1/chat/completions".parse().unwrap();
    request.headers_mut().remove(header::HOST);
    let response = soon(client.send_request(request)).await.unwrap();
    let trailers = soon(response.into_body().collect()).await.unwrap().trailers().cloned().unwrap();

    assert_eq!(trailers.iter().collect::<Vec<_>>(), [(&"x-sum".parse().unwrap(), &"1".parse().unwrap())]);
}

/// Asks for a path and returns where the backend's redirect leads.
async fn redirected(path: &str, location: &str) -> Told {
    let location = location.to_owned();
    let backend = Backend::scripted(move |mut conn| {
        let location = location.clone();
        async move {
            while let Some(heard) = conn.request().await {
                let own = heard.header("host").unwrap();
                let line = format!("location: {}\r\n", location.replace("BACKEND", own));
                conn.send(&answer("307 Temporary Redirect", &line, "")).await;
            }
        }
    })
    .await;
    let told = Plan::over(&[&backend]).start().ask(post(path, r#"{"model":"m"}"#)).await;
    assert_eq!(backend.heard().len(), 1, "nobody but the client follows it");
    told
}

#[tokio::test]
async fn a_redirect_to_the_backend_itself_leads_through_olla() {
    for (path, location, expected) in [
        ("/olla/vllm/v1/completions", "http://BACKEND/v1/completions/", Some("/olla/vllm/v1/completions/")),
        ("/olla/proxy/v1/completions", "/v2/completions?x=1", Some("/olla/proxy/v2/completions?x=1")),
        ("/v1/completions", "http://BACKEND/v1/completions/", Some("/v1/completions/")),
        ("/v1/completions", "http://BACKEND/login", None),
        ("/olla/vllm/v1/completions", "completions/", Some("completions/")),
        ("/olla/vllm/v1/completions", "http://10.9.8.7:8000/v1/completions", None),
        ("/olla/vllm/v1/completions", "//10.9.8.7/v1/completions", None),
    ] {
        let told = redirected(path, location).await;

        assert_eq!((told.status, told.header("location")), (StatusCode::TEMPORARY_REDIRECT, expected));
    }
}

#[tokio::test]
async fn errors_tell_neither_where_a_backend_is_nor_its_key() {
    let backends = [Backend::refusing(), Backend::answering_once("nonsense\r\n\r\n").await];
    for backend in &backends {
        let mut plan = Plan::over(&[backend]);
        plan.specs[0].headers =
            Arc::from([(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {KEY}")).unwrap())]);

        let told = plan.start().ask(post("/v1/chat/completions", r#"{"model":"m"}"#)).await;

        assert_eq!(told.status, StatusCode::BAD_GATEWAY);
        let port = format!(":{}", backend.address().port());
        for secret in ["127.0.0.1", "localhost", &port, KEY] {
            assert!(!told.text().contains(secret), "{}", told.text());
            assert!(
                told.headers.values().all(|v| !v.to_str().unwrap().contains(secret)),
                "{:?}",
                told.headers
            );
        }
    }
}

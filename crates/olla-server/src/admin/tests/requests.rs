//! How requests are answered, whatever the document: methods, tags, compression, errors.

use super::*;

#[tokio::test]
async fn a_known_tag_is_answered_with_304_until_the_document_changes() {
    let stage = Stage::settled();
    let mut models = vec![];
    for path in ["/internal/status", "/internal/status/endpoints", "/internal/status/models"] {
        let first = stage.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        assert_eq!(
            (first.header("cache-control"), first.header("vary")),
            ("private, no-cache", "accept-encoding")
        );
        stage.endpoint("gpu").live.checkup().checked_at = Some(SystemTime::UNIX_EPOCH);

        let again = stage.send(Method::GET, path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!((again.header("etag"), again.header("vary")), (&*tag, "accept-encoding"));

        models.push(Model::named(path));
        stage.publish("gpu", None, models.clone());
        let changed = stage.send(Method::GET, path, &[("if-none-match", &tag)]).await;
        assert_eq!(changed.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn status_documents_are_compressed_for_those_who_accept_it() {
    let stage = Stage::settled();

    let answer = stage.send(Method::GET, "/internal/status/endpoints", &[("accept-encoding", "gzip")]).await;

    assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("gzip", "accept-encoding"));
    assert_eq!(answer.headers.get_all(header::VARY).iter().count(), 1);
    assert_eq!(answer.body[..2], [0x1f, 0x8b], "the magic number of gzip");
    let plain = stage.get("/internal/status/endpoints").await;
    assert_eq!(plain.header("content-encoding"), "");
    let small = stage.send(Method::GET, "/internal/health", &[("accept-encoding", "gzip")]).await;
    assert_eq!(small.header("content-encoding"), "");
}

#[tokio::test]
async fn other_methods_are_told_which_are_allowed() {
    let stage = Stage::settled();
    let cases = [
        (Method::POST, "/internal/status", "GET,HEAD"),
        (Method::DELETE, "/internal/health", "GET,HEAD"),
        (Method::GET, "/internal/discovery/refresh", "POST"),
    ];

    for (method, path, allowed) in cases {
        let answer = stage.send(method, path, &[]).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, allowed),
            "{path}"
        );
        assert_eq!(answer.json()["error"]["code"], "method_not_allowed", "{path}");
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let stage = Stage::settled();

    for path in ["/internal/health", "/internal/status", "/version"] {
        let answer = stage.send(Method::HEAD, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_an_error_in_json() {
    let answer = Stage::settled().get("/internal/nothing").await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "unknown_path");
    assert!(error["message"].as_str().unwrap().contains("/internal/nothing"));
}

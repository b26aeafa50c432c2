//! The process and its version, and every path that exists.

use super::*;

#[tokio::test]
async fn the_process_and_the_version_are_told() {
    let stage = Stage::settled();

    let process = stage.document("/internal/process").await;
    let version = stage.document("/version").await;

    assert_eq!(process["runtime"]["uptime"], "2m5s");
    assert_eq!((&version["version"], &version["build"]["commit"]), (&json!("1.2.3"), &json!("abc")));
    let backends = version["supported_backends"].as_array().unwrap();
    assert!(backends.contains(&json!("litellm")), "{backends:?}");
}

#[tokio::test]
async fn every_path_that_the_version_lists_exists() {
    let stage = Stage::settled();
    let version = stage.document("/version").await;

    for path in version["api"]["endpoints"].as_object().unwrap().values() {
        let answer = stage.send(Method::PATCH, path.as_str().unwrap(), &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

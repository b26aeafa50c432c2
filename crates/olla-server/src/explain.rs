//! `olla-server explain`: asks a running server where a request would go, and prints its answer.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    process::ExitCode,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use olla_core::{BaseUrl, Failure, Target, TlsTrust, UrlError};
use olla_proxy::{ConnectTimeouts, Fetched, Upstream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use thiserror::Error;
use tokio::{runtime, time::timeout};

use crate::{
    admin::explain::{DECISION, REJECTED, printable},
    cli::Inquiry,
    config::{self, LoadOptions, settings},
    start::{complain, reject},
};

/// How long the server may take for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A longer answer is cut off.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What a server says.
#[derive(Debug)]
struct Answer {
    text: String,
    is_refusal: bool,
}

/// Why there is no answer to print.
#[derive(Debug, Error)]
enum NoAnswer {
    #[error("--url {0}")]
    Url(#[from] UrlError),
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
    #[error("no server answers: {0}; start one with `olla-server`, or name another with --url")]
    Failed(Failure),
    #[error("no server answers within {} s; name another with --url", PATIENCE.as_secs())]
    TooSlow,
    #[error("what answers there (status {0}) is no Olla that can explain; name another with --url")]
    Stranger(StatusCode),
    #[error("the server does not understand the question: {0}")]
    Misunderstood(String),
}

/// Asks, prints, and returns 0 when the request would be sent to a backend.
pub(crate) fn run(inquiry: &Inquiry, options: &LoadOptions) -> ExitCode {
    let url = match &inquiry.url {
        Some(url) => url.clone(),
        None => match config::load(options) {
            Ok(loaded) => url_of(&loaded.settings.server),
            Err(rejected) => return reject(&rejected),
        },
    };
    match ask(&url, inquiry) {
        Ok(answer) => {
            // A closed standard output does not change the answer.
            let _ = io::stdout().write_all(answer.text.as_bytes());
            if answer.is_refusal { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => complain(&format!("olla-server: {}: {error}", printable(&url))),
    }
}

fn ask(url: &str, inquiry: &Inquiry) -> Result<Answer, NoAnswer> {
    let base = BaseUrl::parse(url)?;
    let target = Target { path: base.join(&path_and_query(inquiry), false)?, base };
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/plain"))]);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let fetched = runtime.block_on(async {
        let upstream = Upstream::new(ConnectTimeouts::default());
        timeout(PATIENCE, upstream.fetch(&target, &TlsTrust::System, (headers, None), MAX_ANSWER_BYTES)).await
    });
    // A name that is still being resolved must not hold up the end.
    runtime.shutdown_background();
    read(&fetched.map_err(|_| NoAnswer::TooSlow)?.map_err(NoAnswer::Failed)?)
}

fn read(fetched: &Fetched) -> Result<Answer, NoAnswer> {
    let decision = fetched.headers.get(DECISION).filter(|_| fetched.status == StatusCode::OK);
    let Some(decision) = decision else {
        let error: Value = serde_json::from_slice(&fetched.body).unwrap_or_default();
        return Err(match error.pointer("/error/message").and_then(Value::as_str) {
            Some(message) if fetched.status == StatusCode::BAD_REQUEST => {
                NoAnswer::Misunderstood(printable(message))
            }
            _ => NoAnswer::Stranger(fetched.status),
        });
    };
    let lines = String::from_utf8_lossy(&fetched.body);
    let text = lines.lines().map(|line| printable(line) + "\n").collect();
    Ok(Answer { text, is_refusal: decision == REJECTED })
}

fn path_and_query(inquiry: &Inquiry) -> String {
    let value = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let (model, path) = (value(&inquiry.model), value(&inquiry.path));
    let mut query = format!("/internal/explain?model={model}&path={path}");
    for (name, is_set) in [("images", inquiry.images), ("tools", inquiry.tools)] {
        if is_set {
            // Writing to a string cannot fail.
            let _ = write!(query, "&{name}=true");
        }
    }
    query
}

/// Returns where this machine reaches a server with these settings.
fn url_of(server: &settings::Server) -> String {
    let host = match server.host.parse() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(_)) | Err(_) => server.host.clone(),
    };
    format!("http://{host}:{}", server.port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    fn inquiry(model: &str) -> Inquiry {
        Inquiry { model: model.into(), path: "/v1/x?a=b".into(), images: true, tools: false, url: None }
    }

    #[test]
    fn everything_in_the_question_is_encoded() {
        assert_eq!(
            path_and_query(&inquiry("a/b+c&d")),
            "/internal/explain?model=a%2Fb%2Bc%26d&path=%2Fv1%2Fx%3Fa%3Db&images=true"
        );
    }

    #[test]
    fn an_unspecified_address_is_reached_by_loopback() {
        for (host, url) in [
            ("0.0.0.0", "http://127.0.0.1:40114"),
            ("::", "http://[::1]:40114"),
            ("fd00::1", "http://[fd00::1]:40114"),
            ("10.0.0.7", "http://10.0.0.7:40114"),
            ("olla.local", "http://olla.local:40114"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let env = Env::from([("OLLA_SERVER_HOST", host)]);
            let options = LoadOptions { env, directory: directory.path().into(), ..LoadOptions::default() };

            assert_eq!(url_of(&config::load(&options).unwrap().settings.server), url);
        }
    }

    #[test]
    fn a_url_that_is_none_is_not_contacted() {
        let error = ask("localhost:40114", &inquiry("m")).unwrap_err();

        assert_eq!(error.to_string(), "--url must begin with http:// or https://");
    }
}

//! What one answer, or its absence, says about an endpoint: the status, why in words, and what to do.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use olla_core::{EndpointSpec, Failure, Status};

/// A good answer that took longer than this makes the endpoint busy rather than healthy.
const SLOW: Duration = Duration::from_secs(10);
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(30);
const SHORTEST_RETRY_AFTER: Duration = Duration::from_secs(1);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// The outcome of a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    /// Why the endpoint is not simply healthy, and what to do about it.
    pub(crate) reason: Option<Box<str>>,
    /// How long the backend asked to be left alone.
    pub(crate) quiet: Option<Duration>,
}

// === impl Verdict ===

impl Verdict {
    /// Judges an answer to the request for `path` that took `latency`.
    pub(crate) fn of_answer(
        spec: &EndpointSpec,
        path: &str,
        (status, headers): (StatusCode, &HeaderMap),
        latency: Duration,
    ) -> Self {
        let code = status.as_u16();
        match code {
            200..=299 => Self::alive(latency),
            401 | 403 if has_credentials(spec) => Self::new(
                Status::ConfigError,
                format!(
                    "{path} answered {code}: the backend refuses the credentials of this endpoint; correct its `auth`"
                ),
            ),
            401 | 403 => Self::new(
                Status::ConfigError,
                format!(
                    "{path} answered {code}: the backend expects credentials; give this endpoint an `auth`"
                ),
            ),
            429 => {
                let quiet = retry_after(headers, SystemTime::now());
                let reason = format!(
                    "{path} answered 429: the backend asks to be left alone for {} s",
                    quiet.as_secs()
                );
                Self { quiet: Some(quiet), ..Self::new(Status::RateLimited, reason) }
            }
            _ => Self::new(Status::Unhealthy, format!("{path} answered {code}{}", remedy(spec, status))),
        }
    }

    /// Judges an answer of any kind from a backend that is not expected to say more than "I am here".
    pub(crate) fn alive(latency: Duration) -> Self {
        if latency <= SLOW {
            return Self { status: Status::Healthy, reason: None, quiet: None };
        }
        Self::new(
            Status::Busy,
            format!("answered after {:.1} s; gets a smaller share", latency.as_secs_f64()),
        )
    }

    /// Judges a request that got no answer.
    pub(crate) fn of_failure(spec: &EndpointSpec, failure: Failure) -> Self {
        if failure == Failure::Exhausted {
            // Says something of this process, and nothing of the backend.
            return Self::new(Status::Unknown, failure.to_string());
        }
        let reason = match failure {
            Failure::HeadTimeout => format!(
                "no answer within {:?}; is the backend overloaded, or `check_timeout` too short?",
                spec.check_timeout
            ),
            Failure::Refused => format!("{failure}; is the backend running, and is the port right?"),
            Failure::Dns => format!("{failure}; check the host in `url`"),
            Failure::Tls => format!("{failure}; check the certificate, or name its authority in `tls`"),
            Failure::MalformedHead => format!("{failure}; is `http` or `https` in `url` right?"),
            Failure::Unreachable
            | Failure::ConnectTimeout
            | Failure::Exhausted
            | Failure::Stale
            | Failure::ResetBeforeHead
            | Failure::SlowStart
            | Failure::ResetInBody
            | Failure::Status(_)
            | Failure::ErrorEvent
            | Failure::Stall
            | Failure::Truncated
            | Failure::Unreadable
            | Failure::Deadline
            | Failure::ClientGone => failure.to_string(),
        };
        Self::new(Status::Offline, reason)
    }

    fn new(status: Status, reason: String) -> Self {
        Self { status, reason: Some(reason.into()), quiet: None }
    }
}

fn has_credentials(spec: &EndpointSpec) -> bool {
    !spec.headers.is_empty()
}

/// Some gateways answer 500, not 401, to a request without a key.
fn remedy(spec: &EndpointSpec, status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "; redirects are not followed: set `health_check_url` to where it leads",
        404 | 405 => "; check `type`, or set `health_check_url` to a path that answers 200",
        500 if !has_credentials(spec) => "; if the backend expects a key, give this endpoint an `auth`",
        503 => "; it may still be loading",
        _ => "",
    }
}

/// Reads `Retry-After` (seconds, or a date: RFC 9110 §10.2.3), within sensible bounds.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Duration {
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text.and_then(|text| match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        }
    });
    asked.unwrap_or(DEFAULT_RETRY_AFTER).clamp(SHORTEST_RETRY_AFTER, LONGEST_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use olla_core::BaseUrl;

    use super::*;

    fn spec() -> EndpointSpec {
        EndpointSpec::new("a", BaseUrl::parse("http://127.0.0.1:1").unwrap())
    }

    fn judged(code: u16, latency: Duration) -> Verdict {
        let status = StatusCode::from_u16(code).unwrap();
        Verdict::of_answer(&spec(), "/health", (status, &HeaderMap::new()), latency)
    }

    fn after(text: &str) -> Duration {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn every_status_code_has_one_meaning() {
        for (code, status) in [
            (200, Status::Healthy),
            (204, Status::Healthy),
            (302, Status::Unhealthy),
            (401, Status::ConfigError),
            (403, Status::ConfigError),
            (404, Status::Unhealthy),
            (429, Status::RateLimited),
            (500, Status::Unhealthy),
        ] {
            assert_eq!(judged(code, Duration::ZERO).status, status, "{code}");
        }
    }

    #[test]
    fn a_slow_good_answer_means_busy() {
        assert_eq!(judged(200, SLOW).status, Status::Healthy);
        assert_eq!(judged(200, SLOW + Duration::from_millis(1)).status, Status::Busy);
    }

    #[test]
    fn reasons_name_the_path_the_answer_and_the_remedy() {
        let missing_key = judged(401, Duration::ZERO).reason.unwrap();
        let mut with_key = spec();
        with_key.headers = [(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))].into();
        let answer = (StatusCode::UNAUTHORIZED, &HeaderMap::new());
        let wrong_key = Verdict::of_answer(&with_key, "/health", answer, Duration::ZERO).reason.unwrap();

        assert!(missing_key.contains("/health answered 401") && missing_key.contains("give this endpoint"));
        assert!(wrong_key.contains("correct its `auth`") && !wrong_key.contains("s3cret"));
        assert!(judged(500, Duration::ZERO).reason.unwrap().contains("`auth`"));
        assert!(judged(302, Duration::ZERO).reason.unwrap().contains("redirects are not followed"));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date_and_bounded() {
        assert_eq!(after("7").as_secs(), 7);
        assert_eq!(after("0"), SHORTEST_RETRY_AFTER);
        assert_eq!(after("86400"), LONGEST_RETRY_AFTER);
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT").as_secs(), 60);
        assert_eq!(after("Sat, 06 Nov 1993 08:50:37 GMT"), SHORTEST_RETRY_AFTER);
        assert_eq!(after("soon"), DEFAULT_RETRY_AFTER);
        assert_eq!(retry_after(&HeaderMap::new(), SystemTime::now()), DEFAULT_RETRY_AFTER);
    }
}

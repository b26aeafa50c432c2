//! For how long a backend asks to be spared: `Retry-After`, and what providers say of their rate limits.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, StatusCode, header::RETRY_AFTER};

use crate::headers::RETRY_AFTER_MS;

/// When a backend that is over its rate does not say when to come back.
const UNSAID: Duration = Duration::from_secs(1);
/// Nobody is spared for longer: quotas are raised, and clocks are wrong.
const LONGEST: Duration = Duration::from_secs(3600);

/// When a limit that is used up is whole again, as OpenAI and its imitators write it: `1s`, `6m0s`, `20ms`.
const LIMITS: [(HeaderName, HeaderName); 2] = [
    (
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ),
    (
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ),
];

/// Returns for how long the (endpoint, model) pair that gave this answer is to be spared.
pub(crate) fn asked_for(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let rate_limited = status == StatusCode::TOO_MANY_REQUESTS;
    if !rate_limited && !status.is_server_error() {
        return None;
    }
    let said = millis(headers).or_else(|| retry_after(headers, now));
    let said = if rate_limited { said.or_else(|| used_up(headers)).or(Some(UNSAID)) } else { said };
    said.map(|pause| pause.min(LONGEST)).filter(|pause| !pause.is_zero())
}

fn millis(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER_MS)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_millis)
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<f64>() {
        Ok(count) => seconds(count),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

/// The longest wait for a limit of which nothing remains.
fn used_up(headers: &HeaderMap) -> Option<Duration> {
    let waits = LIMITS.into_iter().filter_map(|(remaining, reset)| {
        let remaining = headers.get(remaining)?.to_str().ok()?.trim();
        let reset = headers.get(reset)?.to_str().ok()?;
        if remaining == "0" { span(reset.trim()) } else { None }
    });
    waits.max()
}

/// Reads `1h2m3.5s` or `20ms`; a bare number is seconds.
fn span(text: &str) -> Option<Duration> {
    if let Ok(count) = text.parse::<f64>() {
        return seconds(count);
    }
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total += seconds(number.parse::<f64>().ok()? * unit)?;
        rest = tail;
    }
    Some(total)
}

/// More than the longest is the longest.
fn seconds(count: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(count.min(LONGEST.as_secs_f64())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spared(status: u16, lines: &[(&'static str, &str)]) -> Option<f64> {
        let headers =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let now = httpdate::parse_http_date("Tue, 24 Nov 2026 10:00:00 GMT").unwrap();
        let pause = asked_for(StatusCode::from_u16(status).unwrap(), &headers.collect(), now);
        pause.map(|pause| pause.as_secs_f64())
    }

    #[test]
    fn every_way_of_asking_is_understood() {
        assert_eq!(spared(429, &[("retry-after", "7")]), Some(7.0));
        assert_eq!(spared(429, &[("retry-after", "0.25")]), Some(0.25));
        assert_eq!(spared(503, &[("retry-after", "Tue, 24 Nov 2026 10:02:00 GMT")]), Some(120.0));
        assert_eq!(spared(429, &[("retry-after", "1"), ("retry-after-ms", "1500")]), Some(1.5));
        let tokens = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0.5s")];
        assert_eq!(spared(429, &tokens), Some(360.5));
        let requests = [("x-ratelimit-remaining-requests", "59"), ("x-ratelimit-reset-requests", "1h")];
        assert_eq!(spared(429, &requests), Some(1.0), "that limit is not the one");
    }

    #[test]
    fn a_rate_limit_that_says_nothing_is_short_and_an_error_that_says_nothing_is_none() {
        assert_eq!(spared(429, &[]), Some(1.0));
        assert_eq!(spared(429, &[("retry-after", "soon")]), Some(1.0));
        assert_eq!(spared(503, &[]), None);
        assert_eq!(spared(503, &[("retry-after", "soon")]), None);
        assert_eq!(spared(200, &[("retry-after", "5")]), None);
        assert_eq!(spared(429, &[("retry-after", "0")]), None);
    }

    #[test]
    fn nobody_is_spared_for_longer_than_an_hour() {
        assert_eq!(spared(429, &[("retry-after", "999999999999999999999")]), Some(3600.0));
        assert_eq!(spared(429, &[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")]), Some(3600.0));
        assert_eq!(spared(503, &[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")]), None, "it is past");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[ -~]{0,20}") {
            spared(429, &[("retry-after", &text), ("retry-after-ms", &text)]);
            span(&text);
        }
    }

    /// Lines of a response head.
    #[test]
    fn fuzz_retry_after() {
        let words = [
            "retry-after: ",
            "retry-after-ms: ",
            "x-ratelimit-remaining-tokens: 0\n",
            "x-ratelimit-reset-tokens: ",
            "6m0.5s",
            "20ms",
            "1e300",
            "-0",
            "NaN",
            "inf",
            "Tue, 24 Nov 2026 10:02:00 GMT",
            "\n",
        ];
        olla_fuzz::fuzz("retry_after", &words, |input| {
            let mut headers = HeaderMap::new();
            for line in input.split(|byte| *byte == b'\n') {
                let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
                let (name, value) = (HeaderName::from_bytes(&line[..colon]), &line[colon + 1..]);
                if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_bytes(value.trim_ascii())) {
                    headers.append(name, value);
                }
            }
            let pauses = [429, 503, 200].map(|status| {
                let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_514_400);
                asked_for(StatusCode::from_u16(status).ok()?, &headers, now)
            });
            assert!(pauses.iter().flatten().all(|pause| *pause <= LONGEST && !pause.is_zero()));
            pauses.map(|pause| pause.map(|pause| pause.as_secs().min(64)))
        });
    }
}

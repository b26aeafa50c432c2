//! Where a backend's redirect leads, seen from the client.
//!
//! A backend knows itself by another address than its clients do. What leads to the backend itself is changed
//! into the path that leads there through Olla; what leads to any other host is left out: it might be one that
//! only this network knows, and a client would go there without the keys that Olla has.

use http::{HeaderMap, HeaderValue, header};
use olla_core::BaseUrl;

/// Changes or removes `Location` and its kin. `prefix` tells what the client put before the backend's path.
pub(super) fn translate<'t>(headers: &mut HeaderMap, base: &BaseUrl, prefix: impl Fn() -> &'t str) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some(value) = headers.remove(&name)
            && let Some(value) = for_client(&value, base, prefix())
        {
            headers.insert(name, value);
        }
    }
}

fn for_client(value: &HeaderValue, base: &BaseUrl, prefix: &str) -> Option<HeaderValue> {
    let target = value.to_str().ok()?.trim();
    // Browsers read these as slashes, or not at all.
    if target.contains(|c: char| c == '\\' || c.is_control()) {
        return None;
    }
    let Some(path) = path_at(target, base)? else {
        // Relative to what the client asked for.
        return Some(value.clone());
    };
    let below = path.strip_prefix(base.path()).filter(|rest| rest.starts_with('/'))?;
    // Without a prefix, Olla itself has all other paths.
    if prefix.is_empty() && !below.starts_with("/v1/") {
        return None;
    }
    // alloc: redirects only.
    HeaderValue::try_from(format!("{prefix}{below}")).ok()
}

/// Returns the path that a target names, `Some(None)` if it is relative to another, or `None` if it leads to
/// another host.
fn path_at<'t>(target: &'t str, base: &BaseUrl) -> Option<Option<&'t str>> {
    let rest = match target.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || is_http(scheme) => rest,
        _ if target.starts_with('/') => return Some(Some(target)),
        // `mailto:` and the like.
        _ if target.split(['/', '?', '#']).next()?.contains(':') => return None,
        _ => return Some(None),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let theirs = BaseUrl::parse(&format!("http://{authority}")).ok()?;
    let has_port = authority.rsplit(']').next()?.contains(':');
    let is_own =
        theirs.host().eq_ignore_ascii_case(base.host()) && (!has_port || theirs.port() == base.port());
    is_own.then_some(Some(if path.is_empty() { "/" } else { path }))
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http:") || scheme.eq_ignore_ascii_case("https:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(base: &str, prefix: &str, value: &str) -> Option<String> {
        let base = BaseUrl::parse(base).unwrap();
        let mut headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::try_from(value).unwrap())]);
        translate(&mut headers, &base, || prefix);
        headers.get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_leads_to_the_backend_leads_there_through_olla() {
        for (value, expected) in [
            ("http://gpu-1:8000/v1/models/?x=1#y", "/olla/vllm/v1/models/?x=1#y"),
            ("HTTP://GPU-1:8000/v1/models", "/olla/vllm/v1/models"),
            ("https://gpu-1/v1/models", "/olla/vllm/v1/models"),
            ("//gpu-1:8000/v1/models", "/olla/vllm/v1/models"),
            ("http://gpu-1:8000", "/olla/vllm/"),
            ("/v1/models/", "/olla/vllm/v1/models/"),
            ("models/", "models/"),
            ("?page=2", "?page=2"),
            ("", ""),
        ] {
            assert_eq!(
                location("http://gpu-1:8000", "/olla/vllm", value).as_deref(),
                Some(expected),
                "{value}"
            );
        }
    }

    #[test]
    fn what_leads_elsewhere_is_left_out() {
        for value in [
            "http://gpu-2:8000/v1/models",
            "http://gpu-1:9000/v1/models",
            "http://gpu-1:8000@evil.example/",
            "http://user@gpu-1:8000/",
            "//10.0.0.7/v1",
            "http:///v1",
            "\\\\gpu-2\\v1",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "mailto:admin@gpu-1",
        ] {
            assert_eq!(location("http://gpu-1:8000", "/olla/vllm", value), None, "{value}");
        }
    }

    #[test]
    fn the_base_path_is_taken_off() {
        let at = |value| location("http://h/engines", "/olla/dmr", value);

        assert_eq!(at("/engines/v1/models").as_deref(), Some("/olla/dmr/v1/models"));
        assert_eq!(at("http://h/engines/v1/x").as_deref(), Some("/olla/dmr/v1/x"));
        assert_eq!(at("/admin"), None, "no path of Olla leads there");
        assert_eq!(at("/enginesx/v1"), None);
    }

    #[test]
    fn at_the_root_only_paths_of_the_openai_api_lead_to_backends() {
        assert_eq!(location("http://h", "", "/v1/models/").as_deref(), Some("/v1/models/"));
        assert_eq!(location("http://h", "", "http://h/internal/status"), None);
    }

    #[test]
    fn addresses_of_version_6_are_hosts_too() {
        let at = |value| location("http://[2001:db8::1]:8000", "/olla/vllm", value);

        assert_eq!(at("http://[2001:db8::1]:8000/v1/x").as_deref(), Some("/olla/vllm/v1/x"));
        assert_eq!(at("http://[2001:db8::1]/v1/x").as_deref(), Some("/olla/vllm/v1/x"));
        assert_eq!(at("http://[2001:db8::2]:8000/v1/x"), None);
    }

    /// A `Location` of a backend with a base path.
    #[test]
    fn fuzz_location() {
        let words = [
            "http://",
            "https://",
            "//",
            "/",
            "h:1",
            "@",
            "\\",
            "..",
            "/base",
            "?",
            "#",
            "evil.example",
            ":",
            "\t",
            "[::1]",
            "javascript:",
            "/v1/",
        ];
        let base = BaseUrl::parse("http://h:1/base").unwrap();
        olla_fuzz::fuzz("location", &words, |input| {
            let value = HeaderValue::from_bytes(input).ok()?;

            let told = for_client(&value, &base, "/olla/vllm")?;

            let text = told.to_str().unwrap();
            let leads_elsewhere =
                text.trim_start().starts_with("//") || text.split(['/', '?', '#']).next()?.contains(':');
            assert!(!leads_elsewhere && !text.contains('\\'), "{text:?}");
            assert!(!text.starts_with('/') || text.starts_with("/olla/vllm/"), "{text:?}");
            Some((text.starts_with('/'), text.len().min(16)))
        });
    }
}

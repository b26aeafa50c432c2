//! Where an endpoint is: scheme, host, port and base path, parsed once.

use std::{fmt, str::FromStr, sync::Arc};

use http::{HeaderValue, Uri, uri::PathAndQuery, uri::Scheme};
use thiserror::Error;

/// The root of a backend: `http://gpu-1:11434` or `https://[::1]:8443/engines/llama.cpp`.
///
/// The base path, where there is one, precedes every request path. What the end of the one and the
/// beginning of the other have in common is there once: a base of `/openai/v1` and a request for
/// `/v1/models` meet at `/openai/v1/models`.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    tls: bool,
    /// Without the brackets of an IPv6 literal.
    host: Arc<str>,
    port: u16,
    authority: HeaderValue,
    /// Empty, or `/` and segments without a trailing slash.
    path: Arc<str>,
}

/// One resource of a backend, resolved: what a health check or a model listing asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub base: BaseUrl,
    /// What to ask for, base path included.
    pub path: PathAndQuery,
}

/// A URL that cannot be an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("is not a valid URL; write it like http://host:port")]
    Invalid,
    /// No `http://` or `https://` in front.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// No host.
    #[error("has no host")]
    Host,
    /// Credentials inside the URL.
    #[error("must not hold credentials; use an `auth` block instead")]
    UserInfo,
    /// A query or fragment on a base URL.
    #[error("must not have a query or fragment")]
    Query,
}

// === impl BaseUrl ===

impl BaseUrl {
    /// Parses a base URL.
    ///
    /// # Errors
    /// Says which part is wrong; the message never repeats the URL, which might hold a secret.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.contains('#') {
            return Err(UrlError::Query);
        }
        let uri = Uri::from_str(text).map_err(|_| UrlError::Invalid)?;
        if uri.query().is_some() {
            return Err(UrlError::Query);
        }
        let tls = match uri.scheme() {
            Some(s) if *s == Scheme::HTTP => false,
            Some(s) if *s == Scheme::HTTPS => true,
            _ => return Err(UrlError::Scheme),
        };
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if tls => 443,
            Some("") => 80,
            Some(port) => port.trim_start_matches(':').parse().map_err(|_| UrlError::Invalid)?,
            None => return Err(UrlError::Invalid),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(UrlError::Host);
        }
        Ok(Self {
            tls,
            host: host.into(),
            port,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| UrlError::Invalid)?,
            path: uri.path().trim_end_matches('/').into(),
        })
    }

    /// Returns whether connections use TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns the host name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, the scheme's own where none was written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `host:port` as written, ready to be a `Host` header.
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Returns the base path: empty, or `/…` without a trailing slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Puts the base path before `path` (which begins with `/` and may carry a query).
    ///
    /// With `always` the base path is put there even when `path` already begins with it.
    ///
    /// # Errors
    /// Fails when `path` is not a valid request target.
    pub fn join(&self, path: &str, always: bool) -> Result<PathAndQuery, UrlError> {
        if self.path.is_empty() {
            return PathAndQuery::from_str(path).map_err(|_| UrlError::Invalid);
        }
        let base = if always { &self.path } else { self.path_without(path) };
        let mut joined = String::with_capacity(base.len() + path.len());
        joined.push_str(base);
        joined.push_str(path);
        PathAndQuery::from_maybe_shared(joined).map_err(|_| UrlError::Invalid)
    }

    /// Resolves a path of this backend, or an absolute URL.
    ///
    /// # Errors
    /// Fails when `text` is neither.
    pub fn target(&self, text: &str) -> Result<Target, UrlError> {
        let text = text.trim();
        if !text.contains("://") {
            let slashed = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
            return Ok(Target { base: self.clone(), path: self.join(&slashed, false)? });
        }
        let uri = Uri::from_str(text).map_err(|_| UrlError::Invalid)?;
        let root = text.split_once('?').map_or(text, |(root, _)| root);
        let base = Self::parse(root)?;
        let path = match uri.path_and_query() {
            None => PathAndQuery::from_static("/"),
            // A request target has a path before its query (RFC 9112 §3.2.1).
            Some(path) if path.as_str().starts_with('?') => {
                format!("/{}", path.as_str()).parse().map_err(|_| UrlError::Invalid)?
            }
            Some(path) => path.clone(),
        };
        Ok(Target { base: Self { path: "".into(), ..base }, path })
    }

    /// Returns the base path less the segments at its end with which `path` begins.
    fn path_without(&self, path: &str) -> &str {
        let begins_with = |segments| {
            path.strip_prefix(segments).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        let mut ends = self.path.match_indices('/').map(|(at, _)| self.path.split_at(at));
        ends.find(|(_, end)| begins_with(*end)).map_or(&self.path, |(start, _)| start)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority.to_str().unwrap_or_default(), self.path)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_addresses_and_base_paths() {
        let url = BaseUrl::parse("https://[::1]/engines/llama.cpp/").unwrap();

        assert_eq!((url.host(), url.port(), url.path()), ("::1", 443, "/engines/llama.cpp"));
        assert_eq!(url.to_string(), "https://[::1]/engines/llama.cpp");
    }

    #[test]
    fn says_what_is_wrong_without_repeating_the_url() {
        for (text, error) in [
            ("localhost:11434", UrlError::Scheme),
            ("ftp://h", UrlError::Scheme),
            ("http://user:secret@h", UrlError::UserInfo),
            ("http://h?x=1", UrlError::Query),
            ("http://h:99999", UrlError::Invalid),
            ("", UrlError::Invalid),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap_err(), error, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn joins_paths_once() {
        let plain = BaseUrl::parse("http://h:1").unwrap();
        let based = BaseUrl::parse("http://h:1/v1/").unwrap();

        assert_eq!(plain.join("/v1/models?x=%2F", false).unwrap(), "/v1/models?x=%2F");
        assert_eq!(based.join("/v1/models", false).unwrap(), "/v1/models");
        assert_eq!(based.join("/v10", false).unwrap(), "/v1/v10");
        assert_eq!(based.join("/models", false).unwrap(), "/v1/models");
        assert_eq!(based.join("/v1/models", true).unwrap(), "/v1/v1/models");

        let deep = BaseUrl::parse("http://h:1/openai/v1").unwrap();
        assert_eq!(deep.join("/v1/models", false).unwrap(), "/openai/v1/models");
        assert_eq!(deep.join("/openai/v1/models", false).unwrap(), "/openai/v1/models");
        assert_eq!(deep.join("/v1?x", false).unwrap(), "/openai/v1?x");
        assert_eq!(deep.join("/", false).unwrap(), "/openai/v1/");
    }

    #[test]
    fn resolves_relative_and_absolute_targets() {
        let base = BaseUrl::parse("http://h:1/engines").unwrap();

        assert_eq!(base.target("health").unwrap().path, "/engines/health");
        let absolute = base.target("http://other:9/ok?deep=1").unwrap();
        assert_eq!((absolute.base.port(), absolute.path.as_str()), (9, "/ok?deep=1"));
        assert_eq!(base.target("http://other?deep=1").unwrap().path.as_str(), "/?deep=1");
    }
}

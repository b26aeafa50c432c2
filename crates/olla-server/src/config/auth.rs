//! The headers that Olla itself sends to a backend: custom ones and credentials.
//!
//! Values come from the file, from `${VAR}` or from a file of their own. No message repeats them.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header};

use super::{
    LoadOptions,
    env::Env,
    problem::{Problem, Report},
    raw,
    variables::expand,
};

/// Headers that frame a message: setting them would break it.
const FRAMING: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A header to send.
pub(crate) type Header = (HeaderName, HeaderValue);

/// What an `auth` block asks for.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    /// The header that carries the credentials.
    pub(crate) header: Option<Header>,
    /// Passes the client's own credentials on.
    pub(crate) forward: bool,
}

/// An `auth` block that is being resolved.
struct Block<'a> {
    raw: &'a raw::Auth,
    path: &'a str,
    options: &'a LoadOptions,
}

/// Resolves the `headers` of the endpoint at `path`.
pub(crate) fn headers(raw: &raw::Endpoint, path: &str, env: &Env, report: &mut Report) -> Vec<Header> {
    let mut headers = vec![];
    for (name, value) in &raw.headers {
        let key = format!("{path}.headers.{name}");
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            report.add(Problem::new(key, "is not the name of a header"));
            continue;
        };
        if FRAMING.contains(&name) {
            report.add(Problem::new(key, "cannot be set: it belongs to the connection, not to the request"));
            continue;
        }
        let value = expand(value, env, &key, report);
        headers.extend(value.and_then(|value| Some((name, sensitive(&value, &key, report)?))));
    }
    headers
}

/// Resolves the `auth` block at `path`.
pub(crate) fn resolve(raw: &raw::Auth, path: &str, options: &LoadOptions, report: &mut Report) -> Auth {
    let block = Block { raw, path, options };
    let Some(scheme) = raw.scheme.as_deref() else {
        let key = block.key("type");
        if !report.mentions(&key) {
            let problem = Problem::new(key, "is missing");
            report.add(problem.help("set it to bearer, api_key, basic or forward"));
        }
        return Auth::default();
    };
    let own: &[&str] = match scheme {
        "bearer" => &["token"],
        "api_key" => &["key"],
        "basic" => &["username", "password"],
        _ => &[],
    };
    for field in raw.fields.keys().filter(|field| !own.contains(&field.trim_end_matches("_file"))) {
        report.add(Problem::new(block.key(field), format!("does not belong to auth type {scheme}")));
    }
    let secrets: Vec<_> = own.iter().map(|name| block.secret(name, report)).collect();
    let (name, text) = match (scheme, secrets.as_slice()) {
        ("bearer", [Some(token)]) => (Some(header::AUTHORIZATION), format!("Bearer {token}")),
        ("api_key", [Some(key)]) => {
            let name = raw.header.as_deref().and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
            (name, key.clone())
        }
        ("basic", [Some(user), Some(password)]) => {
            (Some(header::AUTHORIZATION), format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        }
        (scheme, _) => return Auth { header: None, forward: scheme == "forward" },
    };
    let header = name.and_then(|name| Some((name, sensitive(&text, path, report)?)));
    Auth { header, forward: false }
}

// === impl Block ===

impl Block<'_> {
    fn key(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }

    /// Resolves a credential, written inline or in a file.
    fn secret(&self, name: &str, report: &mut Report) -> Option<String> {
        let (key, file_key) = (self.key(name), self.key(&format!("{name}_file")));
        let inline = self.raw.fields.get(name);
        let file = self.raw.fields.get(&format!("{name}_file"));
        let (key, value) = match (inline, file) {
            (Some(_), Some(_)) => {
                let problem = Problem::new(file_key, format!("is set beside `{name}`"));
                report.add(problem.help("set one of the two"));
                return None;
            }
            (None, None) if report.mentions(&key) || report.mentions(&file_key) => return None,
            (None, None) => {
                let problem = Problem::new(key, "is missing");
                report.add(problem.help(format!("set `{name}` or `{name}_file`")));
                return None;
            }
            (Some(text), None) => {
                let value = expand(text, &self.options.env, &key, report)?;
                (key, value)
            }
            (None, Some(file)) => match fs::read_to_string(self.options.directory.join(file)) {
                Ok(text) => (file_key, text.trim().to_owned()),
                Err(error) => {
                    report.add(Problem::new(file_key, format!("cannot read the file: {error}")));
                    return None;
                }
            },
        };
        if value.is_empty() {
            report.add(Problem::new(key, "is empty"));
            return None;
        }
        // RFC 7617 §2: the first colon ends the name, and the rest would be taken for the password.
        if name == "username" && value.contains(':') {
            report.add(Problem::new(key, "holds a colon, which cannot stand in a user name"));
            return None;
        }
        Some(value)
    }
}

fn sensitive(text: &str, key: &str, report: &mut Report) -> Option<HeaderValue> {
    let Ok(mut value) = HeaderValue::from_str(text) else {
        report.add(Problem::new(key, "holds a character that cannot stand in a header"));
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}

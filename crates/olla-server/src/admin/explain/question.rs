//! Reads the question out of a query. Everything in it counts: what is not understood is refused by name.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, Method, Uri, header};
use olla_core::Needs;
use olla_proxy::Question;
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// A question, and in which form the answer is wanted.
#[derive(Debug)]
pub(super) struct Inquiry {
    pub(super) question: Question,
    pub(super) as_text: bool,
}

/// Everything that is wrong with a query; never empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problems(Vec<Problem>);

/// Something that is wrong with a parameter.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Problem {
    #[error("{0:?} is no parameter; there are model, path, method, images, tools and format")]
    Unknown(String),
    #[error("{0} is given twice")]
    Twice(&'static str),
    #[error("{name} must be {expected}, not {found:?}")]
    Value { name: &'static str, expected: &'static str, found: String },
}

const NAMES: [&str; 6] = ["model", "path", "method", "images", "tools", "format"];
const USUAL_PATH: &str = "/v1/chat/completions";

// === impl Inquiry ===

impl Inquiry {
    /// Reads the query. A `+` is a plus, as in the names of some models.
    pub(super) fn read(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Problems> {
        let question = Question {
            method: Method::POST,
            target: Uri::from_static(USUAL_PATH),
            model: None,
            needs: Needs::default(),
        };
        let mut inquiry = Self { question, as_text: prefers_text(headers) };
        let mut problems = vec![];
        let mut seen = vec![];
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            let Some(name) = NAMES.into_iter().find(|known| *known == name) else {
                problems.push(Problem::Unknown(name.into()));
                continue;
            };
            if seen.contains(&name) {
                problems.push(Problem::Twice(name));
                continue;
            }
            seen.push(name);
            if let Err(expected) = inquiry.set(name, &value) {
                problems.push(Problem::Value { name, expected, found: value.into() });
            }
        }
        if problems.is_empty() { Ok(inquiry) } else { Err(Problems(problems)) }
    }

    /// Takes the value of a parameter, or returns what it should have been.
    fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let question = &mut self.question;
        match name {
            "model" if value.trim().is_empty() => return Err("the name of a model"),
            "model" => question.model = Some(value.into()),
            "path" => question.target = target(value).ok_or("a path that begins with /")?,
            "method" => question.method = method(value).ok_or("a method such as POST")?,
            "images" => question.needs.images = truth(value)?,
            "tools" => question.needs.tools = truth(value)?,
            _ => self.as_text = is_text(value)?,
        }
        Ok(())
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn target(value: &str) -> Option<Uri> {
    value.starts_with('/').then(|| value.parse().ok())?
}

fn method(value: &str) -> Option<Method> {
    value.to_ascii_uppercase().parse().ok()
}

fn truth(value: &str) -> Result<bool, &'static str> {
    value.parse().map_err(|_| "true or false")
}

fn is_text(value: &str) -> Result<bool, &'static str> {
    match value {
        "text" => Ok(true),
        "json" => Ok(false),
        _ => Err("json or text"),
    }
}

/// Whether `Accept` names plain text, and not JSON before it.
fn prefers_text(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
    let types = lists.flat_map(|list| list.split(',')).map(|range| range.split(';').next().unwrap_or(range));
    let mut ours = types.map(str::trim).filter(|name| ["text/plain", "application/json"].contains(name));
    ours.next() == Some("text/plain")
}

// === impl Problems ===

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Question, String> {
        let read = Inquiry::read(Some(query), &HeaderMap::new());
        read.map(|inquiry| inquiry.question).map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_empty_query_asks_about_a_chat_without_a_model() {
        let question = read("").unwrap();

        assert_eq!((question.method, question.model), (Method::POST, None));
        assert_eq!((question.target.path(), question.needs), (USUAL_PATH, Needs::default()));
    }

    #[test]
    fn values_are_percent_decoded_and_a_plus_stays_a_plus() {
        let question =
            read("model=qwen%2Fcommand-r+&path=%2Fv1%2Fembeddings%3Fa=b&method=get&images=true&tools=false");

        let question = question.unwrap();
        assert_eq!(question.model.as_deref(), Some("qwen/command-r+"));
        assert_eq!(
            (question.target.to_string(), question.method),
            ("/v1/embeddings?a=b".into(), Method::GET)
        );
        assert_eq!((question.needs.images, question.needs.tools), (true, false));
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let problems = read("modle=a&images=yes&path=v1&tools=true&tools=true&model=").unwrap_err();

        for part in [
            "\"modle\" is no parameter",
            "images must be true or false, not \"yes\"",
            "path must be a path that begins with /, not \"v1\"",
            "tools is given twice",
            "model must be the name of a model",
        ] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }

    #[test]
    fn the_first_known_type_that_a_client_accepts_decides_and_the_parameter_overrules_it() {
        let as_text = |accept: &str, query| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            Inquiry::read(Some(query), &headers).unwrap().as_text
        };

        assert!(as_text("text/plain", "") && as_text("text/html, text/plain;q=0.5, application/json", ""));
        assert!(!as_text("*/*", "") && !as_text("application/json, text/plain", ""));
        assert!(as_text("application/json", "format=text") && !as_text("text/plain", "format=json"));
    }
}

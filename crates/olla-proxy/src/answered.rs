//! A response on its way to the server that sends it.

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use crate::headers::append_via;

/// A response whose head has more fields than its map.
///
/// To put a field into a map and take it out again costs ten times what it costs to write it. Who serves HTTP/1.1
/// writes both; others ask for the [whole response](Self::into_response).
#[derive(Debug)]
pub struct Answered<B> {
    /// The response; none of its headers has the name of an added one.
    pub response: Response<B>,
    /// What its head has besides.
    pub added: Added,
}

/// Fields that Olla adds to a response, each name once.
#[derive(Debug, Default)]
pub struct Added(Vec<(HeaderName, HeaderValue)>);

/// As many as there usually are.
const USUAL: usize = 14;

// === impl Answered ===

impl<B> Answered<B> {
    /// Returns the response with all fields in its map.
    #[must_use]
    pub fn into_response(self) -> Response<B> {
        let Self { mut response, added } = self;
        added.merge_into(response.headers_mut());
        response
    }

    /// Replaces the body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Answered<C> {
        Answered { response: self.response.map(change), added: self.added }
    }
}

impl<B> From<Response<B>> for Answered<B> {
    fn from(response: Response<B>) -> Self {
        Self { response, added: Added::default() }
    }
}

// === impl Added ===

impl Added {
    pub(crate) fn new() -> Self {
        // alloc: one per response.
        Self(Vec::with_capacity(USUAL))
    }

    pub(crate) fn push(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Returns the fields.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Puts the fields into the headers if there is one of their names, which few backends use; keeps them otherwise.
    pub(crate) fn meet(self, headers: &mut HeaderMap) -> Self {
        let is_met = |name: &HeaderName| {
            let may_be = matches!(name.as_str().as_bytes(), [b'x', b'-', ..] | [b'r' | b'v', ..]);
            may_be && self.0.iter().any(|(added, _)| added == name)
        };
        if headers.keys().any(is_met) {
            self.merge_into(headers);
            return Self::default();
        }
        self
    }

    /// Puts the fields into the headers, in the place of others of their names. `Via` goes on with the chain.
    pub(crate) fn merge_into(self, headers: &mut HeaderMap) {
        for (name, value) in self.0 {
            if name == header::VIA {
                append_via(headers, &value);
            } else {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added() -> Added {
        let mut added = Added::new();
        for (name, value) in
            [("x-served-by", "olla"), ("via", "1.1 olla"), ("retry-after", "3"), ("x-olla-model", "m")]
        {
            added.push(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        added
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_meets_nothing_is_kept_out_of_the_map() {
        let mut map = headers(&[("x-other", "1"), ("vary", "x"), ("retry-after-ms", "1")]);

        assert_eq!(added().meet(&mut map).iter().count(), 4);
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn what_meets_its_like_replaces_it_and_the_chain_goes_on() {
        for (name, value, expected) in [
            ("x-served-by", "vllm", "olla"),
            ("via", "1.0 nginx", "1.0 nginx, 1.1 olla"),
            ("retry-after", "5", "3"),
        ] {
            let mut map = headers(&[(name, value)]);

            assert_eq!(added().meet(&mut map).iter().count(), 0);
            assert_eq!((map.len(), &map[name]), (4, &HeaderValue::from_static(expected)));
        }
    }

    #[test]
    fn a_whole_response_has_all_of_it_in_its_map() {
        let answered = Answered { response: Response::new(()), added: added() };

        assert_eq!(answered.into_response().headers().len(), 4);
    }
}

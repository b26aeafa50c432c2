//! A response on its way to the server that sends it.

use http::Response;

use crate::Added;

/// A response whose head has more fields than its map.
///
/// Who serves HTTP/1.1 writes both; others ask for the [whole response](Self::into_response).
#[derive(Debug)]
pub struct Answered<B> {
    /// The response; none of its headers has the name of an added one.
    pub response: Response<B>,
    /// What its head has besides.
    pub added: Added,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_response_has_all_of_it_in_its_map() {
        let mut added = Added::default();
        added.push("via", "1.1 olla");

        let response = Answered { response: Response::new(()), added }.into_response();

        assert_eq!(response.headers()["via"], "1.1 olla");
    }
}

//! A response on its way to the server that sends it.

use http::{Response, response};

use crate::Added;

/// A response whose head has more fields than its map.
///
/// Who serves HTTP/1.1 writes both; others ask for the [whole response](Self::into_response).
// alloc: the head goes through several stages, and would be copied for each.
#[derive(Debug)]
pub struct Answered<B> {
    /// The head; none of its fields has the name of an added one.
    pub head: Box<response::Parts>,
    /// What the head has besides.
    pub added: Added,
    /// The body.
    pub body: B,
}

// === impl Answered ===

impl<B> Answered<B> {
    /// Returns the response with all fields in its map.
    #[must_use]
    pub fn into_response(self) -> Response<B> {
        let Self { mut head, added, body } = self;
        added.merge_into(&mut head.headers);
        Response::from_parts(*head, body)
    }

    /// Replaces the body.
    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Answered<C> {
        Answered { head: self.head, added: self.added, body: change(self.body) }
    }
}

impl<B> From<Response<B>> for Answered<B> {
    fn from(response: Response<B>) -> Self {
        let (head, body) = response.into_parts();
        Self { head: Box::new(head), added: Added::default(), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_response_has_all_of_it_in_its_map() {
        let mut added = Added::default();
        added.push("via", "1.1 olla");

        let response = Answered { added, ..Response::new(()).into() }.into_response();

        assert_eq!(response.headers()["via"], "1.1 olla");
    }
}

//! One look at the fields of a request head, in place of a search for each of those that matter to a proxy: most
//! requests have hardly any of them, and to find that out costs as much as to find one.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    headers::{is_credential, is_hop_by_hop, is_of_forwarding},
    http1::digits,
};

/// Which fields a head has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Glance {
    /// What the fields take, in bytes, with four of punctuation for each.
    pub(crate) bytes: u64,
    /// How long the body is, as far as the head tells.
    pub(crate) content_length: Option<u64>,
    pub(crate) has_content_encoding: bool,
    pub(crate) has_request_id: bool,
    pub(crate) has_expect: bool,
    /// Some that concern one connection only.
    pub(crate) has_hop_by_hop: bool,
    /// Some that clients prove themselves with.
    pub(crate) has_credentials: bool,
    /// Some in which a proxy in front says something of the client.
    pub(crate) has_forwarding: bool,
}

// === impl Glance ===

impl Glance {
    /// Looks at the fields of a request.
    pub(crate) fn at(headers: &HeaderMap) -> Self {
        let mut glance = Self::default();
        headers.iter().for_each(|(name, value)| glance.see(name, value));
        glance
    }

    fn see(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.bytes += (name.as_str().len() + value.len() + 4) as u64;
        match name.as_str() {
            "accept" | "accept-encoding" | "content-type" | "host" | "user-agent" => {}
            "content-length" => self.content_length = digits(value.as_bytes()),
            "content-encoding" => self.has_content_encoding = true,
            "x-request-id" => self.has_request_id = true,
            "expect" => self.has_expect = true,
            _ if is_hop_by_hop(name) => self.has_hop_by_hop = true,
            _ if is_credential(name) => self.has_credentials = true,
            _ => self.has_forwarding |= is_of_forwarding(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(fields: &[(&'static str, &'static str)]) -> Glance {
        let fields = fields.iter();
        let fields = fields.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        Glance::at(&HeaderMap::from_iter(fields))
    }

    #[test]
    fn what_every_client_sends_is_nothing_of_note() {
        let seen =
            glance(&[("host", "h"), ("accept", "*/*"), ("content-type", "x"), ("x-stainless-os", "a")]);

        assert_eq!(seen, Glance { bytes: 5 + 9 + 13 + 15 + 4 * 4, ..Glance::default() });
    }

    #[test]
    fn what_matters_is_seen() {
        let none = Glance::default();
        for (name, value, expected) in [
            ("content-length", "17", Glance { content_length: Some(17), ..none }),
            ("content-length", "much", none),
            ("content-encoding", "gzip", Glance { has_content_encoding: true, ..none }),
            ("x-request-id", "1", Glance { has_request_id: true, ..none }),
            ("expect", "100-continue", Glance { has_expect: true, ..none }),
            ("connection", "close", Glance { has_hop_by_hop: true, ..none }),
            ("te", "trailers", Glance { has_hop_by_hop: true, ..none }),
            ("authorization", "Bearer x", Glance { has_credentials: true, ..none }),
            ("x-goog-api-key", "x", Glance { has_credentials: true, ..none }),
            ("x-forwarded-for", "1.1.1.1", Glance { has_forwarding: true, ..none }),
            ("forwarded", "for=1.1.1.1", Glance { has_forwarding: true, ..none }),
        ] {
            let bytes = (name.len() + value.len() + 4) as u64;

            assert_eq!(glance(&[(name, value)]), Glance { bytes, ..expected }, "{name}");
        }
    }
}

//! Reads what proxies say of the hops before them: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

use crate::headers;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static(headers::X_FORWARDED_FOR);

/// The hops that a header names, the farthest first, each as it is written.
#[derive(Debug)]
pub(crate) struct Chain<'h> {
    name: HeaderName,
    // alloc: only behind more proxies than that.
    hops: SmallVec<[&'h str; 8]>,
}

// === impl Chain ===

impl<'h> Chain<'h> {
    /// Reads `X-Forwarded-For` or `Forwarded`, in however many lines they come (RFC 9110 §5.3). Lines that are
    /// no text name one hop that is not known.
    pub(crate) fn read(name: HeaderName, headers: &'h HeaderMap) -> Self {
        let may_quote = name == header::FORWARDED;
        let lines = headers.get_all(&name).iter().map(|line| line.to_str().unwrap_or_default());
        let hops =
            lines.flat_map(|line| split(line, b',', may_quote && !is_torn(line))).map(str::trim).collect();
        Self { name, hops }
    }

    /// Returns the addresses of the hops, the nearest first; `None` where one is hidden or unreadable.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Option<IpAddr>> {
        self.hops.iter().rev().map(|hop| match self.name {
            header::FORWARDED => address(&said_of(hop, "for")?),
            _ => address(hop),
        })
    }

    /// Returns the header with the nearest hops only, or `None` if these are all there are.
    pub(crate) fn cut(&self, keep: usize) -> Option<HeaderValue> {
        let from = self.hops.len().checked_sub(keep).filter(|from| *from > 0)?;
        // alloc: only where somebody before the trusted proxies has said something.
        let kept = self.hops.get(from..)?.join(", ");
        Some(HeaderValue::try_from(kept).unwrap_or(HeaderValue::from_static("unknown")))
    }
}

/// The element that `Forwarded` gets from us.
pub(crate) fn element(peer: IpAddr) -> HeaderValue {
    // alloc: only behind a proxy that says `Forwarded`.
    let text = match peer {
        IpAddr::V4(peer) => format!("for={peer};proto=http"),
        IpAddr::V6(peer) => format!("for=\"[{peer}]\";proto=http"),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("for=unknown"))
}

/// Returns the header in which the trusted proxies name the client: one that uses both says the same in both.
pub(crate) fn leading(headers: &HeaderMap) -> HeaderName {
    if headers.contains_key(X_FORWARDED_FOR) { X_FORWARDED_FOR } else { header::FORWARDED }
}

/// Reads an address, alone or with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let address = bare.parse().or_else(|_| node.parse().map(|socket: SocketAddr| socket.ip()));
    Some(address.ok()?.to_canonical())
}

/// Returns what an element says of something: `for=…` of `for="[2001:db8::1]:80";proto=https`.
fn said_of(element: &str, name: &str) -> Option<String> {
    let mut pairs = split(element, b';', true).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    let value = value.trim();
    match value.strip_prefix('"') {
        None => Some(value.to_owned()),
        // No address has an escape or a quote in it; what has is not read.
        Some(quoted) => quoted.strip_suffix('"').map(str::to_owned),
    }
}

/// Returns whether a quote is opened and never closed: a client may send one in the hope that the proxy before us
/// puts the client's address behind it, where nobody would see it.
fn is_torn(line: &str) -> bool {
    line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1
}

/// Splits a text at a separator, which may have to stand outside of quotes.
fn split(text: &str, separator: u8, may_quote: bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = quoted,
                b'"' => quoted = may_quote && !quoted,
                _ => return byte == separator && !quoted,
            }
            false
        });
        let (part, after) = match end {
            Some(end) => (text.get(..end)?, text.get(end + 1..)),
            None => (text, None),
        };
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
    }

    fn addresses(name: HeaderName, lines: &[&str]) -> Vec<String> {
        let headers = chain(&name, lines);
        let chain = Chain::read(name, &headers);
        chain.addresses().map(|a| a.map_or_else(|| "?".to_owned(), |a| a.to_string())).collect()
    }

    #[test]
    fn hops_are_read_from_the_nearest_on() {
        let lines = ["203.0.113.7, 198.51.100.1:1234", "[2001:db8::1]:80 ,2001:db8::2,::ffff:10.0.0.1", "x"];

        assert_eq!(
            addresses(X_FORWARDED_FOR, &lines),
            ["?", "10.0.0.1", "2001:db8::2", "2001:db8::1", "198.51.100.1", "203.0.113.7"]
        );
    }

    #[test]
    fn elements_are_read_as_rfc_7239_writes_them() {
        let lines = [
            r#"for=192.0.2.43;proto=http, For="[2001:db8:cafe::17]:4711""#,
            r#"proto="a,b;for=6.6.6.6";by=203.0.113.43; for=198.51.100.17"#,
            r#"for=unknown, for="_hidden", proto=http"#,
        ];

        assert_eq!(
            addresses(header::FORWARDED, &lines),
            ["?", "?", "?", "198.51.100.17", "2001:db8:cafe::17", "192.0.2.43"]
        );
    }

    #[test]
    fn an_open_quote_hides_nothing_behind_it() {
        for name in [X_FORWARDED_FOR, header::FORWARDED] {
            let hop = if name == X_FORWARDED_FOR { "203.0.113.7" } else { "for=203.0.113.7" };

            assert_eq!(addresses(name.clone(), &[&format!("\", {hop}")]), ["203.0.113.7", "?"]);
            assert_eq!(addresses(name, &[&format!("for=\"x, {hop}")])[0], "203.0.113.7");
        }
    }

    #[test]
    fn a_chain_is_cut_to_its_nearest_hops() {
        let headers = chain(&X_FORWARDED_FOR, &["a,b", " c "]);
        let chain = Chain::read(X_FORWARDED_FOR, &headers);

        assert_eq!(chain.cut(2).unwrap(), "b, c");
        assert_eq!(chain.cut(0).unwrap(), "");
        assert!(chain.cut(3).is_none() && chain.cut(9).is_none());
    }

    #[test]
    fn our_own_element_is_read_again() {
        for peer in ["192.0.2.1", "2001:db8::1"] {
            let headers = HeaderMap::from_iter([(header::FORWARDED, element(peer.parse().unwrap()))]);

            let addresses: Vec<_> = Chain::read(header::FORWARDED, &headers).addresses().collect();
            assert_eq!(addresses, [Some(peer.parse().unwrap())]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added_between_separators(text in "[a;,\"\\\\ =]{0,24}") {
            for may_quote in [false, true] {
                let parts: Vec<_> = split(&text, b',', may_quote).collect();

                prop_assert_eq!(parts.join(","), &*text);
            }
        }
    }

    /// Lines of either header.
    #[test]
    fn fuzz_forwarded() {
        let words =
            ["for=", "For=", ";", ",", "\"", "\\", "[2001:db8::1]", ":80", "192.0.2.1", "proto=http", " "];
        olla_fuzz::fuzz("forwarded", &words, |input| {
            let lines: Vec<_> = input
                .split(|byte| *byte == b'\n')
                .filter_map(|line| HeaderValue::from_bytes(line).ok())
                .collect();
            [X_FORWARDED_FOR, header::FORWARDED].map(|name| {
                let headers: HeaderMap = lines.iter().map(|line| (name.clone(), line.clone())).collect();
                let chain = Chain::read(name.clone(), &headers);
                let addresses: Vec<_> = chain.addresses().collect();
                let nearest: Vec<_> = addresses.iter().take(2).collect();
                // Pieces of a torn line may not fit together.
                if let Some(cut) = chain.cut(2).filter(|_| !chain.hops.iter().any(|hop| hop.contains('"'))) {
                    let headers = HeaderMap::from_iter([(name.clone(), cut)]);
                    let again: Vec<_> = Chain::read(name, &headers).addresses().collect();
                    assert!(again.iter().eq(nearest), "{again:?}");
                }
                (addresses.len().min(8), addresses.iter().flatten().count().min(8))
            })
        });
    }
}

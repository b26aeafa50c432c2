//! The multipart scanner in chunks against itself in one: the first byte is the chunk size, the rest a body
//! with the boundary `b`.

#![no_main]

#[path = "../../crates/olla-proxy/src/scan/multipart.rs"]
mod multipart;
#[path = "../../crates/olla-proxy/src/scan/parameters.rs"]
mod parameters;

use std::ops::Range;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, body)) = data.split_first() else { return };

    let whole = scan(body.chunks(body.len().max(1)));

    assert_eq!(scan(body.chunks(usize::from(size).max(1))), whole);
    if let Some(span) = whole {
        let (content, after) = body[span.start as usize..].split_at((span.end - span.start) as usize);
        let begins = |text: &[u8]| {
            ["\r\n--b\r\n", "\r\n--b--", "\r\n--b ", "\r\n--b\t"]
                .iter()
                .any(|d| text.starts_with(d.as_bytes()))
        };
        assert!(content.is_empty() || begins(after), "no delimiter follows");
        assert!(!contains(content, b"\r\n--b\r\n") && !contains(content, b"\r\n--b--"), "a delimiter within");
    }
});

fn scan<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Option<Range<u64>> {
    let mut scanner = multipart::Scanner::new(b"b");
    chunks.for_each(|chunk| scanner.feed(chunk));
    scanner.finish()
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

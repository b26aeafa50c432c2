//! What is spoilt, by itself and in front of hyper.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

const BODY: &str = "{\n\"model\": 1\n}\n";

/// Returns what hyper gets of these bytes, read in pieces of this size.
fn inspected(bytes: &[u8], piece: usize) -> Vec<u8> {
    let (mut framing, mut bytes) = (Framing::default(), bytes.to_vec());
    bytes.chunks_mut(piece.max(1)).for_each(|piece| framing.inspect(piece));
    bytes
}

/// Returns the line that was spoilt.
fn spoilt(text: &str) -> Option<&str> {
    let whole = inspected(text.as_bytes(), usize::MAX);
    let at = whole.iter().position(|byte| *byte == SPOILT)?;
    assert_eq!(text.as_bytes()[at], b'\n');
    assert_eq!(whole.iter().zip(text.bytes()).filter(|(a, b)| **a != *b).count(), 1);
    text[..at].rsplit('\n').next()
}

fn length() -> usize {
    BODY.len()
}

#[test]
fn line_ends_without_a_carriage_return_are_spoilt_wherever_a_head_is() {
    let first = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", length());

    assert_eq!(spoilt("GET / HTTP/1.1\nhost: h\r\n\r\n"), Some("GET / HTTP/1.1"));
    assert_eq!(spoilt("GET / HTTP/1.1\r\nhost: h\n\r\n"), Some("host: h"));
    assert_eq!(spoilt("GET / HTTP/1.1\r\nhost: h\r\n\n"), Some(""));
    assert_eq!(spoilt("\nGET / HTTP/1.1\r\n\r\n"), Some(""));
    assert_eq!(spoilt(&format!("{first}GET / HTTP/1.1\r\nsecond: h\n\r\n")), Some("second: h"));
}

#[test]
fn bodies_are_left_alone() {
    let size = length();
    for text in [
        format!("POST / HTTP/1.1\r\ncontent-length: {size}\r\n\r\n{BODY}"),
        format!("POST / HTTP/1.1\r\nCONTENT-LENGTH:{size}\r\ncontent-length: 0{size} \r\n\r\n{BODY}"),
        format!(
            "POST / HTTP/1.1\r\ntransfer-encoding: Chunked\t\r\n\r\n{size:X};a=b\r\n{BODY}\r\n00\r\n\r\n"
        ),
        format!(
            "POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\n\r\n{size:x} \r\n{BODY}\r\n0\r\na: b\r\n\r\n"
        ),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{BODY}"),
    ] {
        assert_eq!(spoilt(&text), None, "{text}");
        let next = format!("{text}\r\nGET / HTTP/1.1\r\n\r\n{}", &text);
        assert_eq!(spoilt(&next), None, "{next}");
    }
}

#[test]
fn a_body_of_two_lengths_or_of_another_coding_is_spoilt() {
    for (head, line) in [
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "Content-Length: 0\r"),
        ("content-length: 5\r\ncontent-length: 6\r\n", "content-length: 6\r"),
        ("content-length: +5\r\n", "content-length: +5\r"),
        ("content-length: 18446744073709551616\r\n", "content-length: 18446744073709551616\r"),
        ("transfer-encoding: gzip, chunked\r\n", "transfer-encoding: gzip, chunked\r"),
        ("transfer-encoding: identity\r\n", "transfer-encoding: identity\r"),
        ("transfer-encoding: chunked\r\ntransfer-encoding: x\r\n", "transfer-encoding: x\r"),
    ] {
        let text = format!("POST / HTTP/1.1\r\nhost: h\r\n{head}\r\n");

        assert_eq!(spoilt(&text), Some(line), "{text}");
    }
}

#[test]
fn trailers_end_their_lines_properly_and_chunks_are_left_to_hyper() {
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";

    assert_eq!(spoilt(&format!("{head}5\r\nhello\r\n0\r\na: b\n\r\n")), Some("a: b"));
    for refused_by_hyper in ["5\nhello\r\n", "5;a\nb\r\nhello\r\n", "fffffffffffffffff\r\n", "\r\nhello"] {
        let sent = format!("{head}{refused_by_hyper}0\r\n\r\nGET / HTTP/1.1\n");
        assert_eq!(spoilt(&sent), None, "{sent}");
    }
}

#[test]
fn long_lines_pass_unless_they_hide_a_length() {
    let long = "x".repeat(1000);
    let padded = format!("content-length: {}5\r", " ".repeat(100));
    for piece in [1, 7, usize::MAX] {
        let text = format!("GET /{long} HTTP/1.1\r\n{long}: {long}\r\nhost: h\r\n\r\n");
        assert_eq!(inspected(text.as_bytes(), piece), text.as_bytes());
    }
    let text = format!("POST / HTTP/1.1\r\n{padded}\n\r\n");

    assert!(inspected(text.as_bytes(), 7).contains(&SPOILT), "its value was not seen");
}

/// Pieces of requests, good and bad.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => proptest::sample::select(vec![
            "POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r\n", "content-length: 5\r\n", "Content-Length: 7\r\n",
            "transfer-encoding: chunked\r\n", "host: h\r\n", "\r\n", "\n", "\r", "5\r\nhello\r\n", "0\r\n\r\n",
            "hello", "transfer-encoding: x\r\n", "a: b\n", "PRI * HTTP/2.0\r\n",
        ]).prop_map(|token| token.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn does_not_depend_on_how_the_bytes_are_cut(bytes in bytes(), piece in 1usize..20) {
        prop_assert_eq!(inspected(&bytes, piece), inspected(&bytes, usize::MAX));
    }

    #[test]
    fn changes_one_line_feed_at_most(bytes in bytes()) {
        let after = inspected(&bytes, usize::MAX);

        let changed: Vec<_> = bytes.iter().zip(&after).filter(|(before, after)| before != after).collect();
        prop_assert!(changed.is_empty() || changed == [(&b'\n', &SPOILT)], "{:?}", changed);
    }

    #[test]
    fn hyper_serves_no_request_that_was_not_seen(bytes in bytes(), piece in 1usize..200) {
        let (seen, passed) = seen(bytes);

        prop_assert!(served(&passed, piece) <= seen, "{:?}", String::from_utf8_lossy(&passed));
    }
}

/// The first byte is the size of the pieces, the rest what a client sends.
#[test]
fn fuzz_framing() {
    let words = [
        "\r\n",
        "\n",
        "\r",
        ":",
        " ",
        "GET / HTTP/1.1\r\n",
        "host: h\r\n",
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        ";x=\"y\"",
        "\0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "connection: close\r\n",
        "HTTP/1.0",
    ];
    olla_fuzz::fuzz("framing", &words, |input| {
        let (piece, bytes) = input.split_first()?;
        let piece = usize::from(*piece).max(1);
        let (seen, passed) = seen(bytes.to_vec());

        assert_eq!(inspected(bytes, piece), passed);
        let served = served(&passed, piece);
        assert!(served <= seen, "hyper has served a request that was not seen");
        Some((seen.min(8), served, passed != bytes))
    });
}

/// Returns how many heads were seen to their end, and what hyper gets.
fn seen(mut bytes: Vec<u8>) -> (usize, Vec<u8>) {
    let (mut framing, mut seen) = (Framing::default(), 0);
    for byte in bytes.chunks_mut(1) {
        let before = framing.place;
        framing.inspect(byte);
        seen +=
            usize::from(before == Place::Field && !matches!(framing.place, Place::Field | Place::Unwatched));
    }
    (seen, bytes)
}

#[test]
fn hyper_finds_the_requests_of_these_tests() {
    let request = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";

    assert_eq!(served(request.repeat(3).as_bytes(), 7), 3);
}

/// Returns how many requests hyper finds in these bytes.
fn served(bytes: &[u8], piece: usize) -> usize {
    let count = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (server, mut client) = tokio::io::duplex(1 << 20);
    let answer = |request: Request<Incoming>| {
        count.fetch_add(1, Relaxed);
        async move {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    };
    let send = async {
        for piece in bytes.chunks(piece) {
            // hyper hangs up on what it refuses.
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(client);
    };
    let serve = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(server), service_fn(answer));
    runtime.block_on(async {
        // How the connection ends says nothing of what was served.
        let _ = tokio::join!(serve, send);
    });
    count.load(Relaxed)
}

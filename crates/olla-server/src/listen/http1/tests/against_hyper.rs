//! No request is served that hyper would not have seen, or would have seen in another way.

use std::sync::{Arc, Mutex};

use http_body_util::Empty;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;

use super::*;

/// Returns the requests that hyper finds in these bytes. It is more lenient.
async fn hyper_finds(bytes: &[u8]) -> Vec<Seen> {
    let found = Arc::new(Mutex::new(vec![]));
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let answer = |request: Request<Incoming>| {
        let found = Arc::clone(&found);
        async move {
            let (head, body) = request.into_parts();
            let one = note((Box::new(head), body)).await;
            found.lock().unwrap().push(one);
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    };
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.half_close(true);
    // How the connection ends says nothing of what was served.
    let _ = builder.serve_connection(TokioIo::new(server), service_fn(answer)).await;
    drop(client);
    Arc::try_unwrap(found).unwrap().into_inner().unwrap()
}

/// Compares the two, and returns what was found.
fn compare(bytes: &[u8], piece: usize) -> (Vec<Seen>, Vec<u16>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (seen, statuses) = seen_in([bytes]).await;
        let (cut, cut_statuses) = seen_in(bytes.chunks(piece)).await;
        assert_eq!(seen, cut, "it depends on how the bytes are cut");
        // Of a line that never ends, nobody has to be told that it is no good.
        let told = statuses.strip_suffix(&[400]).filter(|_| statuses.len() > cut_statuses.len());
        assert_eq!(told.unwrap_or(&statuses), cut_statuses, "it depends on how the bytes are cut");
        let by_hyper = hyper_finds(bytes).await;
        for (n, one) in seen.iter().enumerate() {
            // What breaks for one may be good enough for the other.
            if one.body.is_some() || by_hyper.get(n).is_some_and(|other| other.body.is_none()) {
                assert_eq!(Some(one), by_hyper.get(n), "hyper has read it in another way");
            }
        }
        (seen, statuses)
    })
}

/// Pieces of requests, good and bad.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => proptest::sample::select(vec![
            "POST / HTTP/1.1\r\n", "GET /a?b HTTP/1.1\r\n\r\n", "content-length: 5\r\n", "Content-Length: 7\r\n",
            "transfer-encoding: chunked\r\n", "host: h\r\n", "\r\n", "\n", "\r", "5\r\nhello\r\n", "0\r\n\r\n",
            "hello", "transfer-encoding: x\r\n", "a: b\n", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.0\r\n",
            "connection: keep-alive\r\n", "Connection: close, x\r\n", "expect: 100-continue\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nt: 1\r\n\r\n",
        ]).prop_map(|token| token.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(token, 0..16).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn requests_are_found_where_hyper_finds_them(bytes in bytes(), piece in 1usize..200) {
        compare(&bytes, piece);
    }
}

/// The first byte is the size of the pieces, the rest what a client sends.
#[test]
fn fuzz_requests() {
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
        "expect: 100-continue\r\n",
    ];
    olla_fuzz::fuzz("requests", &words, |input| {
        let (piece, bytes) = input.split_first()?;
        let (seen, statuses) = compare(bytes, usize::from(*piece).max(1));
        Some((seen.len().min(8), statuses, seen.last().is_some_and(|last| last.body.is_some())))
    });
}

#[test]
fn the_two_agree_on_what_is_good() {
    let request = "POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello";
    let (seen, statuses) = compare(request.repeat(3).as_bytes(), 7);

    assert_eq!((seen.len(), &*statuses), (3, &[200, 200, 200][..]));
    assert_eq!((&*seen[2].head, seen[2].body.as_deref()), ("POST /x HTTP/1.1", Some(&b"hello"[..])));
}

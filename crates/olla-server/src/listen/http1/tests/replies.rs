//! How responses are sent.

use bytes::BytesMut;
use http::{HeaderValue, header};
use olla_proxy::http1::{Decoded, Decoder, Length};

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
const OLD: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\n\r\n";

/// Returns what a request is answered with, but for the date.
async fn reply(request: &[u8], make: impl Fn() -> Response<Script>) -> (String, Result<(), Broken>) {
    let (text, ended) = talk(always(make), [request]).await;
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
    (lines.collect(), ended)
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

fn with_status(status: u16, body: Script) -> Response<Script> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn with_length(length: &'static str, mut response: Response<Script>) -> Response<Script> {
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static(length));
    response
}

#[tokio::test]
async fn a_body_whose_length_is_known_is_sent_with_it() {
    let (text, _) = reply(GET, || Response::new(Script::whole("hello"))).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");

    let (text, _) =
        reply(GET, || with_length("5", Response::new(Script::of([data("hel"), data("lo")])))).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");

    let (text, _) = reply(GET, || with_status(404, Script::whole(""))).await;
    assert_eq!(text, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
}

#[tokio::test]
async fn another_is_sent_in_chunks_or_until_the_connection_closes() {
    let body = || Script::of([data("hello"), Step::Wait, data(""), data(" "), data("world")]);

    let (text, _) = reply(GET, || Response::new(body())).await;
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(text, format!("{head}5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n"));

    let (text, _) = reply(OLD, || Response::new(body())).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world");
}

#[tokio::test]
async fn some_responses_have_no_body_whatever_they_say() {
    let (text, _) = reply(HEAD, || Response::new(Script::whole("hello"))).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");

    let (text, _) = reply(HEAD, || with_length("7", Response::new(Script::whole("")))).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");

    let (text, _) = reply(HEAD, || Response::new(Script::default())).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\n\r\n");

    let (text, _) = reply(GET, || with_length("7", with_status(204, Script::whole("hello")))).await;
    assert_eq!(text, "HTTP/1.1 204 No Content\r\n\r\n");

    let (text, _) = reply(GET, || with_length("7", with_status(304, Script::whole("")))).await;
    assert_eq!(text, "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n");
}

#[tokio::test]
async fn what_is_about_the_connection_is_for_the_connection_to_say() {
    let closing = || {
        let mut response = Response::new(Script::whole("bye"));
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Close"));
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("a"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("b"));
        response
    };

    let (text, _) = reply(&GET.repeat(2), closing).await;
    let head =
        "HTTP/1.1 200 OK\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-length: 3\r\nconnection: close\r\n";
    assert_eq!(text, format!("{head}\r\nbye"));

    let kept = b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    let (text, _) = reply(kept, || Response::new(Script::whole(""))).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n");
}

#[tokio::test]
async fn a_date_is_added_where_there_is_none() {
    let dated = || {
        let mut response = Response::new(Script::whole(""));
        response.headers_mut().insert(header::DATE, HeaderValue::from_static("today"));
        response
    };

    let (own, _) = talk(always(dated), [GET]).await;
    let (ours, _) = talk(always(|| Response::new(Script::whole(""))), [GET]).await;

    assert_eq!(own.matches("date: ").count(), 1, "{own}");
    assert!(own.contains("date: today\r\n") && ours.contains(" GMT\r\n"), "{ours}");
}

#[tokio::test]
async fn trailers_are_for_those_who_take_them() {
    let with_trailers = || {
        let trailers = [("x-sum", "7"), ("x-other", "8")];
        let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut response =
            Response::new(Script::of([data("hi"), Step::Trailers(HeaderMap::from_iter(trailers))]));
        response.headers_mut().insert(header::TRAILER, HeaderValue::from_static("X-Sum, x-none"));
        response
    };

    let (text, _) = reply(b"GET / HTTP/1.1\r\nTE: trailers\r\n\r\n", with_trailers).await;
    assert!(text.ends_with("\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"), "{text}");

    let (text, _) = reply(GET, with_trailers).await;
    assert!(text.ends_with("\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn what_breaks_off_does_not_look_complete_and_what_was_good_of_it_arrives() {
    let trailers = || Step::Trailers(HeaderMap::new());
    for (request, length, last, expected) in [
        (GET, None, Some(Step::Break), "2\r\nhi\r\n"),
        (GET, Some("5"), Some(Step::Break), "\r\n\r\nhi"),
        (GET, Some("5"), None, "\r\n\r\nhi"),
        (GET, Some("5"), Some(trailers()), "\r\n\r\nhi"),
        (OLD, None, Some(Step::Break), "\r\n\r\nhi"),
    ] {
        let make = || {
            let response = Response::new(Script::of([data("hi")].into_iter().chain(last.clone())));
            if let Some(length) = length { with_length(length, response) } else { response }
        };
        let (text, ended) = reply(request, make).await;

        assert!(text.ends_with(expected), "{text}");
        assert!(matches!(ended, Err(Broken::Response)), "{ended:?} after {text}");
    }
}

#[tokio::test]
async fn a_response_that_ends_with_its_connection_would_look_complete_until_it_is() {
    let stream = || Response::new(Script::of([data("hi"), Step::Wait, Step::Wait]));
    for (request, expected) in [(OLD, true), (GET, false)] {
        let (mut client, mut connection) = connection(always(stream), 1 << 10);
        client.write_all(request).await.unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());

        assert!(connection.poll(&mut cx).is_pending());
        assert_eq!(connection.would_look_complete(), expected);
        drop(client);
        assert!(matches!(connection.poll(&mut cx), Poll::Ready(Err(Broken::Left | Broken::Socket(_)))));
        assert_eq!(connection.would_look_complete(), expected);
    }
    let (mut client, mut connection) = connection(always(stream), 1 << 10);
    client.write_all(OLD).await.unwrap();
    poll_fn(|cx| connection.poll(cx)).await.unwrap();
    assert!(!connection.would_look_complete());
}

#[tokio::test]
async fn what_has_broken_off_stays_broken_however_slowly_the_client_reads() {
    for request in [LAST, OLD] {
        let body = || Response::new(Script::of([Step::Data("x".repeat(3_000).into()), Step::Break]));
        let (mut client, mut connection) = connection(always(body), 100);
        client.write_all(request).await.unwrap();
        let mut received = vec![];
        let serve = async {
            let ended = poll_fn(|cx| connection.poll(cx)).await;
            drop(connection);
            ended
        };

        let (ended, read) = tokio::join!(serve, client.read_to_end(&mut received));

        assert!(read.is_ok() && matches!(ended, Err(Broken::Response)), "{ended:?}");
        assert!(received.ends_with(b"xxx") || received.ends_with(b"xxx\r\n"));
    }
}

#[tokio::test]
async fn nothing_follows_what_was_announced() {
    let body = || with_length("3", Response::new(Script::of([data("hello"), data("again")])));

    let (text, _) = reply(&GET.repeat(2), body).await;

    assert!(text.ends_with("\r\n\r\nhel"), "{text}");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
}

#[tokio::test]
async fn large_and_small_pieces_arrive_in_order_however_little_the_client_takes() {
    let pieces: Vec<_> = [5, 4096, 4097, 3, 20_000, 0, 9_000, 17, 9_000].into_iter().zip('a'..).collect();
    let text: String = pieces.iter().map(|(len, letter)| letter.to_string().repeat(*len)).collect();
    let body = |tells_end| {
        let steps = pieces.iter().map(|(len, letter)| Step::Data(letter.to_string().repeat(*len).into()));
        Response::new(Script { tells_end, ..Script::of(steps) })
    };
    for (request, tells_end, room) in [
        (OLD, false, 100),
        (OLD, true, 5_000),
        (LAST, false, 100),
        (LAST, true, 5_000),
        (LAST, true, 1 << 20),
    ] {
        let (mut client, mut connection) = connection(always(|| body(tells_end)), room);
        client.write_all(request).await.unwrap();
        let mut received = vec![];
        let serve = async {
            poll_fn(|cx| connection.poll(cx)).await.unwrap();
            drop(connection);
        };

        let ((), read) = tokio::join!(serve, client.read_to_end(&mut received));

        read.unwrap();
        let head = memchr::memmem::find(&received, b"\r\n\r\n").unwrap() + 4;
        assert!(arrived(&received[head..], request == LAST) == text, "{room}");
    }
}

/// Returns the text of a whole body.
fn arrived(body: &[u8], is_chunked: bool) -> String {
    let length = if is_chunked { Length::Chunked } else { Length::Exact(body.len() as u64) };
    let (mut decoder, mut received, mut text) = (Decoder::new(length), BytesMut::from(body), vec![]);
    while let Ok(Decoded::Data(data)) = decoder.decode(&mut received) {
        text.extend_from_slice(&data);
    }
    assert!(decoder.is_done() && received.is_empty());
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn what_there_is_of_a_stream_does_not_wait_for_more() {
    let stream = || Response::new(Script::of([Step::Wait, data("first"), Step::Wait, Step::Wait]));
    let (mut client, mut connection) = connection(always(stream), 1 << 10);
    client.write_all(GET).await.unwrap();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut received = [0; 1 << 10];

    assert!(connection.poll(&mut cx).is_pending());
    let head = client.read(&mut received).await.unwrap();
    assert!(received[..head].ends_with(b"\r\n\r\n"));
    assert!(connection.poll(&mut cx).is_pending());
    let chunk = client.read(&mut received).await.unwrap();
    assert_eq!(&received[..chunk], b"5\r\nfirst\r\n");
}

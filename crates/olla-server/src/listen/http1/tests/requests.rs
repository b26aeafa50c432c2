//! How requests are received, or refused.

use tokio::time::{Duration, timeout};

use super::*;

/// Returns the statuses that a text is answered with.
async fn statuses(text: &str) -> Vec<u16> {
    seen_in([text.as_bytes()]).await.1
}

#[tokio::test]
async fn requests_follow_each_other_until_one_is_the_last() {
    let get = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nhost: h\r\nConnection: x, Close\r\n\r\n";
    let old = "GET / HTTP/1.0\r\n\r\n";
    let kept = "GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n";

    for (text, expected) in [
        (format!("{get}\r\n{get}{last}{get}"), 3),
        (format!("{kept}{kept}{old}{get}"), 3),
        (String::new(), 0),
    ] {
        let (seen, statuses) = seen_in([text.as_bytes()]).await;

        assert_eq!((seen.len(), &*statuses), (expected, &*vec![200; expected]), "{text}");
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read() {
    let rest = "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
    for head in [
        "GET / HTTP/1.1\nhost: h\r\n",
        "GET / HTTP/1.1\r\nhost: h\n",
        "\nGET / HTTP/1.1\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.2\r\n",
        "GET nowhere:nothing:x HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n",
        "POST / HTTP/1.1\r\ncontent-length: +5\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 18446744073709551616\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: identity\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n",
        "GET / HTTP/1.1\r\nx: 1\r\n y\r\n",
        "GET / HTTP/1.1\r\nx : 1\r\n",
    ] {
        let (seen, statuses) = seen_in([format!("{head}{rest}").as_bytes()]).await;

        assert_eq!((seen.len(), &*statuses), (0, &[400][..]), "{head}");
    }
}

#[tokio::test]
async fn who_speaks_something_else_is_told_at_once() {
    for words in ["\x16\x03\x01", "\n", "\r\r", " GET", "\r\n\n"] {
        let (mut client, mut connection) = connection(always(Response::default), 1 << 10);
        client.write_all(words.as_bytes()).await.unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());

        assert!(connection.poll(&mut cx).is_pending());

        let mut told = [0; 12];
        client.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 400", "{words:?}");
    }
}

#[tokio::test]
async fn who_leaves_is_noticed_though_nobody_wants_its_body() {
    let ignoring = |asked: Asked| -> Answering {
        drop(asked);
        Box::pin(std::future::pending())
    };
    let (mut client, mut connection) = connection(ignoring, 1 << 10);
    client.write_all(b"HEAD / HTTP/1.1\r\ncontent-length: 5\r\n\r\n").await.unwrap();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(connection.poll(&mut cx).is_pending());

    drop(client);

    assert!(connection.poll(&mut cx).is_ready());
}

#[tokio::test]
async fn heads_are_read_however_they_are_cut_and_only_so_far() {
    let most = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
    let too_many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(MOST));
    let endless = format!("GET /{}", "b".repeat(MOST));

    for (text, expected) in [(&most, 200), (&too_many, 431), (&long, 431), (&endless, 431)] {
        assert_eq!(statuses(text).await, [expected], "{}", &text[..50]);
        assert_eq!(seen_in(text.as_bytes().chunks(3)).await.1, [expected], "{}", &text[..50]);
    }
}

#[tokio::test]
async fn a_target_that_is_no_uri_for_its_length_is_told_so() {
    let refused = |asked: Asked| -> Answering {
        assert_eq!(asked.err(), Some(Refused::LongTarget));
        Box::pin(async { Ok(refusal(Refused::LongTarget).into()) })
    };
    let (mut client, mut connection) = connection(refused, 1 << 20);
    connection.most_head_bytes = 1 << 20;
    client.write_all(format!("GET /{} HTTP/1.1\r\n\r\n", "b".repeat(65_535)).as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();

    poll_fn(|cx| connection.poll(cx)).await.unwrap();
    drop(connection);

    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{text}");
}

#[tokio::test]
async fn a_body_is_received_when_it_is_asked_for_and_the_next_request_stands_behind_it() {
    let next = "GET /next HTTP/1.1\r\nhost: h\r\n\r\n";
    let large = "x".repeat(100_000);
    let length = large.len();
    for request in [
        format!("POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{large}"),
        format!(
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{large}\r\n0\r\na: b\r\n\r\n"
        ),
    ] {
        for piece in [1_000, 70_000, 1 << 20] {
            let text = format!("{request}{next}");

            let (seen, statuses) = seen_in(text.as_bytes().chunks(piece)).await;

            assert_eq!(statuses, [200, 200]);
            assert!(seen[0].body.as_deref() == Some(large.as_bytes()));
            assert_eq!(seen[1].head, "GET /next HTTP/1.1");
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_the_last_request() {
    for request in [
        "POST / HTTP/1.1\r\ncontent-length: 50\r\n\r\nhello",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello, GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        let (seen, statuses) = seen_in([request.as_bytes()]).await;

        assert_eq!((seen[0].body.as_deref(), &*statuses), (None, &[400][..]), "{request}");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_send_its_body_is_told_to() {
    let seen = Arc::default();
    let (mut client, mut connection) = connection(noting(&seen), 1 << 10);
    let ask = b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\ncontent-length: 5\r\n\r\n";
    let exchange = async {
        client.write_all(ask).await.unwrap();
        let mut told = [0; 25];
        client.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"hello").await.unwrap();
        let mut told = [0; 15];
        client.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 200 OK");
        drop(client);
    };

    let (ended, ()) = tokio::join!(poll_fn(|cx| connection.poll(cx)), exchange);

    assert!(ended.is_ok());
    assert_eq!(seen.lock().unwrap()[0].body.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn who_has_sent_its_body_or_is_refused_is_not_told_to_send_it() {
    let whole = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello";
    let waits = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let answer = || always(|| Response::new(Script::whole("no")));

    for request in [&whole[..], waits] {
        let (text, _) = talk(answer(), [request]).await;

        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert_eq!(text.contains("connection: close\r\n"), request == waits, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_still_sends_what_nobody_wants_gets_to_read_the_answer() {
    let (mut client, mut connection) = connection(always(|| Response::new(Script::whole("no"))), 1 << 10);
    let client = async {
        client.write_all(b"POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n").await.unwrap();
        client.write_all(&[b'x'; 50_000]).await.expect("it is read");
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("\r\n\r\nno"), "{text}");
        // And then it says nothing any more.
        std::future::pending::<()>().await;
    };
    let served = async { timeout(Duration::from_secs(6), poll_fn(|cx| connection.poll(cx))).await };

    let ended = tokio::select! { ended = served => ended, () = client => unreachable!() };

    assert!(ended.expect("not for ever").is_ok());
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let held = Arc::new(());
    let never = |_: Asked| -> Answering {
        let held = Arc::clone(&held);
        Box::pin(async move {
            let _held = held;
            std::future::pending().await
        })
    };
    let (mut client, mut connection) = connection(never, 1 << 10);
    client.write_all(b"GET / HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n").await.unwrap();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(connection.poll(&mut cx).is_pending());
    assert_eq!(Arc::strong_count(&held), 2);

    drop(client);

    assert!(matches!(connection.poll(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[tokio::test]
async fn who_has_asked_when_the_server_stops_is_answered_and_others_are_let_go() {
    let answer = || always(|| Response::new(Script::of([Step::Wait, Step::Wait])));
    for (sent, asks, expected) in [
        ("", false, None),
        ("", true, Some("close")),
        ("GET / HTTP/1.1\r\n\r\n", true, Some("close")),
        ("GET / HT", false, Some("close")),
    ] {
        let (mut client, mut connection) = connection(answer(), 1 << 10);
        connection.is_asking = if asks { |_| true } else { |_| false };
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if sent.len() < 10 {
            assert!(connection.poll(&mut cx).is_pending());
        }

        connection.stop();
        let rest = "GET / HTTP/1.1\r\n\r\n".get(sent.len()..).unwrap();
        if expected.is_some() {
            client.write_all(rest.as_bytes()).await.unwrap();
        }
        poll_fn(|cx| connection.poll(cx)).await.unwrap();
        drop(connection);

        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        let closes = text.contains("connection: close\r\n").then_some("close");
        assert_eq!(closes, expected, "{sent:?} {text}");
    }
}

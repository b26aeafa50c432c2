//! One client connection, from its first byte to its last.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{TryFutureExt, future::MapOk};
use http::request;
use hyper::{Request, Response, body::Incoming, service::Service};
use hyper_util::rt::{TokioExecutor, TokioIo};
use olla_proxy::{Answered, clock, http1::Direct};
use socket2::SockRef;
use tokio::{net::TcpStream, sync::watch, task::unconstrained, time::Instant};

use super::{
    Patience, Protocols,
    http1::{self, Link, Refused},
    http2::{Activity, Watched},
    watchdog::Watchdog,
};
use crate::{
    body::{RequestBody, ResponseBody},
    dispatch::{Dispatch, Dispatching},
};

/// A request of HTTP/1.1.
type Received = (Box<request::Parts>, http1::Receiving<Direct>);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Who answers the requests of one connection.
struct Requests {
    dispatch: Dispatch,
    client: IpAddr,
}

/// The same for HTTP/2, where there may be several at a time.
struct Streams {
    requests: Requests,
    activity: Arc<Activity>,
}

type Http2 = hyper::server::conn::http2::Connection<TokioIo<Watched<Direct>>, Streams, TokioExecutor>;

/// A connection whose protocol is known.
#[expect(clippy::large_enum_variant, reason = "nearly all are of HTTP/1.1")]
enum Connection<A> {
    Http1(http1::Connection<Direct, A, Dispatching, ResponseBody>),
    Http2(Pin<Box<Http2>>, Arc<Activity>),
}

/// Serves a connection until it ends, is idle for too long, or the server stops.
pub(super) async fn serve(
    protocols: &Protocols,
    stream: TcpStream,
    peer: SocketAddr,
    (dispatch, patience): (Dispatch, Patience),
    stop: watch::Receiver<bool>,
) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let mut watchdog = Watchdog::new(patience);
    let mut link = Link::new(Direct::new(stream));
    let Some(is_http2) = open(&mut link, stop.clone(), &mut watchdog).await else { return Ok(()) };
    // An IPv4 client of an IPv6 socket is an IPv4 client.
    let requests = Requests { dispatch, client: peer.ip().to_canonical() };
    let mut connection = if is_http2 {
        let activity = Activity::new();
        let io = TokioIo::new(Watched::new(link.socket, link.inbox.bytes, Arc::clone(&activity)));
        let streams = Streams { requests, activity: Arc::clone(&activity) };
        Connection::Http2(Box::pin(protocols.http2.serve_connection(io, streams)), activity)
    } else {
        let answer = move |request| requests.answer(request);
        Connection::Http1(http1::Connection::new(link, answer, Direct::has_begun, protocols.most_head_bytes))
    };
    let mut signal = stop.clone();
    // Whatever the connection's turn has cost so far: a poll that is put off does not listen.
    let mut stopping = pin!(unconstrained(signal.wait_for(|stop| *stop)));
    let (mut listens, mut stopped) = (false, false);
    let mut turn = move |connection: &mut Connection<_>, cx: &mut Context<'_>| {
        if let Poll::Ready(ended) = connection.poll(cx) {
            return Poll::Ready(ended);
        }
        // Polled once, it wakes this task up when there is something to hear: a look is enough meanwhile.
        let is_news = !listens || !matches!(stop.has_changed(), Ok(false));
        listens = true;
        if !stopped && is_news && stopping.as_mut().poll(cx).is_ready() {
            stopped = true;
            connection.stop();
            if let Poll::Ready(ended) = connection.poll(cx) {
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    };
    // All that is done in one turn is done at one time. Streams of HTTP/2 have tasks, and timers, of their own.
    poll_fn(move |cx| {
        let (ended, alarm) = clock::turn(|| turn(&mut connection, cx));
        if ended.is_ready() {
            return ended;
        }
        // Dropping the connection closes it; what the client did not take is lost to it.
        watchdog.poll_expired(cx, alarm, |patience| connection.expiry(patience)).map(Ok)
    })
    .await
}

/// Receives the first bytes of a connection, and returns whether they are of HTTP/2; `None` where there are none for
/// too long, or when the server stops.
async fn open(
    link: &mut Link<Direct>,
    mut stop: watch::Receiver<bool>,
    watchdog: &mut Watchdog,
) -> Option<bool> {
    let mut stopping = pin!(unconstrained(stop.wait_for(|stop| *stop)));
    let mut is_asked = false;
    poll_fn(|cx| {
        while let Poll::Ready(received) = link.poll_fill(cx) {
            match received {
                Ok(1..) => {}
                // Whoever reads next is told the same.
                Ok(0) | Err(_) => return Poll::Ready(Some(false)),
            }
            if let Some(is_http2) = is_http2(&link.inbox.bytes) {
                return Poll::Ready(Some(is_http2));
            }
        }
        if !is_asked && stopping.as_mut().poll(cx).is_ready() {
            is_asked = !link.inbox.bytes.is_empty() || link.socket.has_begun();
            if !is_asked {
                return Poll::Ready(None);
            }
        }
        watchdog.poll_expired(cx, None, |patience| link.expiry(patience)).map(|()| None)
    })
    .await
}

/// Returns whether a connection that begins like this is one of HTTP/2, as soon as that can be told: its preface is no
/// method of HTTP/1.1 (RFC 9113 §3.4).
fn is_http2(beginning: &[u8]) -> Option<bool> {
    const PREFACE: &[u8] = b"PRI";
    let beginning = beginning.get(..PREFACE.len()).unwrap_or(beginning);
    if beginning == PREFACE { Some(true) } else { (!PREFACE.starts_with(beginning)).then_some(false) }
}

// === impl Connection ===

impl<A> Connection<A>
where
    A: Fn(Result<Received, Refused>) -> Dispatching,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Http1(connection) => connection.poll(cx).map_err(Into::into),
            Self::Http2(connection, _) => connection.as_mut().poll(cx).map_err(Into::into),
        }
    }

    /// Returns when it will have been quiet for too long.
    fn expiry(&self, patience: Patience) -> Option<Instant> {
        match self {
            Self::Http1(connection) => connection.expiry(patience),
            Self::Http2(_, activity) => activity.expiry(patience),
        }
    }

    /// Ends the connection as soon as its requests are answered.
    fn stop(&mut self) {
        match self {
            Self::Http1(connection) => connection.stop(),
            Self::Http2(connection, _) => connection.as_mut().graceful_shutdown(),
        }
    }
}

impl<A> Drop for Connection<A> {
    /// Whatever ends a connection within a response that only its end would end, the client must see it break.
    fn drop(&mut self) {
        if let Self::Http1(connection) = self
            && connection.would_look_complete()
            && let Some(socket) = connection.socket()
        {
            // If that fails, the connection is gone already.
            let _ = SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO));
        }
    }
}

// === impl Requests ===

impl Requests {
    fn answer(&self, request: Result<Received, Refused>) -> Dispatching {
        match request {
            Ok((head, body)) => self.dispatch.call((head, RequestBody::Http1(body)), self.client),
            Err(refused) => {
                let (status, code, message) = refused.answer();
                Dispatching::refused(status, code, &message)
            }
        }
    }
}

// === impl Streams ===

impl Service<Request<Incoming>> for Streams {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = MapOk<Dispatching, fn(Answered<ResponseBody>) -> Response<ResponseBody>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Requests { dispatch, client } = &self.requests;
        let (head, body) = request.into_parts();
        let answer = dispatch.call((Box::new(head), RequestBody::Http2(body)), *client);
        answer.holding(self.activity.enter()).map_ok(Answered::into_response)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net, time::Duration};

    use tokio::{net::TcpListener, time::Instant};

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), max_head_bytes: 1024 };

    /// Returns both ends of a connection whose client has said so much.
    async fn connected(words: &[u8]) -> (net::TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(words).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// Returns as what a connection is served, if it is, while the server stops or goes on.
    async fn opened(socket: TcpStream, stops: bool) -> Option<&'static str> {
        let (_keep, stop) = watch::channel(stops);
        let mut watchdog = Watchdog::new(PATIENCE);
        let mut link = Link::new(Direct::new(socket));

        let is_http2 = open(&mut link, stop, &mut watchdog).await?;

        Some(if is_http2 { "h2" } else { "http/1.1" })
    }

    #[tokio::test]
    async fn who_has_asked_when_the_server_stops_is_served() {
        let (_client, asking) = connected(b"GET / HTTP/1.1\r\n").await;
        assert_eq!(opened(asking, true).await, Some("http/1.1"));

        let (_client, silent) = connected(b"").await;
        assert_eq!(opened(silent, true).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_given_the_time_of_a_head() {
        let (_client, silent) = connected(b"").await;
        let begun = Instant::now();

        assert_eq!(opened(silent, false).await, None);
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test]
    async fn a_client_that_leaves_at_once_is_no_riddle() {
        let (client, left) = connected(b"").await;
        drop(client);

        assert!(opened(left, false).await.is_some());
    }

    #[tokio::test]
    async fn the_preface_of_http_2_is_awaited_for_as_long_as_it_may_be_one() {
        for (words, more, expected) in [
            ("POST ", "", "http/1.1"),
            ("P", "RI * HTTP/2.0", "h2"),
            ("PRI * HTTP/2.0", "", "h2"),
            ("PR", "OP", "http/1.1"),
        ] {
            let (mut client, asking) = connected(words.as_bytes()).await;
            let opening = tokio::spawn(opened(asking, false));
            tokio::task::yield_now().await;
            client.write_all(more.as_bytes()).unwrap();

            assert_eq!(opening.await.unwrap(), Some(expected), "{words}");
        }
    }
}

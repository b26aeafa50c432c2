//! One client connection, from its first byte to its last.

use std::{
    future::poll_fn,
    mem::MaybeUninit,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use hyper::{Request, Response, body::Incoming, service::Service};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use olla_proxy::clock;
use socket2::SockRef;
use tokio::{io::ReadBuf, net::TcpStream, sync::watch, task::unconstrained};

use super::{
    Patience, Protocols,
    watchdog::{Activity, Watchdog, Watched},
};
use crate::{
    body::ResponseBody,
    dispatch::{Dispatch, Dispatching},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What hyper calls for each request of one connection.
struct Requests {
    dispatch: Dispatch,
    peer: SocketAddr,
    activity: Arc<Activity>,
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
    let activity = Activity::new();
    let mut watchdog = Watchdog::new(Arc::clone(&activity), patience);
    let Some(protocol) = open(&stream, protocols, stop.clone(), &mut watchdog).await else { return Ok(()) };
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let requests = Requests { dispatch, peer, activity };
    let mut connection = pin!(protocol.serve_connection(io, requests));
    let mut signal = stop.clone();
    // Whatever the connection's turn has cost so far: a poll that is put off does not listen.
    let mut stopping = pin!(unconstrained(signal.wait_for(|stop| *stop)));
    let (mut listens, mut stopped) = (false, false);
    let mut turn = move |cx: &mut Context<'_>| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        // Polled once, it wakes this task up when there is something to hear: a look is enough meanwhile.
        let is_news = !listens || !matches!(stop.has_changed(), Ok(false));
        listens = true;
        if !stopped && is_news && stopping.as_mut().poll(cx).is_ready() {
            stopped = true;
            connection.as_mut().graceful_shutdown();
            return connection.as_mut().poll(cx);
        }
        // Dropping the connection closes it; what the client did not take is lost to it.
        Pin::new(&mut watchdog).poll_expired(cx).map(Ok)
    };
    // All that is done in one turn is done at one time; streams of HTTP/2 have tasks, and turns, of their own.
    poll_fn(move |cx| clock::still(|| turn(cx))).await
}

/// Waits for the first bytes of a connection, and returns the protocol that they are of; `None` where there are none
/// for too long, or when the server stops.
async fn open<'p>(
    stream: &TcpStream,
    protocols: &'p Protocols,
    mut stop: watch::Receiver<bool>,
    watchdog: &mut Watchdog,
) -> Option<&'p auto::Builder<TokioExecutor>> {
    let mut stopping = pin!(unconstrained(stop.wait_for(|stop| *stop)));
    let mut is_asked = false;
    poll_fn(|cx| {
        let mut bytes = [0; 3];
        let mut beginning = ReadBuf::new(&mut bytes);
        // They are left where they are, and so is their end for whoever reads it.
        if stream.poll_peek(cx, &mut beginning).is_ready() {
            return Poll::Ready(Some(protocols.of(beginning.filled())));
        }
        if !is_asked && stopping.as_mut().poll(cx).is_ready() {
            is_asked = has_begun(stream);
            if !is_asked {
                return Poll::Ready(None);
            }
        }
        watchdog.poll_expired(cx).map(|()| None)
    })
    .await
}

/// Returns whether a client has said something that the runtime need not have heard of.
fn has_begun(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    SockRef::from(stream).peek(&mut byte).is_ok_and(|read| read > 0)
}

// === impl Requests ===

impl Service<Request<Incoming>> for Requests {
    type Response = Response<ResponseBody>;
    type Error = std::convert::Infallible;
    type Future = Dispatching;

    fn call(&self, request: Request<Incoming>) -> Dispatching {
        // An IPv4 client of an IPv6 socket is an IPv4 client.
        self.dispatch.call(request, self.peer.ip().to_canonical(), self.activity.enter())
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
    async fn opened(stream: &TcpStream, stops: bool) -> Option<&'static str> {
        let (_keep, stop) = watch::channel(stops);
        let protocols = Protocols::new(1024);
        let mut watchdog = Watchdog::new(Activity::new(), PATIENCE);

        let protocol = open(stream, &protocols, stop, &mut watchdog).await?;

        Some(if std::ptr::eq(protocol, &protocols.http1) { "http/1.1" } else { "any" })
    }

    #[tokio::test]
    async fn who_has_asked_when_the_server_stops_is_served() {
        let (_client, asking) = connected(b"GET / HTTP/1.1\r\n").await;
        assert_eq!(opened(&asking, true).await, Some("http/1.1"));

        let (_client, silent) = connected(b"").await;
        assert_eq!(opened(&silent, true).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_given_the_time_of_a_head() {
        let (_client, silent) = connected(b"").await;
        let begun = Instant::now();

        assert_eq!(opened(&silent, false).await, None);
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test]
    async fn a_client_that_leaves_at_once_is_no_riddle() {
        let (client, left) = connected(b"").await;
        drop(client);

        assert!(opened(&left, false).await.is_some());
    }

    #[tokio::test]
    async fn only_what_may_be_http_2_is_looked_at_more_closely() {
        for (words, expected) in
            [("POST ", "http/1.1"), ("PR", "any"), ("PRI * HTTP/2.0", "any"), ("PROPFIND ", "http/1.1")]
        {
            let (_client, asking) = connected(words.as_bytes()).await;
            assert_eq!(opened(&asking, false).await, Some(expected), "{words}");
        }
    }
}

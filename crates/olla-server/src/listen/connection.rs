//! One client connection, from its first byte to its last.

use std::{
    future::poll_fn,
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
use tokio::{net::TcpStream, sync::watch, task::unconstrained};

use super::{
    Patience,
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
    protocol: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    (dispatch, patience): (Dispatch, Patience),
    stop: watch::Receiver<bool>,
) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let activity = Activity::new();
    let mut watchdog = Watchdog::new(Arc::clone(&activity), patience);
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
    // All that is done in one turn is done at one time.
    poll_fn(move |cx| clock::still(|| turn(cx))).await
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

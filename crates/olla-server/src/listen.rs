//! The listeners: one for each worker, HTTP/1.1 and HTTP/2 with prior knowledge on the same port.
//!
//! HTTP/1.1 is ours; HTTP/2 is hyper's. The only place that names its server.

mod bind;
mod connection;
mod http1;
mod http2;
mod room;
mod watchdog;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use hyper_util::rt::TokioExecutor;
use olla_proxy::http1::Batches;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::sleep};
use tracing::{debug, warn};

pub(crate) use bind::{BindError, bind};
pub(crate) use http1::Receiving;
pub(crate) use http2::Busy;
pub(crate) use room::Room;
use room::Seat;

use crate::dispatch::Dispatch;

/// What a listener grants its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Time for a request head to arrive, from its first byte; the first one's, from the beginning of the connection.
    pub(crate) head: Duration,
    /// Time a connection may be idle between requests.
    pub(crate) idle: Duration,
    /// Largest request head, bytes.
    pub(crate) max_head_bytes: usize,
}

/// How connections are served.
struct Protocols {
    http2: hyper::server::conn::http2::Builder<TokioExecutor>,
    /// Largest request head of HTTP/1.1, bytes.
    most_head_bytes: usize,
}

/// Serves connections until `stop` turns true, then lets the requests in flight finish.
///
/// Where there is no room for a connection, it waits, and no further ones are accepted: they stay in the queue of
/// the kernel.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    dispatch: Dispatch,
    (patience, room): (Patience, Room),
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let protocols = Arc::new(Protocols::new(patience.max_head_bytes));
    let mut connections = JoinSet::new();
    let batches = tokio::spawn(Batches::new());
    let stopping = stop.clone();
    let start = |connections: &mut JoinSet<()>, (stream, peer), seat| {
        let (protocols, dispatch, stop) = (Arc::clone(&protocols), dispatch.clone(), stopping.clone());
        connections.spawn(async move {
            let _seat: Option<Seat> = seat;
            let connection = connection::serve(&protocols, stream, peer, (dispatch, patience), stop);
            if let Err(error) = pin!(connection).await {
                debug!(%peer, %error, "connection ended with an error");
            }
        });
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            // Finished ones are taken out, so that the set holds only what is open.
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let seat = tokio::select! {
            seat = room.take() => seat,
            // Whoever has been accepted is served, room or not.
            _ = stop.wait_for(|stop| *stop) => None,
        };
        start(&mut connections, accepted, seat);
    }
    // Whoever is in the queue already has been promised an answer; dropping the listener would reset them.
    while let Some(Ok(accepted)) = listener.accept().now_or_never() {
        start(&mut connections, accepted, None);
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    batches.abort();
    Ok(())
}

/// Too many open files, say, is not over at once: trying again in a loop would only burn a core.
async fn pause_after(error: &io::Error) {
    let of_the_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !of_the_connection {
        warn!(%error, "cannot accept connections; trying again in 100 ms");
        sleep(Duration::from_millis(100)).await;
    }
}

// === impl Protocols ===

impl Protocols {
    fn new(max_head_bytes: usize) -> Self {
        let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2.max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX));
        Self { http2, most_head_bytes: max_head_bytes.saturating_add(BEYOND) }
    }
}

/// Larger heads than allowed are refused in the words of the dialect that their path tells; those which are larger by
/// more than this are refused before that.
const BEYOND: usize = 64 * 1024;

/// Returns the address to show for a bound one: an unspecified address is reached as `localhost`.
pub(crate) fn reachable(bound: SocketAddr) -> String {
    let everywhere = bound.ip().is_unspecified();
    if everywhere || bound.ip() == Ipv4Addr::LOCALHOST {
        format!("http://localhost:{}", bound.port())
    } else {
        format!("http://{bound}")
    }
}

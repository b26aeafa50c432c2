//! One listening socket and its connections. A worker is one such loop; several share an address through
//! `SO_REUSEPORT`. Closing the gate closes the socket, so that connects are refused by the kernel; silencing it
//! leaves one socket that never accepts, with its queue full, so that they get no answer at all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection;
use crate::state::{Gate, State};

const BACKLOG: i32 = 1024;

/// Where a worker listens, and whether it shares the address with others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) addr: SocketAddr,
    pub(crate) shared: bool,
}

/// Opens a listening socket.
pub(crate) fn bind(place: Place) -> io::Result<std::net::TcpListener> {
    listening(place, BACKLOG)
}

fn listening(Place { addr, shared }: Place, backlog: i32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(shared)?;
    #[cfg(not(unix))]
    if shared {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "several workers need SO_REUSEPORT"));
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Serves until the engine stops. Ends every connection when it returns or is dropped.
pub(crate) async fn run(state: Arc<State>, first: std::net::TcpListener, place: Place) {
    let mut gate = state.gate.subscribe();
    let mut connections = JoinSet::new();
    let mut socket = Some(first);
    loop {
        let now = *gate.borrow_and_update();
        match now {
            Gate::Stopped => break,
            Gate::Open => {
                let bound = match socket.take() {
                    Some(open) => Ok(open),
                    None => bind(place),
                };
                match bound.and_then(TcpListener::from_std) {
                    Ok(listener) => listen(&state, listener, &mut gate, &mut connections).await,
                    // Somebody took the port while it was free; it may come back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            Gate::Refusing(until) => {
                socket = None;
                stay(&state, (now, until), &mut gate).await;
            }
            Gate::Silent(until) => {
                socket = None;
                let deaf = tokio::select! {
                    deaf = Deaf::take_the_place(&state, place) => deaf,
                    _ = gate.changed() => continue,
                };
                match deaf {
                    Ok(_deaf) => stay(&state, (now, until), &mut gate).await,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        }
    }
    connections.shutdown().await;
}

/// Accepts until the gate changes.
async fn listen(
    state: &Arc<State>,
    listener: TcpListener,
    gate: &mut watch::Receiver<Gate>,
    connections: &mut JoinSet<()>,
) {
    let _listening = Listening::begin(state);
    // Dropped before the guard: whoever sees the count fall finds the port closed.
    let listener = listener;
    loop {
        tokio::select! {
            _ = gate.changed() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => spawn(state, stream, connections),
                // Out of descriptors, most likely: let some close.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

fn spawn(state: &Arc<State>, stream: TcpStream, connections: &mut JoinSet<()>) {
    connections.spawn(connection::serve(stream, Arc::clone(state)));
}

/// Returns when the gate is another, and opens it at its time.
async fn stay(
    state: &State,
    (now, until): (Gate, Option<tokio::time::Instant>),
    gate: &mut watch::Receiver<Gate>,
) {
    let Some(until) = until else {
        let _ = gate.changed().await;
        return;
    };
    tokio::select! {
        _ = gate.changed() => {}
        () = tokio::time::sleep_until(until) => {
            state.gate.send_if_modified(|gate| {
                let is_over = *gate == now;
                if is_over {
                    *gate = Gate::Open;
                }
                is_over
            });
        }
    }
}

/// A socket that listens and never accepts. Its queue is full, so the kernel drops every further connect.
struct Deaf<'a> {
    state: &'a State,
    sockets: Option<(std::net::TcpListener, TcpStream)>,
}

impl<'a> Deaf<'a> {
    /// One worker's socket takes the place of all; the others get `None`.
    async fn take_the_place(state: &'a State, place: Place) -> io::Result<Option<Self>> {
        state.wait_listening(|count| count == 0).await;
        if state.deaf.swap(true, Relaxed) {
            return Ok(None);
        }
        let mut deaf = Self { state, sockets: None };
        // On Linux a queue of length 0 holds one connection.
        let listener = listening(place, 0)?;
        let queued = TcpStream::connect(place.addr).await?;
        deaf.sockets = Some((listener, queued));
        state.silent.send_replace(true);
        Ok(Some(deaf))
    }
}

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        self.sockets = None;
        self.state.silent.send_replace(false);
        self.state.deaf.store(false, Relaxed);
    }
}

/// Counts a listening socket while it lives.
struct Listening<'a> {
    state: &'a State,
}

impl<'a> Listening<'a> {
    fn begin(state: &'a State) -> Self {
        state.listening.send_modify(|count| *count += 1);
        Listening { state }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.state.listening.send_modify(|count| *count -= 1);
    }
}

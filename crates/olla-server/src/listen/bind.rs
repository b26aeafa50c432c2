//! Binds one socket for each worker to the same address (`SO_REUSEPORT`), so that each has its own queue.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

/// Connections waiting to be accepted, for each worker.
const BACKLOG: i32 = 4096;

/// Why the server cannot listen.
#[derive(Debug, Error)]
pub(crate) enum BindError {
    /// The host name means nothing.
    #[error(
        "cannot listen on {host:?}: the name does not resolve; set server.host to an address, such as 127.0.0.1 or 0.0.0.0"
    )]
    Resolve {
        host: String,
        #[source]
        source: io::Error,
    },
    /// Somebody else has the port.
    #[error(
        "cannot listen on {address}: another program uses this port; stop it, or choose another with server.port or OLLA_SERVER_PORT"
    )]
    InUse { address: SocketAddr },
    /// The address is not ours, the port is privileged, …
    #[error("cannot listen on {address}: {source}; check server.host and server.port")]
    Other {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// Binds `count` listeners. Port 0 lets the system choose one port for all.
pub(crate) fn bind(host: &str, port: u16, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let address = resolve(host, port)?;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        _ => BindError::Other { address, source },
    };
    // Without this, a second Olla would silently take a share of the first one's connections.
    if port != 0 {
        drop(open(address, false).map_err(failed)?);
    }
    let first = listening(address).map_err(failed)?;
    let address = first.local_addr().map_err(failed)?;
    let others = (1..count).map(|_| listening(address).map_err(failed));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, BindError> {
    let failed = |source| BindError::Resolve { host: host.to_owned(), source };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<_> = (bare, port).to_socket_addrs().map_err(failed)?.collect();
    // `localhost` is usually both; more clients find 127.0.0.1.
    let preferred = addresses.iter().find(|a| a.is_ipv4()).or_else(|| addresses.first());
    preferred.copied().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds a socket, which fails when another program listens there; `share` lets further ones join it.
fn open(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_listeners_share_one_port() {
        let listeners = bind("127.0.0.1", 0, 3).unwrap();

        let ports: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|p| *p == ports[0] && *p != 0), "{ports:?}");
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let taken = bind("127.0.0.1", 0, 1).unwrap();
        let port = taken[0].local_addr().unwrap().port();

        let error = bind("127.0.0.1", port, 2).unwrap_err();

        assert!(matches!(error, BindError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&port.to_string()));
    }
}

//! Opening a connection: name resolution, TCP and TLS, each with its limit.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use olla_core::{BaseUrl, Failure, TlsTrust};
use smallvec::SmallVec;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tracing::debug;

use crate::http1::Direct;

use super::{
    http1::{Connection, Socket},
    tls::TlsClient,
};

/// Limits of opening a connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectTimeouts {
    /// Name resolution and TCP, all addresses together. Default 60 s.
    pub connect: Duration,
    /// TLS handshake. Default 10 s.
    pub tls_handshake: Duration,
    /// Idle time before the kernel probes a silent connection. Default 30 s; zero turns it off.
    pub keep_alive: Duration,
}

/// Opens connections. Cloning shares the TLS sessions.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    timeouts: ConnectTimeouts,
    tls: TlsClient,
}

// === impl ConnectTimeouts ===

impl Default for ConnectTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(60),
            tls_handshake: Duration::from_secs(10),
            keep_alive: Duration::from_secs(30),
        }
    }
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(timeouts: ConnectTimeouts) -> Self {
        Self { timeouts, tls: TlsClient::default() }
    }

    /// Opens a connection.
    pub(super) async fn connect(&self, to: &BaseUrl, trust: &TlsTrust) -> Result<Box<Connection>, Failure> {
        let stream = self.tcp(to).await?;
        if !to.is_tls() {
            return Ok(Box::new(Connection::new(Socket::Plain(Direct::new(stream)))));
        }
        let tls = self.tls.handshake(to.host(), trust, stream);
        match timeout(self.timeouts.tls_handshake, tls).await {
            Ok(Ok(stream)) => Ok(Box::new(Connection::new(Socket::Tls(Box::new(stream))))),
            Ok(Err(error)) => {
                debug!(host = to.host(), %error, "TLS handshake failed");
                Err(Failure::Tls)
            }
            Err(_) => Err(Failure::ConnectTimeout),
        }
    }

    async fn tcp(&self, to: &BaseUrl) -> Result<TcpStream, Failure> {
        let deadline = Instant::now() + self.timeouts.connect;
        let addresses = resolve(to, deadline).await?;
        let mut failure = Failure::Dns;
        for (n, address) in addresses.iter().enumerate() {
            // Each address gets its share of what is left, so that a silent one cannot use it all up.
            let share = deadline.saturating_duration_since(Instant::now()) / (addresses.len() - n) as u32;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.prepare(&stream);
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = classify(&error),
                Err(_) => failure = Failure::ConnectTimeout,
            }
        }
        Err(failure)
    }

    fn prepare(&self, stream: &TcpStream) {
        // Neither option is worth failing a request for.
        let _ = stream.set_nodelay(true);
        if !self.timeouts.keep_alive.is_zero() {
            let keep_alive = TcpKeepalive::new().with_time(self.timeouts.keep_alive);
            let _ = SockRef::from(stream).set_tcp_keepalive(&keep_alive);
        }
    }
}

/// `ENFILE` and `EMFILE`, the same everywhere; the standard library has no kind for them.
const OUT_OF_FILES: [i32; 2] = [23, 24];

async fn resolve(to: &BaseUrl, deadline: Instant) -> Result<SmallVec<[SocketAddr; 4]>, Failure> {
    if let Ok(ip) = to.host().parse::<IpAddr>() {
        return Ok(SmallVec::from_iter([SocketAddr::new(ip, to.port())]));
    }
    match timeout_at(deadline, lookup_host((to.host(), to.port()))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(_)) => Err(Failure::Dns),
        Err(_) => Err(Failure::ConnectTimeout),
    }
}

fn classify(error: &io::Error) -> Failure {
    match error.kind() {
        _ if error.raw_os_error().is_some_and(|code| OUT_OF_FILES.contains(&code)) => Failure::Exhausted,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => Failure::Exhausted,
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::TimedOut => Failure::ConnectTimeout,
        _ => Failure::Unreachable,
    }
}

//! How one attempt at a backend can fail, and whether another may be tried.

use std::fmt;

/// The kind of a failed attempt. Decided where the failure happens, never from an error text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The backend's host refused the connection.
    Refused,
    /// No route to the host, or the network failed while connecting.
    Unreachable,
    /// This process has no file descriptor, port or memory left for a connection: not the backend's fault.
    Exhausted,
    /// The host name does not resolve.
    Dns,
    /// The TLS handshake or certificate check failed.
    Tls,
    /// No connection within the connect timeout.
    ConnectTimeout,
    /// A pooled connection had been closed by the backend before this request reached it.
    Stale,
    /// The connection broke before a response head arrived.
    ResetBeforeHead,
    /// No response head within the first-byte timeout.
    HeadTimeout,
    /// The response head was not HTTP.
    MalformedHead,
    /// The backend answered with a status that counts as a failure.
    Status(u16),
    /// The backend told of an error inside a stream that began with a good status.
    ErrorEvent,
    /// The response body stopped flowing for longer than the read timeout.
    Stall,
    /// The connection broke, or the body was cut short, after the head.
    Truncated,
    /// The whole exchange took longer than its deadline.
    Deadline,
    /// The client left.
    ClientGone,
}

// === impl Failure ===

impl Failure {
    /// Returns whether another candidate may be tried, as long as the client has seen nothing of a response.
    #[must_use]
    pub const fn may_retry(self) -> bool {
        !matches!(self, Self::Exhausted | Self::Deadline | Self::ClientGone)
    }

    /// Returns whether the failure says that requests to the endpoint fail, which may eject it.
    ///
    /// A refusal for the sake of a rate (429) concerns one model for a while. A connection that cannot be opened
    /// takes the endpoint out at once (see [`demotes`](Self::demotes)), and a health check finds out when it can
    /// again; a health check that is answered does not say that requests are.
    #[must_use]
    pub const fn counts_against(self) -> bool {
        match self {
            Self::Status(status) => status >= 500 || status == 408,
            Self::ResetBeforeHead
            | Self::HeadTimeout
            | Self::MalformedHead
            | Self::ErrorEvent
            | Self::Stall
            | Self::Truncated => true,
            Self::Refused
            | Self::Unreachable
            | Self::Exhausted
            | Self::Dns
            | Self::Tls
            | Self::ConnectTimeout
            | Self::Stale
            | Self::Deadline
            | Self::ClientGone => false,
        }
    }

    /// Returns whether the endpoint should leave the rotation until a probe succeeds.
    #[must_use]
    pub const fn demotes(self) -> bool {
        match self {
            Self::Refused
            | Self::Unreachable
            | Self::Dns
            | Self::Tls
            | Self::ConnectTimeout
            | Self::ResetBeforeHead
            | Self::HeadTimeout
            | Self::MalformedHead => true,
            Self::Exhausted
            | Self::Stale
            | Self::Status(_)
            | Self::ErrorEvent
            | Self::Stall
            | Self::Truncated
            | Self::Deadline
            | Self::ClientGone => false,
        }
    }

    /// Returns whether a timeout, rather than a broken connection, ended the attempt.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::HeadTimeout | Self::Stall | Self::Deadline)
    }

    /// Returns the stable name used in logs and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::Exhausted => "out_of_resources",
            Self::Dns => "dns_failed",
            Self::Tls => "tls_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::Stale => "stale_connection",
            Self::ResetBeforeHead => "reset_before_head",
            Self::HeadTimeout => "head_timeout",
            Self::MalformedHead => "malformed_head",
            Self::Status(_) => "status",
            Self::ErrorEvent => "error_in_stream",
            Self::Stall => "stalled",
            Self::Truncated => "truncated",
            Self::Deadline => "deadline",
            Self::ClientGone => "client_gone",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Refused => "the connection was refused",
            Self::Unreachable => "the host cannot be reached",
            Self::Exhausted => "Olla has no file descriptors left; raise the limit of open files (ulimit -n)",
            Self::Dns => "the host name does not resolve",
            Self::Tls => "the TLS handshake failed",
            Self::ConnectTimeout => "no connection within the connect timeout",
            Self::Stale => "a pooled connection was already closed",
            Self::ResetBeforeHead => "the connection broke before a response arrived",
            Self::HeadTimeout => "no response within the first-byte timeout",
            Self::MalformedHead => "the response was not HTTP",
            Self::Status(code) => return write!(f, "the backend answered {code}"),
            Self::ErrorEvent => "the backend reported an error within its stream",
            Self::Stall => "the response stopped flowing",
            Self::Truncated => "the response was cut short",
            Self::Deadline => "the response took longer than its deadline",
            Self::ClientGone => "the client left",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

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
    /// No output of a stream within three times what is usual there, where another backend could be asked.
    SlowStart,
    /// The response head was not HTTP.
    MalformedHead,
    /// The backend answered with a status that counts as a failure.
    Status(u16),
    /// The backend told of an error inside a stream that began with a good status.
    ErrorEvent,
    /// The response body stopped flowing for longer than the read timeout.
    Stall,
    /// The connection was reset within the body.
    ResetInBody,
    /// The body was cut short, or was not what its head announced.
    Truncated,
    /// The response is not of the format that the backend speaks, or too long to be translated.
    Unreadable,
    /// The whole exchange took longer than its deadline.
    Deadline,
    /// The client left.
    ClientGone,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The backend's, or that of the way to it.
    Backend,
    /// The client's.
    Client,
    /// That of this process.
    Gateway,
}

// === impl Failure ===

impl Failure {
    /// Returns whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Exhausted => Fault::Gateway,
            Self::ClientGone => Fault::Client,
            Self::Refused
            | Self::Unreachable
            | Self::Dns
            | Self::Tls
            | Self::ConnectTimeout
            | Self::Stale
            | Self::ResetBeforeHead
            | Self::HeadTimeout
            | Self::SlowStart
            | Self::MalformedHead
            | Self::Status(_)
            | Self::ErrorEvent
            | Self::Stall
            | Self::ResetInBody
            | Self::Truncated
            | Self::Unreadable
            | Self::Deadline => Fault::Backend,
        }
    }

    /// Returns whether the failure proves that the backend has not seen the request.
    #[must_use]
    pub const fn never_sent(self) -> bool {
        matches!(self, Self::Refused | Self::Unreachable | Self::Dns | Self::Tls | Self::ConnectTimeout)
    }

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
            | Self::SlowStart
            | Self::MalformedHead
            | Self::ErrorEvent
            | Self::Stall
            | Self::ResetInBody
            | Self::Truncated
            | Self::Unreadable => true,
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
            | Self::SlowStart
            | Self::ErrorEvent
            | Self::Stall
            | Self::ResetInBody
            | Self::Truncated
            | Self::Unreadable
            | Self::Deadline
            | Self::ClientGone => false,
        }
    }

    /// Returns whether a timeout, rather than a broken connection, ended the attempt.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout | Self::HeadTimeout | Self::SlowStart | Self::Stall | Self::Deadline
        )
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
            Self::SlowStart => "slow_start",
            Self::MalformedHead => "malformed_head",
            Self::Status(_) => "status",
            Self::ErrorEvent => "error_in_stream",
            Self::Stall => "stalled",
            Self::ResetInBody => "reset_in_body",
            Self::Truncated => "truncated",
            Self::Unreadable => "unreadable_answer",
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
            Self::SlowStart => "no output within three times the usual time",
            Self::MalformedHead => "the response was not HTTP",
            Self::Status(code) => return write!(f, "the backend answered {code}"),
            Self::ErrorEvent => "the backend reported an error within its stream",
            Self::Stall => "the response stopped flowing",
            Self::ResetInBody => "the connection was reset within the response",
            Self::Truncated => "the response was cut short",
            Self::Unreadable => {
                "the response cannot be translated: it is not of the expected format, or too long"
            }
            Self::Deadline => "the response took longer than its deadline",
            Self::ClientGone => "the client left",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Failure; 18] = [
        Failure::Refused,
        Failure::Unreachable,
        Failure::Dns,
        Failure::Tls,
        Failure::ConnectTimeout,
        Failure::Stale,
        Failure::ResetBeforeHead,
        Failure::HeadTimeout,
        Failure::SlowStart,
        Failure::MalformedHead,
        Failure::Status(503),
        Failure::ErrorEvent,
        Failure::Stall,
        Failure::ResetInBody,
        Failure::Truncated,
        Failure::Deadline,
        Failure::Exhausted,
        Failure::ClientGone,
    ];

    fn yes(is: bool) -> &'static str {
        if is { "yes" } else { "no" }
    }

    #[test]
    fn the_documentation_tells_of_every_kind_what_the_code_does() {
        let page = include_str!("../../../docs/failover.md");
        let told: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).skip(1).collect();

        let expected = ALL.map(|failure| {
            let moves = match failure {
                _ if !failure.may_retry() => "no",
                _ if failure.never_sent() => "always",
                _ => "if repeatable",
            };
            let counts = match failure {
                Failure::Status(_) => "5xx and 408",
                _ => yes(failure.counts_against()),
            };
            [failure.as_str(), moves, counts, yes(failure.demotes())]
        });

        let cells =
            |line: &&str| line.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
        let told: Vec<_> = told
            .iter()
            .map(cells)
            .map(|c| [c[1].clone(), c[3].clone(), c[4].clone(), c[5].clone()])
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_counts_against_an_endpoint_is_the_backends_fault() {
        for failure in ALL {
            assert!(failure.fault() == Fault::Backend || !(failure.counts_against() || failure.demotes()));
        }
        let statuses = [400, 404, 408, 409, 429, 500, 503, 599].map(|s| Failure::Status(s).counts_against());
        assert_eq!(statuses, [false, false, true, false, false, true, true, true]);
    }
}

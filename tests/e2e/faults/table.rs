//! What must come of each fault. One row is one fault at one place for one kind of request; each is tried over
//! HTTP/1.1 and HTTP/2.

use olla_sim::{Fault, Framed};

/// When the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first attempt at a request, before any output; another endpoint is well.
    First,
    /// After the first output has gone to the client.
    Midway,
    /// The health checks, before the request is made.
    Health,
    /// Every attempt: the other endpoint has the same trouble.
    Everywhere,
}

/// What the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A chat that is answered at once, in OpenAI's dialect.
    Whole,
    /// A streamed chat in OpenAI's dialect.
    Stream,
    /// A streamed message in Anthropic's dialect.
    Anthropic,
    /// A streamed chat in Ollama's dialect.
    Ollama,
}

/// What is wrong with the endpoint of the higher priority.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    Fault(Fault),
    /// The same, for requests that are not the first on their connection; one has been served before.
    OnReuse(Fault),
    /// The body is ended in this way at this point.
    Cut(fn(usize) -> Fault, At),
    /// Connects are refused.
    Refuses,
    /// Connects are not answered.
    Silent,
    /// It speaks no TLS, and its URL is `https`.
    NoTls,
}

/// Where a body is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Before its first byte.
    Start,
    /// Behind the events that come before the first output; behind the first byte of a whole answer.
    Opening,
    /// Behind an event with output; within a whole answer.
    Event,
    /// Within an event, some output before it; within a whole answer.
    Within,
}

/// What the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saw {
    /// 200 and a complete answer.
    Answer,
    /// This status and a complete error in its dialect.
    Error(u16),
    /// 200, some output and an error event; the body ends there.
    ErrorEvent,
    /// The same, and the body is broken off behind it.
    ErrorEventAndAbort,
    /// 200 and a body that is broken off: the connection is closed (HTTP/1.1), the stream is reset (HTTP/2).
    Abort,
    /// The end of the connection or stream instead of an answer.
    Nothing,
    /// A body that lacks its end and is said to be complete.
    Lie,
    /// No end of any kind.
    NoEnd,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Bad,
    Well,
    /// Olla itself, or nobody at all.
    Nobody,
}

/// What becomes of the endpoint with the fault. One that is well is never blamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    None,
    /// A failure is counted.
    Counted,
    /// A failure is counted, and the endpoint leaves the rotation until a check has passed.
    Demoted,
}

/// What must come of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) saw: Saw,
    pub(crate) by: By,
    pub(crate) attempts: u64,
    pub(crate) blame: Blame,
    /// The error code in the request's log line, if there is one.
    pub(crate) code: &'static str,
    /// The status of the endpoint that the health checks find.
    pub(crate) health: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) trouble: Trouble,
    pub(crate) ask: Ask,
    pub(crate) outcome: Outcome,
}

/// The bad endpoint serves it; nothing is wrong enough.
const SERVED: Outcome =
    Outcome { saw: Saw::Answer, by: By::Bad, attempts: 1, blame: Blame::None, code: "", health: "healthy" };
/// The other endpoint serves it, and the client notices nothing.
const MOVED: Outcome = Outcome { by: By::Well, attempts: 2, blame: Blame::Counted, ..SERVED };
/// The same; the endpoint is not to be used again before it has been checked.
const DEMOTED: Outcome = Outcome { blame: Blame::Demoted, ..MOVED };

/// Its answer is an error, and final.
const fn passed_on(status: u16) -> Outcome {
    Outcome { saw: Saw::Error(status), blame: Blame::Counted, ..SERVED }
}

/// It is too late to move on.
const fn broken(saw: Saw, code: &'static str) -> Outcome {
    Outcome { saw, blame: Blame::Counted, code, ..SERVED }
}

const ABORTED: Outcome = broken(Saw::Abort, "truncated");
const STALLED: Outcome = broken(Saw::Abort, "stalled");
const RESET: Outcome = broken(Saw::Abort, "reset_in_body");
const TOLD: Outcome = broken(Saw::ErrorEventAndAbort, "truncated");
const TOLD_OF_RESET: Outcome = broken(Saw::ErrorEventAndAbort, "reset_in_body");
const TOLD_OF_STALL: Outcome = broken(Saw::ErrorEventAndAbort, "stalled");
const TOLD_BY_BACKEND: Outcome = broken(Saw::ErrorEvent, "error_in_stream");

/// The checks find this, and the request goes straight to the other endpoint.
const fn found(health: &'static str) -> Outcome {
    Outcome { by: By::Well, health, ..SERVED }
}

/// Faults that strike before the first output.
#[rustfmt::skip]
pub(crate) fn first() -> Vec<Row> {
    use At::{Opening, Start};
    use Trouble::{Cut, NoTls, OnReuse, Refuses, Silent};
    let mut rows = pairs([
        // fault                              trouble                                whole            stream
        ("refused",                           Refuses,                               DEMOTED,         DEMOTED),
        ("connect timeout",                   Silent,                                DEMOTED,         DEMOTED),
        ("no TLS",                            NoTls,                                 DEMOTED,         DEMOTED),
        ("reset_before_head",                 Fault::ResetBeforeHead.into(),         DEMOTED,         DEMOTED),
        ("close_before_head",                 Fault::CloseBeforeHead.into(),         DEMOTED,         DEMOTED),
        ("hang_before_head",                  Fault::HangBeforeHead.into(),          DEMOTED,         DEMOTED),
        ("malformed_head",                    Fault::MalformedHead.into(),           DEMOTED,         DEMOTED),
        ("oversize_head",                     OVERSIZE.into(),                       DEMOTED,         DEMOTED),
        ("reset_before_head, reused",         OnReuse(Fault::ResetBeforeHead),       SERVED,          SERVED),
        ("close_before_head, reused",         OnReuse(Fault::CloseBeforeHead),       SERVED,          SERVED),
        ("hang_before_head, reused",          OnReuse(Fault::HangBeforeHead),        DEMOTED,         DEMOTED),
        ("status 503",                        status(503),                           MOVED,           MOVED),
        ("status 502",                        status(502),                           MOVED,           MOVED),
        ("status 504",                        status(504),                           MOVED,           MOVED),
        ("rate_limited",                      RATE_LIMITED.into(),                   MOVED,           MOVED),
        ("status 500",                        status(500),                           passed_on(500),  passed_on(500)),
        ("lie_on_health",                     Fault::LieOnHealth.into(),             passed_on(500),  passed_on(500)),
        ("status 404",                        status(404),                           NOT_FOUND,       NOT_FOUND),
        ("reset_after, no body",              Cut(reset, Start),                     MOVED,           MOVED),
        ("close_after, no body",              Cut(close, Start),                     MOVED,           MOVED),
        ("close_after, length, no body",      Cut(close_length, Start),              MOVED,           MOVED),
        ("hang_after, no body",               Cut(hang, Start),                      MOVED,           MOVED),
        ("malformed_chunk, first",            Cut(garbage, Start),                   MOVED,           MOVED),
        ("stream_error, first",               stream_error(0),                       SERVED,          MOVED),
        ("slow_drip",                         drip(),                                SERVED,          SERVED),
        ("connection_close",                  Fault::ConnectionClose.into(),         SERVED,          SERVED),
        ("idle_close",                        Fault::IdleClose { after_ms: 20 }.into(), SERVED,       SERVED),
    ]);
    // Roles, empty pieces and pings are no output yet.
    rows.extend(streams([
        ("reset_after, opening",              Cut(reset, Opening),                   MOVED),
        ("close_after, opening",              Cut(close, Opening),                   MOVED),
        ("hang_after, opening",               Cut(hang, Opening),                    MOVED),
        ("malformed_chunk, opening",          Cut(garbage, Opening),                 MOVED),
    ]));
    rows.extend([
        row("stream_error, opening", stream_error(1), Ask::Stream,    MOVED),
        row("stream_error, opening", stream_error(3), Ask::Anthropic, MOVED),
        row("stream_error, first",   stream_error(0), Ask::Ollama,    MOVED),
    ]);
    rows
}

/// Faults that strike after the first output.
#[rustfmt::skip]
pub(crate) fn midway() -> Vec<Row> {
    use At::{Event, Within};
    use Trouble::Cut;
    let mut rows = pairs([
        ("reset_after, in an event",          Cut(reset, Within),                    RESET,           RESET),
        ("close_after, in an event",          Cut(close, Within),                    ABORTED,         ABORTED),
        ("close_after, length, in an event",  Cut(close_length, Within),             ABORTED,         ABORTED),
        ("hang_after, in an event",           Cut(hang, Within),                     STALLED,         STALLED),
        ("malformed_chunk, in an event",      Cut(garbage, Within),                  ABORTED,         ABORTED),
        ("close_after, length",               Cut(close_length, Event),              ABORTED,         ABORTED),
        ("malformed_trailers",                Fault::MalformedTrailers.into(),       ABORTED,         TOLD),
    ]);
    rows.extend(streams([
        ("reset_after",                       Cut(reset, Event),                     TOLD_OF_RESET),
        ("close_after",                       Cut(close, Event),                     TOLD),
        ("hang_after",                        Cut(hang, Event),                      TOLD_OF_STALL),
        ("malformed_chunk",                   Cut(garbage, Event),                   TOLD),
        ("stream_error",                      stream_error(6),                       TOLD_BY_BACKEND),
    ]));
    rows
}

/// Faults of health checks alone: the requests would be served.
#[rustfmt::skip]
pub(crate) fn health() -> Vec<Row> {
    use At::Start;
    use Trouble::{Cut, NoTls, Refuses, Silent};
    let lied = Outcome { health: "healthy", ..passed_on(500) };
    let rows = [
        ("refused",               Refuses,                          found("offline")),
        ("connect timeout",       Silent,                           found("offline")),
        ("no TLS",                NoTls,                            found("offline")),
        ("reset_before_head",     Fault::ResetBeforeHead.into(),    found("offline")),
        ("close_before_head",     Fault::CloseBeforeHead.into(),    found("offline")),
        ("hang_before_head",      Fault::HangBeforeHead.into(),     found("offline")),
        ("malformed_head",        Fault::MalformedHead.into(),      found("offline")),
        ("oversize_head",         OVERSIZE.into(),                  found("offline")),
        ("reset_after",           Cut(reset, Start),                found("offline")),
        ("close_after, chunked",  Cut(close_chunked, Start),        found("offline")),
        ("close_after, length",   Cut(close_length, Start),         found("offline")),
        ("hang_after",            Cut(hang, Start),                 found("offline")),
        ("malformed_chunk",       Cut(garbage, Start),              found("offline")),
        ("malformed_trailers",    Fault::MalformedTrailers.into(),  found("offline")),
        ("status 503",            status(503),                      found("unhealthy")),
        ("status 401",            status(401),                      found("config_error")),
        ("status 302",            status(302),                      found("unhealthy")),
        ("rate_limited",          RATE_LIMITED.into(),              found("rate_limited")),
        ("slow_drip",             drip(),                           SERVED),
        ("connection_close",      Fault::ConnectionClose.into(),    SERVED),
        ("idle_close",            Fault::IdleClose { after_ms: 20 }.into(), SERVED),
        ("stream_error",          stream_error(0),                  SERVED),
        ("lie_on_health",         Fault::LieOnHealth.into(),        lied),
    ];
    pairs(rows.map(|(fault, trouble, outcome)| (fault, trouble, outcome, outcome)))
}

/// Faults of all endpoints: the client gets the backend's own error, or one that tells what happened.
#[rustfmt::skip]
pub(crate) fn everywhere() -> Vec<Row> {
    use At::Start;
    use Trouble::{Cut, NoTls, Refuses, Silent};
    let rows = [
        ("refused",               Refuses,                          demoted(502, "connection_refused")),
        ("connect timeout",       Silent,                           demoted(504, "connect_timeout")),
        ("no TLS",                NoTls,                            demoted(502, "tls_failed")),
        ("reset_before_head",     Fault::ResetBeforeHead.into(),    demoted(502, "reset_before_head")),
        ("close_before_head",     Fault::CloseBeforeHead.into(),    demoted(502, "reset_before_head")),
        ("hang_before_head",      Fault::HangBeforeHead.into(),     demoted(504, "head_timeout")),
        ("malformed_head",        Fault::MalformedHead.into(),      demoted(502, "malformed_head")),
        ("status 503",            status(503),                      final_answer(503)),
        ("rate_limited",          RATE_LIMITED.into(),              final_answer(429)),
        ("close_after, no body",  Cut(close, Start),                refused(502, "truncated")),
        ("hang_after, no body",   Cut(hang, Start),                 refused(504, "stalled")),
        ("malformed_chunk, first", Cut(garbage, Start),             refused(502, "truncated")),
    ];
    let asks = [Ask::Whole, Ask::Stream, Ask::Anthropic, Ask::Ollama];
    let each =
        rows.into_iter().flat_map(|(fault, trouble, outcome)| asks.map(|ask| row(fault, trouble.clone(), ask, outcome)));
    let mut rows: Vec<_> = each.collect();
    // Ollama is given minutes to load a model.
    rows.retain(|row| (row.ask, row.fault) != (Ask::Ollama, "hang_before_head"));
    rows.extend(streams([
        ("stream_error, first",   stream_error(0), Outcome { by: By::Well, attempts: 2, ..TOLD_BY_BACKEND }),
    ]));
    rows
}

/// Nobody has answered; Olla says so.
const fn refused(status: u16, code: &'static str) -> Outcome {
    Outcome { saw: Saw::Error(status), by: By::Nobody, attempts: 2, code, ..MOVED }
}

/// The same, and no endpoint is to be used again before it has been checked.
const fn demoted(status: u16, code: &'static str) -> Outcome {
    Outcome { blame: Blame::Demoted, ..refused(status, code) }
}

/// The last answer is no better than the first, and handed on.
const fn final_answer(status: u16) -> Outcome {
    Outcome { saw: Saw::Error(status), ..MOVED }
}

const RATE_LIMITED: Fault = Fault::RateLimited { retry_after_secs: 1 };
/// More than any client takes.
const OVERSIZE: Fault = Fault::OversizeHead { bytes: 4 * 1024 * 1024 };
/// The backend's answer, and the client's mistake.
const NOT_FOUND: Outcome = Outcome { saw: Saw::Error(404), ..SERVED };

fn reset(bytes: usize) -> Fault {
    Fault::ResetAfter { bytes }
}

fn close(bytes: usize) -> Fault {
    Fault::CloseAfter { bytes, framed: None }
}

fn close_length(bytes: usize) -> Fault {
    Fault::CloseAfter { bytes, framed: Some(Framed::ContentLength) }
}

fn close_chunked(bytes: usize) -> Fault {
    Fault::CloseAfter { bytes, framed: Some(Framed::Chunked) }
}

fn hang(bytes: usize) -> Fault {
    Fault::HangAfter { bytes }
}

fn garbage(bytes: usize) -> Fault {
    Fault::MalformedChunk { bytes }
}

fn status(status: u16) -> Trouble {
    Fault::Status { status, headers: [].into(), body: None }.into()
}

fn stream_error(after_events: usize) -> Trouble {
    Fault::StreamError { after_events }.into()
}

/// Slow, and never silent for long.
fn drip() -> Trouble {
    Fault::SlowDrip { bytes_per_second: 20_000.try_into().unwrap() }.into()
}

fn row(fault: &'static str, trouble: Trouble, ask: Ask, outcome: Outcome) -> Row {
    Row { fault, trouble, ask, outcome }
}

/// A whole answer and a stream for each.
fn pairs(rows: impl IntoIterator<Item = (&'static str, Trouble, Outcome, Outcome)>) -> Vec<Row> {
    let both = rows.into_iter().flat_map(|(fault, trouble, whole, stream)| {
        [row(fault, trouble.clone(), Ask::Whole, whole), row(fault, trouble, Ask::Stream, stream)]
    });
    both.collect()
}

/// A stream in each dialect.
fn streams(rows: impl IntoIterator<Item = (&'static str, Trouble, Outcome)>) -> Vec<Row> {
    let each = rows.into_iter().flat_map(|(fault, trouble, outcome)| {
        [Ask::Stream, Ask::Anthropic, Ask::Ollama].map(|ask| row(fault, trouble.clone(), ask, outcome))
    });
    each.collect()
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

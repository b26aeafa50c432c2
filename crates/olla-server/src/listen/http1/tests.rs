//! A connection as its client sees it, over a pipe.

mod against_hyper;
mod replies;
mod requests;

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use olla_proxy::Answered;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Broken, Connection, Link, Receiving, Refused};

type Asked = Result<(Box<request::Parts>, Receiving<DuplexStream>), Refused>;
type Answering = Pin<Box<dyn Future<Output = Result<Answered<Script>, Infallible>>>>;
type Served<A> = Connection<DuplexStream, A, Answering, Script>;

/// A body that does what it is told to.
#[derive(Debug, Default)]
struct Script {
    steps: VecDeque<Step>,
    length: Option<u64>,
    /// Whether it says that it has ended before it is asked for more.
    tells_end: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Wait,
    Break,
}

/// What a request was, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    head: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

const MOST: usize = 16 * 1024;

impl Script {
    fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    fn whole(text: &'static str) -> Self {
        Self {
            length: Some(text.len() as u64),
            ..Self::of([Step::Data(Bytes::from_static(text.as_bytes()))])
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Break) => Some(Err(())),
            None => None,
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Returns both ends of a connection, which keeps so many bytes under way.
fn connection<A: Fn(Asked) -> Answering>(answer: A, room: usize) -> (DuplexStream, Served<A>) {
    let (client, socket) = tokio::io::duplex(room);
    (client, Connection::new(Link::new(socket), answer, |_| false, MOST))
}

/// Sends these pieces, and returns all that comes back, and how the connection has ended.
async fn talk<A: Fn(Asked) -> Answering>(
    answer: A,
    pieces: impl IntoIterator<Item = &[u8]>,
) -> (String, Result<(), Broken>) {
    let (mut client, mut connection) = connection(answer, 1 << 20);
    let (mut said, mut written) = tokio::io::split(&mut client);
    let send = async {
        for piece in pieces {
            // Who is refused is not read to the end.
            if written.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        // Who hangs up has left: not before it has its answers.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let _ = written.shutdown().await;
    };
    let mut text = vec![];
    let serve = async {
        let ended = poll_fn(|cx| connection.poll(cx)).await;
        drop(connection);
        ended
    };
    let (ended, (), read) = tokio::join!(serve, send, said.read_to_end(&mut text));
    read.unwrap();
    (String::from_utf8(text).unwrap(), ended)
}

/// Answers with this and nothing else.
fn always(make: impl Fn() -> Response<Script>) -> impl Fn(Asked) -> Answering {
    move |asked| {
        let response = match asked {
            Ok(_) => make(),
            Err(refused) => refusal(refused),
        };
        Box::pin(async { Ok(response.into()) })
    }
}

fn refusal(refused: Refused) -> Response<Script> {
    let mut response = Response::new(Script::default());
    *response.status_mut() = refused.answer().0;
    response
}

/// Notes what requests were, and says thanks.
fn noting(seen: &Arc<std::sync::Mutex<Vec<Seen>>>) -> impl Fn(Asked) -> Answering + use<> {
    let seen = Arc::clone(seen);
    move |asked| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            let request = match asked {
                Ok(request) => request,
                Err(refused) => return Ok(refusal(refused).into()),
            };
            let one = note(request).await;
            let status = if one.body.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
            seen.lock().unwrap().push(one);
            let mut response = Response::new(Script::whole("thanks"));
            *response.status_mut() = status;
            Ok(response.into())
        })
    }
}

async fn note<B: Body>((parts, body): (Box<request::Parts>, B)) -> Seen {
    let head = format!("{} {} {:?}", parts.method, parts.uri, parts.version);
    let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
    Seen { head, headers: parts.headers, body }
}

/// Returns the requests that are found in these pieces, and the statuses they are answered with.
async fn seen_in(pieces: impl IntoIterator<Item = &[u8]>) -> (Vec<Seen>, Vec<u16>) {
    let seen = Arc::default();
    let (text, _) = talk(noting(&seen), pieces).await;
    let statuses = text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap());
    let statuses = statuses.filter(|status| *status != 100).collect();
    (std::mem::take(&mut *seen.lock().unwrap()), statuses)
}

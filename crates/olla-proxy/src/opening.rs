//! Holds a response back until it has brought its first output: until then an error can still be kept from the
//! client, and another backend be asked.
//!
//! What is held is little, and nothing that a client waits for: of a stream roles, empty pieces and comments, of
//! any other response its head. It is handed on with the first output, at once. A stream that brings neither output
//! nor an error is handed on too.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use olla_core::Failure;
use olla_translate::{Dialect, Opening, Progress};
use smallvec::SmallVec;
use tokio::time::{Instant, sleep_until};

use crate::{clock, deadline::within, upstream::Answer};

/// Pieces that are held at most.
const MAX_CHUNKS: usize = 64;
/// Bytes that are held at most.
const MAX_BYTES: usize = 256 * 1024;
/// Longest time that a client is shown nothing although its stream has begun.
pub(crate) const LONGEST: Duration = Duration::from_secs(15);
/// How much longer that is where a decision is still to be made about a stream that is late.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// What is held of a stream.
pub(crate) type Held = SmallVec<[Bytes; 2]>;

/// How long a stream may take to begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// When it is handed on whether there is some output or not.
    pub(crate) until: Instant,
    /// The longest silence; zero is any.
    pub(crate) stall: Duration,
}

/// Reads a stream up to its first output, and puts what was read back. Returns `Nothing` when it is handed on
/// without any. Cancel-safe: dropping the future drops the answer, which cancels it.
pub(crate) async fn hold(
    answer: &mut Answer,
    dialect: Dialect,
    Patience { until, stall }: Patience,
) -> Result<Progress, Failure> {
    let mut opening = Opening::new(dialect);
    let (mut held, mut bytes) = (Held::new(), 0);
    let mut heard = clock::instant();
    let mut timer = pin!(sleep_until(until));
    let progress = loop {
        if held.len() >= MAX_CHUNKS || bytes >= MAX_BYTES {
            break Progress::Nothing;
        }
        let silent = if stall.is_zero() { None } else { heard.checked_add(stall) };
        timer.as_mut().reset(silent.map_or(until, |silent| silent.min(until)));
        let frame = tokio::select! {
            biased;
            frame = answer.body_mut().frame() => frame,
            () = &mut timer => match silent {
                Some(silent) if silent < until => return Err(Failure::Stall),
                _ => break Progress::Nothing,
            },
        };
        heard = clock::instant();
        match frame {
            // Nothing at all is no answer.
            None if bytes == 0 => return Err(Failure::Truncated),
            None => break Progress::Nothing,
            Some(Err(failure)) => return Err(failure),
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data() else { continue };
                bytes += chunk.len();
                let progress = opening.feed(&chunk);
                held.push(chunk);
                if progress != Progress::Nothing {
                    break progress;
                }
            }
        }
    };
    answer.body_mut().put_back(held);
    Ok(progress)
}

/// Waits for the first byte of a response that is no stream, and puts it back. Cancel-safe, as [`hold`].
pub(crate) async fn begin(answer: &mut Answer, stall: Duration) -> Result<(), Failure> {
    if answer.body_mut().is_end_stream() {
        return Ok(());
    }
    let limit = if stall.is_zero() { LONGEST } else { stall.min(LONGEST) };
    match within(Some(clock::instant() + limit), answer.body_mut().frame()).await {
        Ok(Some(Ok(frame))) => {
            if let Ok(chunk) = frame.into_data() {
                answer.body_mut().put_back(Held::from_iter([chunk]));
            }
            Ok(())
        }
        Ok(Some(Err(failure))) => Err(failure),
        Err(_) if limit == stall => Err(Failure::Stall),
        Ok(None) | Err(_) => Ok(()),
    }
}

//! Whether a backend turns out not to have the path of a conversation, and so is to be asked in other words.
//!
//! A status does not say so by itself: a model, a response or a file that nobody has is not found either.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use memchr::memmem::Finder;
use olla_core::Failure;

use crate::{
    clock,
    deadline::within,
    opening::{self, Held},
    respond::is_open_stream,
    upstream::Answer,
};

/// How much of an answer is read, bytes: what is missing is said at its beginning.
const MAX_BYTES: usize = 64 * 1024;
/// How long a backend may take to say it.
const LONGEST: Duration = Duration::from_secs(5);

/// What stands in answers about something else that is missing: a model, or what is named by an id.
const SOMETHING_ELSE: [&str; 7] =
    ["model", "with id", "previous_response", "no endpoints found", "deployment", "resp_", "adapter"];

/// Takes an answer for what it is if it says with a status of success that there is no such path: its body begins
/// like `text` then.
pub(super) async fn unmask(answer: &mut Answer, text: &[u8], stall: Duration) -> Result<(), Failure> {
    if answer.status().is_success() && !is_open_stream(answer.headers()) {
        opening::begin(answer, stall).await?;
        if answer.begins_with(text) {
            answer.correct_status(StatusCode::NOT_FOUND);
        }
    }
    Ok(())
}

/// Returns whether an answer whose status may mean that says that there is no such path. The answer is as before.
pub(super) async fn lacks_path(answer: &mut Answer) -> bool {
    let until = clock::instant() + LONGEST;
    let (mut held, mut text) = (Held::new(), Vec::new());
    while text.len() < MAX_BYTES {
        let Ok(Some(Ok(frame))) = within(Some(until), answer.body_mut().frame()).await else { break };
        let Ok(chunk) = frame.into_data() else { continue };
        text.extend_from_slice(&chunk);
        held.push(chunk);
    }
    answer.body_mut().put_back(held);
    text.make_ascii_lowercase();
    !SOMETHING_ELSE.iter().any(|words| Finder::new(words).find(&text).is_some())
}

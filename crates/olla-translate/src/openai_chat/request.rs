//! Requests for a chat completion.

mod read;
mod write;

pub(crate) use read::{media, read};
pub(crate) use write::write;

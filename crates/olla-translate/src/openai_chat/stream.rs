//! Streams of chat completion chunks.

mod calls;
mod reader;
mod writer;

pub(crate) use reader::StreamReader;
pub(crate) use writer::StreamWriter;

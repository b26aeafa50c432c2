//! Streams of events.

mod reader;
mod writer;

pub(crate) use reader::StreamReader;
pub(crate) use writer::StreamWriter;

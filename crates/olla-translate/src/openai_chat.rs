//! OpenAI's chat completions, and the many servers that imitate them.

mod answer;
mod request;
mod response;
mod stop;
mod stream;
mod usage;

pub(crate) use request::{media, read as read_request, write as write_request};
pub(crate) use response::{read as read_response, write as write_response};
pub(crate) use stream::{StreamReader, StreamWriter};

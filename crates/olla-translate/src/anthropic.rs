//! Anthropic's Messages API.

mod models;
mod request;
mod response;
mod stop;
mod stream;
mod usage;

pub use models::{ListedModel, ModelPage};
pub(crate) use request::{read as read_request, read_prompt, write as write_request};
pub(crate) use response::{read as read_response, write as write_response};
pub(crate) use stream::{StreamReader, StreamWriter};

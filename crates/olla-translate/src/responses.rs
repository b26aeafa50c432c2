//! OpenAI's Responses, for clients: their requests are read, their answers written. Backends of this format get
//! the client's own bytes.

mod echo;
mod history;
mod input_items;
mod item;
mod request;
mod response;
mod stream;

pub(crate) use echo::read as echo;
pub use history::ResponseChain;
pub use input_items::ItemPage;
pub(crate) use item::Namespaced;
pub(crate) use request::read as read_request;
pub(crate) use response::{id, write as write_response};
pub(crate) use stream::StreamWriter;

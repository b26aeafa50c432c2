//! What both sides of HTTP/1.1 have in common (RFC 9112): receiving, the fields of a head, where a body ends,
//! sending small pieces as one, and receiving and sending in batches.
//!
//! The side of the backends is this crate's own; whoever serves clients may use the same parts.

mod arrival;
mod batch;
mod decoder;
mod direct;
mod fields;
mod inbox;
mod joined;
mod socket;
mod spare;
#[cfg(test)]
mod tests;

pub use batch::{Batches, TakesBuffers};
pub use decoder::{Decoded, Decoder, Length};
pub use direct::Direct;
pub use fields::{digits, head_end, lists, push_field, push_length, read_fields, span};
pub use inbox::Inbox;
pub use joined::{LONGEST_COPIED, Pieces, poll_write, unsent};
pub use spare::{give_back, spare};

/// What is longer is received and sent by itself: a request whose body is [copied](LONGEST_COPIED_BODY) is not.
const LONGEST_BATCHED: usize = 20 * 1024;

/// The body of a request is copied behind its head up to this length: it costs less to copy than to send by itself.
pub(crate) const LONGEST_COPIED_BODY: usize = 16 * 1024;

/// No more sockets than this have others wait for them.
const LARGEST_BATCH: usize = 64;

/// What is no message of HTTP/1.1, or none that can be understood in one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

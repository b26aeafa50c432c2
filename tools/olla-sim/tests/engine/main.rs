//! The engine as its clients see it, observed by a raw TCP client.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cli;
mod client;
mod dialects;
mod faults;
mod lifecycle;
mod load;
mod pages;
mod records;

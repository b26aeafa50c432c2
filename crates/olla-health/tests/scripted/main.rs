//! The monitor against scripted backends, in paused time: no socket, no real waiting.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod details;
mod discovery;
mod journal;
mod local;
mod network;
mod probes;
mod recognition;
mod residency;
mod stage;

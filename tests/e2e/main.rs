//! `olla-server` as a user runs it: real processes, simulated engines, one file for each behaviour.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set its stage has failed")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod admin_paths;
mod aliases;
mod cancel;
mod catalogue;
mod chaos;
mod client;
mod config_errors;
mod connection_limits;
mod cors;
mod demo;
mod discovery;
mod drain;
mod ejection;
mod engines;
mod explain;
mod faults;
mod filters;
mod life_cycle;
mod log_lines;
mod main_job;
mod new_kind;
mod nothing;
mod olla;
mod patience;
mod protocols;
mod queue;
mod rate_limits;
mod recovery;
mod rediscovery;
mod size_limits;
mod slow_backend;
mod smuggling;
mod sticky;
mod translation;
mod warm;

//! The Olla server: configuration, composition, listeners, the admin API and the process around them.
//!
//! It is the only crate that knows files, the environment, signals and standard output. It must not
//! know how a request is routed or a backend is checked: those are `olla-proxy` and `olla-health`.

mod check;
mod cli;
mod config;

//! The Olla server: configuration, composition, listeners, the admin API and the process around them.
//!
//! It is the only crate that knows files, the environment, signals and standard output. It must not
//! know how a request is routed or a backend is checked: those are `olla-proxy` and `olla-health`.
//!
//! ```
//! use std::process::ExitCode;
//!
//! // What the binary does with its command line:
//! let code = olla_server::run(["olla-server".into(), "--version".into()]);
//! assert_eq!(code, ExitCode::SUCCESS);
//! ```

mod access_log;
mod admin;
mod body;
mod check;
mod cli;
mod compose;
mod config;
mod demo;
mod dispatch;
mod explain;
mod fetch;
mod huge_pages;
mod listen;
mod log;
mod open_files;
mod rediscovery;
mod run;
mod start;
mod stats;
mod summary;

pub use start::run;

//! The `olla-server` binary.

use std::process::ExitCode;

// Half the time of the system allocator for the short-lived buffers of a proxy. Linked in, it takes the place of the
// C library's `malloc`, of which Rust asks less than a global allocator of its own would be asked: no alignment.
use mimalloc as _;

fn main() -> ExitCode {
    olla_server::run(std::env::args_os())
}

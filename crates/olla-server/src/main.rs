//! The `olla-server` binary.

use std::process::ExitCode;

// Half the time of the system allocator for the short-lived buffers of a proxy. On Linux it takes the place of the C
// library's `malloc`, of which Rust asks less than of an allocator of its own: no alignment.
#[cfg(target_os = "linux")]
use mimalloc as _;
#[cfg(not(target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    olla_server::run(std::env::args_os())
}

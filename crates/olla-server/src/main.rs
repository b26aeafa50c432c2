//! The `olla-server` binary.

use std::process::ExitCode;

// Half the time of the system allocator for the short-lived buffers of a proxy.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    olla_server::run(std::env::args_os())
}

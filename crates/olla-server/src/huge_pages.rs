//! Memory in pages of the usual size: a proxy holds little of it at a time, scattered over many connections.

/// Keeps the kernel from giving this process whole huge pages (Linux; 2 MiB each on most machines) of which it
/// uses a corner: at rest that is more than half of its resident memory.
pub(crate) fn do_without() {
    // Where it cannot be had, nothing is worse than before.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

//! What the operating system tells about this process. Where it tells nothing, nothing is made up.
//!
//! Linux only, from `/proc` and the control group; elsewhere every value is unknown.

use std::{fs, time::Duration};

/// The unit of processor times in `/proc/self/stat`: the kernel reports hundredths of a second to
/// programs on every architecture that Rust supports there.
const TICKS_PER_SECOND: u64 = 100;

/// The values at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Vitals {
    /// Memory in use.
    pub(super) memory: Memory,
    /// Processor time used by all threads, past ones included.
    pub(super) cpu: Option<Cpu>,
    /// Threads now.
    pub(super) threads: Option<u64>,
    /// Open file descriptors, sockets included.
    pub(super) open_files: Option<usize>,
}

/// Memory of the process, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Resident now.
    pub(super) rss: Option<u64>,
    /// The most that has ever been resident.
    pub(super) peak: Option<u64>,
    /// Resident and not backed by a file: heap and stacks.
    pub(super) anonymous: Option<u64>,
    /// Reserved for data.
    pub(super) data: Option<u64>,
    /// The most this process may use: the limit of its control group, else the machine's memory.
    pub(super) limit: Option<u64>,
}

/// Processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cpu {
    /// In the program.
    pub(super) user: Duration,
    /// In the kernel on the program's behalf.
    pub(super) system: Duration,
}

/// Reads the values.
pub(super) fn read() -> Vitals {
    let status = text("/proc/self/status");
    Vitals {
        memory: Memory { limit: limit(), ..memory(&status) },
        cpu: cpu(&text("/proc/self/stat")),
        threads: field(&status, "Threads").and_then(|value| value.parse().ok()),
        // Reading the directory opens one more.
        open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1)),
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn memory(status: &str) -> Memory {
    Memory {
        rss: kilobytes(status, "VmRSS"),
        peak: kilobytes(status, "VmHWM"),
        anonymous: kilobytes(status, "RssAnon"),
        data: kilobytes(status, "VmData"),
        limit: None,
    }
}

fn limit() -> Option<u64> {
    let groups = text("/proc/self/cgroup");
    let group = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let allowed = text(&format!("/sys/fs/cgroup{group}/memory.max")).trim().parse().ok();
    let machine = kilobytes(&text("/proc/meminfo"), "MemTotal");
    allowed.into_iter().chain(machine).min()
}

/// Finds a line such as `VmRSS:      1234 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let count: u64 = field(text, name)?.strip_suffix("kB")?.trim().parse().ok()?;
    count.checked_mul(1024)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Reads the 14th and 15th field; the second, the program's name, may itself hold spaces and parentheses.
fn cpu(stat: &str) -> Option<Cpu> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut next = || Some(Duration::from_millis(times.next()?.ok()?.checked_mul(1000 / TICKS_PER_SECOND)?));
    Some(Cpu { user: next()?, system: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_memory_by_whole_names() {
        let status = "Name:\tolla\nVmRSSx:\t1 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t7\n";

        let memory = memory(status);

        assert_eq!((memory.rss, memory.peak, memory.data), (Some(1 << 20), Some(2 << 20), None));
        assert_eq!(field(status, "Threads"), Some("7"));
    }

    #[test]
    fn finds_processor_times_behind_an_awkward_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 3 0 100";

        let cpu = cpu(stat).unwrap();

        assert_eq!((cpu.user, cpu.system), (Duration::from_millis(2500), Duration::from_millis(750)));
    }

    #[test]
    fn tells_nothing_from_what_it_cannot_read() {
        assert_eq!(cpu(""), None);
        assert_eq!(cpu("1 (x) S 1"), None);
        assert_eq!(memory("VmRSS: many kB"), Memory::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_this_process() {
        let vitals = read();

        let Memory { rss, peak, limit, .. } = vitals.memory;
        assert!(rss > Some(0) && peak >= rss && limit > rss, "{vitals:?}");
        assert!(
            vitals.threads > Some(0) && vitals.open_files > Some(0) && vitals.cpu.is_some(),
            "{vitals:?}"
        );
    }
}

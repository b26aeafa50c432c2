//! `GET /internal/process`: the process as the operating system sees it.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    format,
    vitals::{Memory, Vitals},
};

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    timestamp: String,
    memory: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<CpuEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<Count<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Count<usize>>,
    runtime: Runtime,
}

#[derive(Serialize)]
struct CpuEntry {
    user_seconds: f64,
    system_seconds: f64,
}

#[derive(Serialize)]
struct Count<N> {
    count: N,
}

#[derive(Serialize)]
struct Runtime {
    uptime: String,
    uptime_seconds: u64,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_cpu: Option<usize>,
}

/// Writes the document as of `now`.
pub(super) fn document(vitals: &Vitals, started: SystemTime, now: SystemTime) -> Document {
    let uptime = now.duration_since(started).unwrap_or_default();
    Document {
        timestamp: format::timestamp(now),
        memory: memory(vitals.memory),
        cpu: vitals.cpu.map(|cpu| CpuEntry {
            user_seconds: cpu.user.as_secs_f64(),
            system_seconds: cpu.system.as_secs_f64(),
        }),
        threads: vitals.threads.map(|count| Count { count }),
        files: vitals.open_files.map(|count| Count { count }),
        runtime: runtime(uptime),
    }
}

fn runtime(uptime: Duration) -> Runtime {
    Runtime {
        uptime: format::duration(uptime),
        uptime_seconds: uptime.as_secs(),
        pid: std::process::id(),
        num_cpu: thread::available_parallelism().ok().map(usize::from),
    }
}

/// Writes each known size twice: for people, and in bytes.
fn memory(memory: Memory) -> Map<String, Value> {
    let mut entry = Map::new();
    for (name, size) in [
        ("rss", memory.rss),
        ("rss_peak", memory.peak),
        ("heap_inuse", memory.anonymous),
        ("heap_sys", memory.data),
        ("limit", memory.limit),
    ] {
        if let Some(size) = size {
            entry.insert(name.into(), format::bytes(size).into());
            entry.insert(format!("{name}_bytes"), size.into());
        }
    }
    if let Some(known) = memory.rss.zip(memory.limit) {
        entry.insert("memory_pressure".into(), pressure(known).into());
    }
    entry
}

fn pressure((rss, limit): (u64, u64)) -> &'static str {
    let percent = rss as f64 * 100.0 / limit.max(1) as f64;
    if percent < 70.0 {
        "LOW"
    } else if percent < 90.0 {
        "MEDIUM"
    } else {
        "HIGH"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::vitals::Cpu;

    fn write(vitals: &Vitals) -> Value {
        let started = SystemTime::UNIX_EPOCH;
        serde_json::to_value(document(vitals, started, started + Duration::from_secs(125))).unwrap()
    }

    #[test]
    fn writes_sizes_for_people_and_in_bytes() {
        let memory = Memory { rss: Some(95 << 20), limit: Some(100 << 20), ..Memory::default() };
        let (user, system) = (Duration::from_millis(2500), Duration::from_millis(10));

        let document = write(&Vitals { memory, cpu: Some(Cpu { user, system }), ..Vitals::default() });

        assert_eq!(document["memory"]["rss"], "95.00 MB");
        assert_eq!(document["memory"]["rss_bytes"], 95 << 20);
        assert_eq!(document["memory"]["memory_pressure"], "HIGH");
        assert_eq!(document["cpu"], json!({"user_seconds": 2.5, "system_seconds": 0.01}));
        assert_eq!(document["runtime"]["uptime"], "2m5s");
    }

    #[test]
    fn leaves_out_what_is_unknown() {
        let document = write(&Vitals::default());

        assert_eq!(document["memory"], json!({}));
        for absent in ["cpu", "threads", "files"] {
            assert_eq!(document.get(absent), None);
        }
    }

    #[test]
    fn pressure_is_the_share_of_the_limit() {
        assert_eq!([69, 70, 89, 90].map(|rss| pressure((rss, 100))), ["LOW", "MEDIUM", "MEDIUM", "HIGH"]);
    }
}

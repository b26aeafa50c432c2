//! The binary: what it prints, and how it exits.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_olla-sim");

/// A `serve` process that is killed with the test.
struct Served {
    child: Child,
    url: String,
    _stdout: BufReader<ChildStdout>,
}

impl Served {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(BINARY).arg("serve").args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").expect(&line).to_owned();
        Served { child, url, _stdout: stdout }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load(args: &[&str]) -> Output {
    Command::new(BINARY).arg("load").args(args).output().unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn load_against_serve_succeeds_and_prints_a_report() {
    let engine = Served::start(&["--name", "sim-z", "--model", "m", "--workers", "2"]);

    let output = load(&[&engine.url, "--model", "m", "--requests", "50", "--connections", "4", "--stream"]);

    assert!(output.status.success(), "{output:?}");
    assert_eq!((&report(&output)["ok"], &report(&output)["engines"]["sim-z"]), (&50.into(), &50.into()));
}

#[test]
fn load_exits_1_when_a_request_failed() {
    let engine = Served::start(&["--fault", r#"{"fault":"reset_before_head","count":1}"#]);

    let output = load(&[&engine.url, "--requests", "10", "--connections", "1"]);

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&report(&output)["ok"], &report(&output)["errors"]["closed_before_head"]),
        (&9.into(), &1.into())
    );
}

#[test]
fn load_counts_what_it_leaves_and_exits_0() {
    let engine = Served::start(&["--ttft-ms", "60000"]);

    let output = load(&[
        &engine.url,
        "--requests",
        "4",
        "--connections",
        "2",
        "--cancel-percent",
        "100",
        "--cancel-within-ms",
        "20",
    ]);

    assert!(output.status.success(), "{output:?}");
    assert_eq!((&report(&output)["cancelled"], &report(&output)["ok"]), (&4.into(), &0.into()));
}

#[test]
fn a_wrong_flag_is_explained() {
    let kind = Command::new(BINARY).args(["serve", "--kind", "gpt"]).output().unwrap();
    let fault = Command::new(BINARY).args(["serve", "--fault", "explode"]).output().unwrap();
    let url = load(&["https://localhost"]);

    assert!(String::from_utf8_lossy(&kind.stderr).contains("docker-model-runner"), "{kind:?}");
    assert!(String::from_utf8_lossy(&fault.stderr).contains("malformed_head"), "{fault:?}");
    assert_eq!(url.status.code(), Some(2));
}

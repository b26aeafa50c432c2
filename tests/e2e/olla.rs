//! A real `olla-server` process, in a directory and an environment of its own.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use http::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::client::{self, Answer, Body};

/// Longer than anything that is waited for; a test that gets here has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Other programs may take a port between our finding it free and the server's binding it.
const ATTEMPTS: usize = 5;
const PORT_TAKEN: &str = "another program uses this port";

/// What a process is started with. Its environment is empty but for what is set here.
pub(crate) struct Setup {
    directory: TempDir,
    variables: Vec<(&'static str, String)>,
    arguments: Vec<&'static str>,
}

/// What a process that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running server. Dropping it ends the process.
pub(crate) struct Olla {
    process: Child,
    log: Log,
    address: SocketAddr,
    _directory: TempDir,
}

/// The lines that a process has written so far.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

// === impl Setup ===

impl Setup {
    /// An empty directory: no configuration at all.
    pub(crate) fn nothing() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), variables: vec![], arguments: vec![] }
    }

    /// A directory with this `config.yaml`.
    pub(crate) fn config(text: &str) -> Self {
        Self::nothing().file("config.yaml", text)
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    pub(crate) fn arguments(mut self, arguments: &[&'static str]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_olla-server"));
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(&self.arguments).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// Runs a process that ends by itself.
    pub(crate) async fn run(&self) -> Ended {
        let mut command = self.command();
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = timeout(PATIENCE, output).await.expect("the process ends").unwrap().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a server on a free port, which is open when this returns.
    pub(crate) async fn start(mut self) -> Olla {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            self.variables.retain(|(name, _)| *name != "OLLA_SERVER_PORT");
            self = self.variable("OLLA_SERVER_PORT", port.to_string());
            match Olla::launch(&self).await {
                Some((process, log, address)) => {
                    assert_eq!(address.port(), port);
                    return Olla { process, log, address, _directory: self.directory };
                }
                None => continue,
            }
        }
        panic!("no port stayed free")
    }

    /// Starts a process that chooses its port itself.
    pub(crate) async fn start_on_its_own_port(self) -> Olla {
        let (process, log, address) = Olla::launch(&self).await.expect("nobody has port 0");
        Olla { process, log, address, _directory: self.directory }
    }
}

// === impl Olla ===

impl Olla {
    /// Returns `None` when the port turned out to be taken.
    async fn launch(setup: &Setup) -> Option<(Child, Log, SocketAddr)> {
        let mut process = setup.command().spawn().unwrap();
        let log = Log::read(process.stdout.take().unwrap());
        let line = log.text(|line| line.contains("listening") || line.contains(PORT_TAKEN)).await;
        if line.contains(PORT_TAKEN) {
            process.wait().unwrap();
            return None;
        }
        let port = line.split("http://localhost:").nth(1).expect("the address is logged");
        let port = port.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        Some((process, log, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::default()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, document: &Value) -> Answer {
        self.send(client::post(path, document)).await
    }

    /// Sends a request on a connection of its own and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        client::exchange(self.address, request).await
    }

    /// Returns once every endpoint has been checked.
    pub(crate) async fn ready(&self) {
        let ready = async {
            while self.get("/internal/ready").await.status != 200 {
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(PATIENCE, ready).await.expect("the server becomes ready");
    }

    /// Returns what `/internal/status/endpoints` says of an endpoint.
    pub(crate) async fn endpoint(&self, name: &str) -> Value {
        let document = self.get("/internal/status/endpoints").await.json();
        let entries = document["endpoints"].as_array().expect("a list of endpoints");
        entries.iter().find(|entry| entry["name"] == name).cloned().unwrap_or_default()
    }

    /// Returns what is said of an endpoint as soon as it is so.
    pub(crate) async fn endpoint_when(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut entry = self.endpoint(name).await;
        let changed = async {
            while !is_so(&entry) {
                sleep(LOOK_AGAIN).await;
                entry = self.endpoint(name).await;
            }
        };
        let in_time = timeout(PATIENCE, changed).await.is_ok();
        assert!(in_time, "the endpoint never came there: {entry}");
        entry
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for the end of the process and returns its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let ended = async {
            loop {
                match self.process.try_wait().unwrap() {
                    Some(status) => return status,
                    None => sleep(LOOK_AGAIN).await,
                }
            }
        };
        let status: ExitStatus = timeout(PATIENCE, ended).await.expect("the process ends");
        status.code()
    }
}

impl Drop for Olla {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(Some(_))) {
            return;
        }
        // The second signal ends it at once, whatever is in flight.
        for signal in [Signal::TERM, Signal::INT] {
            let _ = kill_process(Pid::from_child(&self.process), signal);
        }
        let _ = self.process.wait();
    }
}

// === impl Log ===

impl Log {
    fn read(from: ChildStdout) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (told, count) = watch::channel(0);
        let written = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let mut lines = written.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(line);
                told.send_replace(lines.len());
            }
        });
        Self { lines, count }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the first line that fits, written or to be written.
    pub(crate) async fn text(&self, fits: impl Fn(&str) -> bool) -> String {
        let mut count = self.count.clone();
        let found = async {
            loop {
                count.borrow_and_update();
                if let Some(line) = self.lines().into_iter().find(|line| fits(line)) {
                    return Some(line);
                }
                if count.changed().await.is_err() {
                    return self.lines().into_iter().find(|line| fits(line));
                }
            }
        };
        let found = timeout(PATIENCE, found).await.ok().flatten();
        found.unwrap_or_else(|| panic!("no such line in the log:\n{}", self.lines().join("\n")))
    }

    /// Returns the first JSON line that fits, written or to be written.
    pub(crate) async fn json(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
        let line = self.text(|line| parse(line).is_some_and(|value| fits(&value))).await;
        parse(&line).unwrap()
    }

    /// Returns once nothing more will be written.
    pub(crate) async fn end(&self) {
        let mut count = self.count.clone();
        let ended = async { while count.changed().await.is_ok() {} };
        timeout(PATIENCE, ended).await.expect("the log ends with the process");
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

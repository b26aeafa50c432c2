//! A scripted network: what answers at which port, and what it was asked.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use olla_core::Failure;
use olla_health::{Fetch, Fetched, Inquiry};
use tokio::time::{Instant, sleep};

/// What happens to a request.
#[derive(Clone)]
pub(crate) enum Reply {
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String, cut_off: bool },
    Fails(Failure),
    Hangs,
    After(Duration, Box<Reply>),
}

/// A request that arrived.
#[derive(Clone)]
pub(crate) struct Asked {
    /// Since the start of the script.
    pub(crate) at: Duration,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// What was posted; empty for a GET.
    pub(crate) posted: String,
}

pub(crate) struct Network {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    servers: HashMap<(String, u16), Server>,
}

#[derive(Default)]
struct Server {
    down: Option<Failure>,
    always: HashMap<String, Reply>,
    next: HashMap<String, VecDeque<Reply>>,
    asked: Vec<Asked>,
    under_way: HashMap<String, u32>,
    peak: HashMap<String, u32>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer { status, headers: vec![], body: String::new(), cut_off: false }
    }

    pub(crate) fn ok(body: &str) -> Self {
        Self::Answer { status: 200, headers: vec![], body: body.into(), cut_off: false }
    }

    pub(crate) fn with_header(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body, cut_off } => {
                headers.push((name, value.into()));
                Self::Answer { status, headers, body, cut_off }
            }
            other => other,
        }
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), state: Mutex::default() })
    }

    /// From now on, `path` on this port of 127.0.0.1 is answered like this; other paths with 404.
    pub(crate) fn serve(&self, port: u16, path: &str, reply: Reply) {
        self.serve_on("127.0.0.1", port, path, reply);
    }

    pub(crate) fn serve_on(&self, host: &str, port: u16, path: &str, reply: Reply) {
        let mut state = self.state();
        let server = state.servers.entry((host.into(), port)).or_default();
        server.down = None;
        server.always.insert(path.into(), reply);
    }

    /// The next request for `path` is answered like this, then it is as before.
    pub(crate) fn once(&self, port: u16, path: &str, reply: Reply) {
        self.server(port, |s| s.next.entry(path.into()).or_default().push_back(reply));
    }

    /// Every request to the port fails, until [`up`](Self::up) or [`serve`](Self::serve).
    pub(crate) fn down(&self, port: u16, failure: Failure) {
        self.server(port, |s| s.down = Some(failure));
    }

    pub(crate) fn up(&self, port: u16) {
        self.server(port, |s| s.down = None);
    }

    /// Forgets what the port answers.
    pub(crate) fn replace(&self, port: u16) {
        self.server(port, |s| s.always.clear());
    }

    /// Returns the requests for a path of a port, oldest first.
    pub(crate) fn asked(&self, port: u16, path: &str) -> Vec<Asked> {
        self.server(port, |s| s.asked.iter().filter(|a| a.path == path).cloned().collect())
    }

    /// Returns the number of requests to a port.
    pub(crate) fn count(&self, port: u16) -> usize {
        self.server(port, |s| s.asked.len())
    }

    /// Returns the seconds between consecutive requests for a path.
    pub(crate) fn gaps(&self, port: u16, path: &str) -> Vec<f64> {
        let asked = self.asked(port, path);
        asked.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect()
    }

    /// Returns the largest number of requests for a path that were under way at once.
    pub(crate) fn peak(&self, port: u16, path: &str) -> u32 {
        self.server(port, |s| s.peak.get(path).copied().unwrap_or_default())
    }

    fn server<T>(&self, port: u16, act: impl FnOnce(&mut Server) -> T) -> T {
        act(self.state().servers.entry(("127.0.0.1".into(), port)).or_default())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn begin(&self, key: &(String, u16), inquiry: &Inquiry) -> Reply {
        let at = self.started.elapsed();
        let path = inquiry.target.path.as_str().to_owned();
        let posted = String::from_utf8(inquiry.json.as_deref().unwrap_or_default().to_vec()).unwrap();
        let mut state = self.state();
        let Some(server) = state.servers.get_mut(key) else { return Reply::Fails(Failure::Refused) };
        server.asked.push(Asked { at, path: path.clone(), headers: inquiry.headers.clone(), posted });
        let under_way = server.under_way.entry(path.clone()).or_default();
        *under_way += 1;
        let peak = server.peak.entry(path.clone()).or_default();
        *peak = (*peak).max(*under_way);
        if let Some(failure) = server.down {
            return Reply::Fails(failure);
        }
        let next = server.next.get_mut(&path).and_then(VecDeque::pop_front);
        next.or_else(|| server.always.get(&path).cloned()).unwrap_or_else(|| Reply::status(404))
    }
}

/// Counts a request as under way until it is answered or given up.
struct UnderWay<'a>(&'a Network, (String, u16), String);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(server) = self.0.state().servers.get_mut(&self.1) {
            *server.under_way.entry(self.2.clone()).or_insert(1) -= 1;
        }
    }
}

impl Fetch for Network {
    async fn fetch(&self, inquiry: Inquiry) -> Result<Fetched, Failure> {
        let key = (inquiry.target.base.host().to_owned(), inquiry.target.base.port());
        let mut reply = self.begin(&key, &inquiry);
        let _under_way = UnderWay(self, key, inquiry.target.path.as_str().to_owned());
        loop {
            match reply {
                Reply::Answer { status, headers, body, cut_off } => {
                    let headers = headers.into_iter().map(|(name, value)| {
                        (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
                    });
                    return Ok(Fetched {
                        status: StatusCode::from_u16(status).unwrap(),
                        headers: headers.collect(),
                        body: body.into(),
                        cut_off,
                    });
                }
                Reply::Fails(failure) => return Err(failure),
                Reply::Hangs => std::future::pending().await,
                Reply::After(delay, then) => {
                    sleep(delay).await;
                    reply = *then;
                }
            }
        }
    }
}

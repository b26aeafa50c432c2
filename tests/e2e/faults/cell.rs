//! One cell of the matrix: two engines of its own, one of them in trouble, and a model that only they have.

use std::{fmt, net::SocketAddr};

use olla_sim::{Engine, Fault, Kind, Scope};
use serde_json::Value;

use super::{
    client::{Client, Protocol, Seen},
    table::{Ask, At, Blame, By, Outcome, Place, Row, Saw, Trouble},
};
use crate::{client, engines};

/// Events of a stream that have gone to the client when it breaks off midway.
const EVENTS_BEFORE: usize = 6;
/// Bytes of a whole answer that have, and of the event in which a stream breaks off.
const BYTES_BEFORE: usize = 40;

pub(crate) struct Cell {
    pub(crate) place: Place,
    pub(crate) row: Row,
    protocol: Protocol,
    pub(crate) number: usize,
    pub(crate) bad: Engine,
    pub(crate) well: Engine,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Found {
    saw: Saw,
    by: By,
    /// Attempts that the log line of the request tells of, and its error code.
    attempts: u64,
    code: String,
    blame: Blame,
    blames_well: bool,
    /// The status of the bad endpoint.
    health: String,
    /// Requests that reached the other engine.
    asked_well: u64,
    /// Bytes of the body that the client got.
    bytes: usize,
    /// Whether the client's connection serves on.
    is_usable: bool,
}

/// What Olla says of a cell.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) log_line: Value,
    pub(crate) bad: Blame,
    pub(crate) well: Blame,
    pub(crate) health: String,
}

// === impl Cell ===

impl Cell {
    pub(crate) async fn all(place: Place, rows: Vec<Row>) -> Vec<Self> {
        let mut cells = Vec::with_capacity(rows.len() * 2);
        for row in rows {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                let number = cells.len();
                let engine = |name| Engine::builder(name).kind(kind(place, row.ask)).models([model(number)]);
                let start = async |name| engines::start(engine(name)).await;
                let (bad, well) = (start("bad").await, start("well").await);
                cells.push(Self { place, row: row.clone(), protocol, number, bad, well });
            }
        }
        cells
    }

    pub(crate) fn model(&self) -> String {
        model(self.number)
    }

    /// The kind of both engines, of which the configuration tells Olla.
    pub(crate) fn kind(&self) -> Kind {
        kind(self.place, self.row.ask)
    }

    /// Makes the trouble.
    pub(crate) async fn go_wrong(&self) {
        self.bring_trouble_to(&self.bad).await;
        if self.place == Place::Everywhere {
            self.bring_trouble_to(&self.well).await;
        }
    }

    async fn bring_trouble_to(&self, engine: &Engine) {
        let scope = if self.place == Place::Health { Scope::Health } else { Scope::Inference };
        match &self.row.trouble {
            Trouble::Fault(fault) => engine.set_fault(fault.clone().on(scope)),
            Trouble::OnReuse(fault) => engine.set_fault(fault.clone().on(Scope::Reused)),
            Trouble::Cut(fault, at) => engine.set_fault(self.cut(engine, *fault, *at).await.on(scope)),
            Trouble::Refuses => engine.refuse(None).await,
            Trouble::Silent => engine.silence(None).await,
            Trouble::NoTls => {}
        }
        engine.forget();
    }

    /// Finds the place of the cut in the answer that the engine gives when nothing is wrong with it.
    async fn cut(&self, engine: &Engine, fault: fn(usize) -> Fault, at: At) -> Fault {
        let ask = self.row.ask;
        let request = client::post(ask.path_behind(), &ask.document(&self.model()));
        let answer = client::exchange(engine.addr(), request).await;
        let upto = |count: usize| ask.events(&answer.body).iter().take(count).map(|event| event.len()).sum();
        let bytes = match (at, ask) {
            (At::Start, _) => 0,
            (At::Opening, Ask::Whole) => 1,
            (At::Opening, _) => upto(ask.opening_events()),
            (At::Event | At::Within, Ask::Whole) => BYTES_BEFORE,
            (At::Event, _) => upto(EVENTS_BEFORE),
            (At::Within, _) => upto(EVENTS_BEFORE) + BYTES_BEFORE,
        };
        fault(bytes)
    }

    /// Whether the status of the bad endpoint says something: one that is as it was has outlived a check that met
    /// the fault.
    pub(crate) fn has_been_checked(&self) -> bool {
        let passes = matches!(self.row.trouble, Trouble::Fault(Fault::LieOnHealth));
        passes || self.row.outcome.health != "healthy" || self.bad.stats().faulted > 1
    }

    /// Makes the request and returns what its client saw; the rest is for others to tell.
    pub(crate) async fn ask(&self, address: SocketAddr) -> (Seen, bool) {
        let mut client = Client::connect(address, self.protocol).await;
        let request = || client::post(self.row.ask.path(), &self.row.ask.document(&self.model()));
        if self.asks_twice() {
            let first = client.exchange(request()).await;
            assert_eq!(first.saw(self.row.ask), Saw::Answer, "{self}: the first on its connection");
        }
        let seen = client.exchange(request()).await;
        let is_usable = client.is_usable().await;
        (seen, is_usable)
    }

    pub(crate) fn asks_twice(&self) -> bool {
        let idle = matches!(self.row.trouble, Trouble::Fault(Fault::IdleClose { .. }));
        matches!(self.row.trouble, Trouble::OnReuse(_)) || idle
    }

    /// Puts together what client, log, engines and status document tell.
    pub(crate) fn found(&self, (seen, is_usable): &(Seen, bool), told: Told) -> Found {
        let received = self.well.received();
        let asked_well = received.iter().filter(|request| request.path() == self.row.ask.path_behind());
        Found {
            saw: seen.saw(self.row.ask),
            by: seen.by(),
            attempts: told.log_line["attempts"].as_u64().unwrap_or_default(),
            code: told.log_line["error"].as_str().unwrap_or_default().to_owned(),
            blame: told.bad,
            blames_well: told.well != Blame::None,
            health: told.health,
            asked_well: asked_well.count() as u64,
            bytes: seen.body.len(),
            is_usable: *is_usable,
        }
    }

    /// Names everything that is not as it must be.
    pub(crate) fn complaint(&self, found: &Found) -> Option<String> {
        let Outcome { saw, by, attempts, blame, code, health } = self.row.outcome;
        let may_lose_connection = self.protocol == Protocol::Http1 && is_broken_off(saw);
        let blames_well = self.place == Place::Everywhere && blame != Blame::None;
        let is_well_spared = found.asked_well == u64::from(by == By::Well) || self.place == Place::Everywhere;
        let checks = [
            (found.saw == saw, format!("the client must see {saw:?}")),
            (found.by == by, format!("{by:?} must answer")),
            (found.attempts == attempts, format!("{attempts} attempt(s)")),
            (found.code == code, format!("the log line's error must be {code:?}")),
            (found.blame == blame, format!("blame must be {blame:?}")),
            (found.blames_well == blames_well, format!("the other endpoint is blamed: {blames_well}")),
            (is_well_spared, "the other engine must be asked only if it answers".to_owned()),
            (found.is_usable != may_lose_connection, format!("connection usable: {}", !may_lose_connection)),
            (self.place != Place::Health || found.health == health, format!("status must be {health}")),
        ];
        let wrong: Vec<_> = checks.into_iter().filter(|(holds, _)| !holds).map(|(_, wrong)| wrong).collect();
        (!wrong.is_empty()).then(|| format!("{self}: {}\n    {found:?}", wrong.join("; ")))
    }

    /// The cell as a row of the printed table.
    pub(crate) fn line(&self, found: &Found) -> String {
        let verdict = if self.complaint(found).is_none() { "" } else { "WRONG" };
        let Found { saw, by, attempts, code, blame, health, bytes, .. } = found;
        let health = if self.place == Place::Health { health } else { "" };
        format!(
            "| {self} | {saw:?} | {bytes} | {by:?} | {attempts} | {blame:?} | {code} | {health} | {verdict} |"
        )
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, place, row: Row { fault, ask, .. }, protocol, .. } = self;
        write!(f, "{number} | {fault} | {place:?} | {ask:?} | {protocol:?}")
    }
}

// === impl Found ===

impl Found {
    pub(crate) const HEADING: &str = "\
| # | fault | place | ask | client | saw | bytes | by | attempts | blame | error logged | health | |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";
}

/// Whether a body must not be taken for a complete one.
fn is_broken_off(saw: Saw) -> bool {
    match saw {
        Saw::Abort | Saw::ErrorEventAndAbort | Saw::Nothing => true,
        Saw::Answer | Saw::Error(_) | Saw::ErrorEvent | Saw::Lie | Saw::NoEnd => false,
    }
}

fn model(number: usize) -> String {
    format!("cell-{number}")
}

fn kind(place: Place, ask: Ask) -> Kind {
    match (place, ask) {
        (_, Ask::Ollama) => Kind::Ollama,
        // Its answer to a health check has a body, which can be cut.
        (Place::Health, _) => Kind::LlamaCpp,
        (Place::First | Place::Midway | Place::Everywhere, _) => Kind::Vllm,
    }
}

//! One Olla in front of the engines of all cells. The endpoint in trouble has the higher priority.

use std::time::Duration;

use futures_util::future::join_all;
use olla_sim::Engine;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    cell::{Cell, Found, Told},
    table::{Blame, Place, Trouble},
};
use crate::olla::{Olla, PATIENCE, Setup};

/// Long enough for a busy machine, short enough to wait for.
const LIMITS: &str = "connection_timeout: 1s, response_header_timeout: 2s, read_timeout: 2s";
const NO_RATES: &str = "global_requests_per_minute: 0, per_ip_requests_per_minute: 0";

pub(crate) struct Stage {
    olla: Olla,
}

// === impl Stage ===

impl Stage {
    pub(crate) async fn open(cells: &[Cell]) -> Self {
        let entries: String = cells.iter().map(entries).collect();
        let config = format!(
            "server: {{rate_limits: {{{NO_RATES}}}}}\nproxy: {{load_balancer: priority, {LIMITS}}}\nendpoints:\n{entries}"
        );
        let olla = Setup::config(&config).start().await;
        olla.ready().await;
        Self { olla }
    }

    /// Breaks what is to be broken, makes all requests at once and gathers what came of them.
    pub(crate) async fn run(&self, cells: &[Cell]) -> Vec<Found> {
        join_all(cells.iter().map(Cell::go_wrong)).await;
        let endpoints = self.settled(cells).await;
        let seen = join_all(cells.iter().map(|cell| cell.ask(self.olla.address()))).await;

        let mut found = Vec::with_capacity(cells.len());
        let lines = self.log_lines(cells).await;
        let (after, log) = (self.endpoints().await, self.log());
        for ((cell, seen), log_line) in cells.iter().zip(&seen).zip(lines) {
            let [bad, well] = [bad(cell), well(cell)].map(|name| blame(&after, &log, &name));
            let health =
                entry(&endpoints, &self::bad(cell))["status"].as_str().unwrap_or_default().to_owned();
            found.push(cell.found(seen, Told { log_line, bad, well, health }));
        }
        found
    }

    /// Waits until the health checks have found what is wrong; gives up in the end, and the table tells.
    async fn settled(&self, cells: &[Cell]) -> Value {
        let began = Instant::now();
        loop {
            let endpoints = self.endpoints().await;
            let is_found = |cell: &Cell| {
                let status = &entry(&endpoints, &bad(cell))["status"];
                cell.place != Place::Health || (status == cell.row.outcome.health && cell.has_been_checked())
            };
            if cells.iter().all(is_found) || began.elapsed() > PATIENCE {
                return endpoints;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn endpoints(&self) -> Value {
        self.olla.get("/internal/status/endpoints").await.json()
    }

    /// Waits for the line of each cell's last request.
    async fn log_lines(&self, cells: &[Cell]) -> Vec<Value> {
        let of = |cell: &Cell, lines: &[Value]| {
            let model = cell.model();
            let mut own = lines.iter().filter(|line| line["message"] == "request" && line["model"] == *model);
            own.nth(usize::from(cell.asks_twice())).cloned()
        };
        let began = Instant::now();
        loop {
            let lines = self.log();
            let found: Vec<_> = cells.iter().map(|cell| of(cell, &lines)).collect();
            if found.iter().all(Option::is_some) || began.elapsed() > PATIENCE {
                return found.into_iter().map(Option::unwrap_or_default).collect();
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> Vec<Value> {
        let lines = self.olla.log().lines();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn blame(endpoints: &Value, log: &[Value], name: &str) -> Blame {
    if entry(endpoints, name)["failures"] == 0 {
        return Blame::None;
    }
    let left = |line: &Value| {
        line["message"] == "health changed" && line["endpoint"] == name && line["from"] == "healthy"
    };
    if log.iter().any(left) { Blame::Demoted } else { Blame::Counted }
}

fn bad(cell: &Cell) -> String {
    format!("{}-bad", cell.number)
}

fn well(cell: &Cell) -> String {
    format!("{}-well", cell.number)
}

fn entry(endpoints: &Value, name: &str) -> Value {
    let entries = endpoints["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().find(|entry| entry["name"] == name).cloned().unwrap_or_default()
}

fn entries(cell: &Cell) -> String {
    let everywhere = cell.place == Place::Everywhere;
    [(bad(cell), &cell.bad, 200, true), (well(cell), &cell.well, 100, everywhere)]
        .map(|(name, engine, priority, is_in_trouble)| {
            let at = address(cell, engine, is_in_trouble);
            let (kind, checks) = (cell.kind(), checks(cell.place));
            format!("  - {{name: {name}, {at}, type: {kind}, priority: {priority}, {checks}}}\n")
        })
        .concat()
}

/// Traffic alone is to find what it meets: no check comes between, except where the checks are to find it.
fn checks(place: Place) -> &'static str {
    match place {
        Place::Health => "check_interval: 1s, check_timeout: 900ms",
        Place::First | Place::Midway | Place::Everywhere => "check_interval: 10m, check_timeout: 5s",
    }
}

fn address(cell: &Cell, engine: &Engine, is_in_trouble: bool) -> String {
    let plain = engine.url();
    if !is_in_trouble || !matches!(cell.row.trouble, Trouble::NoTls) {
        return format!("url: '{plain}'");
    }
    let url = format!("url: '{}'", plain.replace("http:", "https:"));
    if cell.place == Place::Health {
        return url;
    }
    let (health, listing) = (cell.kind().health_path(), cell.kind().listing_path());
    format!("{url}, health_check_url: '{plain}{health}', model_url: '{plain}{listing}'")
}

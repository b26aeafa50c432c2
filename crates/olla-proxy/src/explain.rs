//! Says what would happen to a request and why: the same judgement as for a real one, put into words.

use std::{sync::Arc, time::Duration};

use http::{Method, Uri};
use olla_balancer::Candidate;
use olla_core::{Endpoint, Fleet, Moment, Needs, Placement, Preference, Standing};

use crate::{
    Error, Jam,
    candidates::{self, Against, Asked, Candidates, Way, is_available},
    clock, rediscovery, route,
    routing::Rediscovery,
    settings::{Queue, Routing},
    shared::Shared,
    tongues,
    translate::{Client, EMBEDDINGS},
};

/// A request that is only thought of.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its method.
    pub method: Method,
    /// Its target, as a client would send it, such as `/v1/chat/completions`.
    pub target: Uri,
    /// The model it names.
    pub model: Option<Arc<str>>,
    /// What it needs of the model.
    pub needs: Needs,
}

/// What would happen to a request now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The routing strategy that decides, or `alias`.
    pub strategy: &'static str,
    /// What it decides: `routed`, `fallback` or `rejected`.
    pub decision: &'static str,
    /// Why, as in `X-Olla-Routing-Reason`; empty where no model decides.
    pub reason: String,
    /// How the request would be refused.
    pub error: Option<Error>,
    /// Whether the backends would be asked for their models anew before anything is decided.
    pub asks_anew: bool,
    /// Whether sticky sessions are on: a conversation stays with the first choice that has served it before.
    pub sticky: bool,
    /// The models behind the name, where it is an alias.
    pub alias_of: Vec<Arc<str>>,
    /// What was thought of each endpoint, or of each of its models, in the order of the configuration.
    pub considered: Vec<Considered>,
}

/// What was thought of an endpoint.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Considered {
    /// Its name.
    pub endpoint: Arc<str>,
    /// The name under which it would be asked for the model.
    pub model: Option<Arc<str>>,
    /// What would become of it.
    pub verdict: Verdict,
    /// Why, in words.
    pub why: String,
}

/// What would become of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The balancer chooses among these.
    FirstChoice,
    /// It is tried when the first choices cannot be used.
    Later,
    /// It is full: the request waits for room there where it can be sent nowhere else.
    Waits,
    /// It could serve the request, and is down or full now.
    NotNow,
    /// It cannot serve the request.
    Never,
}

// === impl Question ===

impl Question {
    /// Answers the question from the current state of the fleet. Nothing is sent and nothing changes.
    pub(crate) fn explain(&self, shared: &Shared) -> Explanation {
        let fleet = shared.fleet.load();
        match route::read(&self.method, &self.target, (&shared.profiles, &shared.tongues)) {
            Err(error) => Explanation::refused(shared.settings.routing, error),
            Ok(route) => {
                let asked =
                    Asked { reach: shared.reach(&route), model: self.model.as_ref(), needs: &self.needs };
                Explanation::new(shared, &fleet, &asked)
            }
        }
    }
}

// === impl Explanation ===

impl Explanation {
    fn new(shared: &Shared, fleet: &Fleet, asked: &Asked<'_>) -> Self {
        let routing = shared.settings.routing;
        let resolved = candidates::resolve(fleet, asked, routing, Rediscovery::NotAsked);
        let queue = shared.settings.queue;
        let considered = considered(fleet, asked, (resolved.as_ref().ok(), queue));
        let mut explanation = match resolved {
            Ok(candidates) => Self::found(routing, &candidates, queue),
            Err(error) => Self::refused(routing, error),
        };
        let alias = asked.model.and_then(|model| fleet.aliases().get(model));
        explanation.alias_of = alias.map(|alias| alias.targets.to_vec()).unwrap_or_default();
        explanation.considered = considered;
        explanation.asks_anew = rediscovery::is_due(shared, fleet, asked);
        explanation.sticky = shared.sessions.is_some();
        explanation
    }

    fn found(routing: Routing, candidates: &Candidates<'_>, queue: Queue) -> Self {
        let decision = candidates.decision.as_ref();
        let error = all_busy(candidates.all(), queue);
        Self {
            strategy: decision.map_or(routing.strategy(), |decision| decision.strategy),
            decision: match (&error, decision) {
                (Some(_), _) => "rejected",
                (None, Some(decision)) => decision.action,
                (None, None) => "routed",
            },
            reason: decision.map(|decision| decision.reason.clone().into()).unwrap_or_default(),
            error,
            asks_anew: false,
            sticky: false,
            alias_of: vec![],
            considered: vec![],
        }
    }

    fn refused(routing: Routing, error: Error) -> Self {
        Self {
            strategy: routing.strategy(),
            decision: "rejected",
            reason: error.routing_reason().unwrap_or_default().into(),
            error: Some(error),
            asks_anew: false,
            sticky: false,
            alias_of: vec![],
            considered: vec![],
        }
    }
}

/// Returns the refusal when everybody who is there has as many requests as it may have, and as many waiting.
fn all_busy(list: &[Candidate<'_>], queue: Queue) -> Option<Error> {
    let has_room = |candidate: &Candidate<'_>| {
        is_available(candidate.endpoint) && (!candidate.is_full() || has_line(candidate.endpoint, queue))
    };
    if list.iter().any(has_room) {
        return None;
    }
    let jam = match queue.is_on() {
        true => Jam::QueueFull { max_waiting: queue.max_waiting },
        false => Jam::NoQueue,
    };
    Some(Error::Busy { endpoints: list.iter().filter(|candidate| candidate.is_full()).count(), jam })
}

/// Returns whether one more request may wait for an endpoint.
fn has_line(endpoint: &Endpoint, queue: Queue) -> bool {
    queue.is_on() && (endpoint.live.waiting() as usize) < queue.max_waiting
}

fn considered(
    fleet: &Fleet,
    asked: &Asked<'_>,
    (resolved, queue): (Option<&Candidates<'_>>, Queue),
) -> Vec<Considered> {
    let list = resolved.map(Candidates::all).unwrap_or_default();
    let renamed = |position| resolved.and_then(|candidates| candidates.rename(position));
    let now = clock::now();
    let usable =
        |c: &&Candidate<'_>| c.endpoint.live.is_routable() && !c.is_full() && spared(c, now).is_none();
    let lowest = list.iter().filter(usable).map(|candidate| candidate.rank).min();
    let mut rows = vec![];
    for (position, endpoint) in fleet.endpoints().iter().enumerate() {
        let mut of_endpoint: Vec<_> =
            list.iter().enumerate().filter(|(_, c)| c.endpoint.id == endpoint.id).collect();
        of_endpoint.sort_by_key(|(_, candidate)| candidate.rank);
        if of_endpoint.is_empty() {
            rows.extend(left_out(fleet, position, endpoint, asked));
        }
        for (position, candidate) in of_endpoint {
            let (verdict, why) = weigh(candidate, asked, lowest, (queue, now));
            let model = candidate.placement.and(renamed(position).or(asked.model)).map(Arc::clone);
            rows.push(Considered { endpoint: Arc::clone(&endpoint.spec.name), model, verdict, why });
        }
    }
    rows
}

fn weigh(
    candidate: &Candidate<'_>,
    asked: &Asked<'_>,
    lowest: Option<u32>,
    (queue, now): (Queue, Moment),
) -> (Verdict, String) {
    let live = &candidate.endpoint.live;
    match not_now(candidate.endpoint) {
        Some(why) if live.is_suspect() && !live.is_draining() => {
            return (Verdict::Later, format!("{why}; until then it is a last resort"));
        }
        Some(why) => return (Verdict::NotNow, why),
        None => {}
    }
    let in_flight = live.in_flight();
    if let Some(limit) = candidate.endpoint.spec.max_concurrent.filter(|_| candidate.is_full()) {
        let verdict = if has_line(candidate.endpoint, queue) { Verdict::Waits } else { Verdict::NotNow };
        let waiting = live.waiting();
        let why = format!("full: {in_flight} of {limit} requests are in flight, and {waiting} wait");
        return (verdict, why);
    }
    if let Some(why) = spared(candidate, now) {
        return (Verdict::Later, format!("{why}; until then it is a last resort"));
    }
    let mut why = format!("{}, {in_flight} in flight", live.status());
    if let Some(translated) = translated(candidate.endpoint, asked) {
        why.push_str(&translated);
    }
    match candidate.placement.map(|placement| placement.live.loaded()) {
        Some(Some(true)) => why.push_str(", the model is loaded"),
        Some(Some(false)) => why.push_str(", the model has to be loaded first"),
        None if asked.model.is_some() => why.push_str(", not known to have the model"),
        Some(None) | None => {}
    }
    if Some(candidate.rank) == lowest {
        return (Verdict::FirstChoice, why);
    }
    why.push_str(
        "; its rules, its kind, the order of the alias or the length of the prompt put others before it",
    );
    (Verdict::Later, why)
}

/// Says into what the request is translated for an endpoint.
fn translated(endpoint: &Endpoint, asked: &Asked<'_>) -> Option<String> {
    let from = Client::of(asked.reach.route)?.name();
    let to = match asked.reach.way(endpoint)? {
        Way::PassedOn(_) => return None,
        Way::Translated(tongue) => tongues::name(tongue.format),
        Way::Embedded(_) => EMBEDDINGS,
    };
    let why = if asked.reach.has_gap(endpoint) { ", for which it was found to have no path" } else { "" };
    Some(format!(", translated from {from} to {to}{why}"))
}

/// Says why a candidate that is up is left alone for a while.
fn spared(candidate: &Candidate<'_>, now: Moment) -> Option<String> {
    if let Some(until) = candidate.aside_until(now) {
        return Some(format!(
            "its backend wants no requests for the model for {}",
            seconds(until.since(now))
        ));
    }
    match candidate.standing(now) {
        Standing::Good | Standing::OnTrial => None,
        Standing::Ejected(until) => {
            Some(format!("left out after failed requests for {}", seconds(until.since(now))))
        }
        Standing::BeingTried => Some("left out after failed requests; one request is trying it".into()),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Says why an endpoint is no candidate, once for each model that it was considered with.
fn left_out(fleet: &Fleet, position: usize, endpoint: &Arc<Endpoint>, asked: &Asked<'_>) -> Vec<Considered> {
    let row = |model: Option<&Arc<str>>, verdict, why| Considered {
        endpoint: Arc::clone(&endpoint.spec.name),
        model: model.cloned(),
        verdict,
        why,
    };
    let down = not_now(endpoint);
    if endpoint.kind.is_none() {
        return vec![match down {
            Some(why) => row(None, Verdict::NotNow, why),
            None => row(None, Verdict::Never, "its kind is not recognised; set its `type`".into()),
        }];
    }
    if let Err(against) = asked.may_reach(endpoint) {
        return vec![row(None, Verdict::Never, against.to_string())];
    }
    let Some(model) = asked.model else {
        return vec![row(None, Verdict::NotNow, down.unwrap_or_else(|| "it is being checked".into()))];
    };
    let placed = placements(fleet, model, position);
    if placed.is_empty() {
        let (verdict, why) = without_model(endpoint, model, down);
        return vec![row(None, verdict, why)];
    }
    let judged = placed.into_iter().map(|(name, placement)| {
        let (verdict, why) = match asked.judge(endpoint, placement, name) {
            Err(against) => (Verdict::Never, against.to_string()),
            Ok(_) => {
                let why = down.clone();
                (Verdict::NotNow, why.unwrap_or_else(|| "it can be used when the others cannot".into()))
            }
        };
        row(Some(&placement.model.name), verdict, why)
    });
    judged.collect()
}

/// Returns the models behind a name that an endpoint has, each with the name by which it was looked for.
fn placements<'f>(fleet: &'f Fleet, model: &'f str, position: usize) -> Vec<(&'f str, &'f Placement)> {
    let alias = fleet.aliases().get(model);
    let targets = alias.iter().flat_map(|alias| alias.targets.iter().map(|target| &**target));
    let names = targets.chain([model]);
    names
        .flat_map(|name| fleet.lookup(name).into_iter().map(move |placement| (name, placement)))
        .filter(|(_, placement)| placement.endpoint == position)
        .collect()
}

/// Says why an endpoint that does not have the model is no candidate.
fn without_model(endpoint: &Endpoint, model: &str, down: Option<String>) -> (Verdict, String) {
    if endpoint.spec.placement.of_name(model) == Preference::Never {
        return (Verdict::Never, Against::Rule.to_string());
    }
    if !endpoint.spec.filter.admits(model) {
        return (Verdict::Never, "its filter leaves the model out".into());
    }
    // Each note is let go before the next is taken: the lock is not reentrant.
    let error = endpoint.live.checkup().listing_error.clone();
    let is_listed = endpoint.has_listed();
    match (down, error) {
        (Some(down), _) if !is_listed => (Verdict::NotNow, format!("{down}; its models are not known yet")),
        (_, Some(error)) => (Verdict::Never, format!("its models could not be listed: {error}")),
        (_, None) if !is_listed => (Verdict::NotNow, "its models have not been listed yet".into()),
        (_, None) => {
            (Verdict::Never, format!("it does not have the model; it has {} other(s)", endpoint.models.len()))
        }
    }
}

fn not_now(endpoint: &Endpoint) -> Option<String> {
    if endpoint.live.is_draining() {
        return Some("an operator drains it".into());
    }
    let status = endpoint.live.status();
    if status.is_routable() {
        return None;
    }
    let reason = endpoint.live.checkup().reason.clone();
    Some(match reason {
        Some(reason) => format!("{status}: {reason}"),
        None => format!("{status}"),
    })
}

// === impl Verdict ===

impl Verdict {
    /// Returns the name used in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstChoice => "first_choice",
            Self::Later => "later",
            Self::Waits => "waits",
            Self::NotNow => "not_now",
            Self::Never => "no",
        }
    }
}

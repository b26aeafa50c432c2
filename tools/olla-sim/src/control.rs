//! The engine's own controls over HTTP, below `/sim/`: faults, models, what is in memory, what was received and abandoned, counters.
//! They answer whatever faults are set, and are not recorded. The crate documentation lists them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::connection::Request;
use crate::fault::Armed;
use crate::http1::Framing;
use crate::ledger::Received;
use crate::reply::{Dialect, Reply};
use crate::state::State;

#[derive(Deserialize)]
#[serde(untagged)]
enum Wanted {
    Many(Vec<Armed>),
    One(Box<Armed>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Absence {
    for_ms: u64,
}

/// Answers a request to the controls.
pub(crate) async fn answer(state: &State, request: &Request) -> Reply {
    match (request.head.method(), request.head.path()) {
        ("GET", "/sim/fault") => shown(&state.faults.list()),
        ("PUT" | "POST", "/sim/fault") => set_faults(state, &request.body),
        ("DELETE", "/sim/fault") => {
            state.set_faults(Vec::new());
            shown(&state.faults.list())
        }
        ("PUT" | "POST", path @ ("/sim/refuse" | "/sim/silence")) => {
            be_away(state, path, &request.body).await
        }
        ("PUT" | "POST", "/sim/models") => set_models(state, &request.body),
        ("PUT" | "POST", "/sim/loaded") => set_loaded(state, &request.body),
        ("GET", "/sim/loaded") => loaded(state),
        ("GET", "/sim/received") => Reply::json(&state.ledger.received().iter().map(received).collect()),
        ("DELETE", "/sim/received") => {
            state.ledger.clear();
            Reply::json(&json!([]))
        }
        ("GET", "/sim/abandoned") => shown(&state.ledger.abandoned()),
        ("GET", "/sim/stats") => shown(&state.ledger.stats()),
        _ => Dialect::OpenAi.error(404, "no such control"),
    }
}

fn set_faults(state: &State, body: &[u8]) -> Reply {
    // Tried one by one, because the error of an untagged enum would not name the mistake.
    let faults = match serde_json::from_slice::<Wanted>(body) {
        Ok(Wanted::Many(many)) => many,
        Ok(Wanted::One(one)) => vec![*one],
        Err(_) => match std::str::from_utf8(body).unwrap_or_default().trim().parse::<Armed>() {
            Ok(one) => vec![one],
            Err(error) => return Dialect::OpenAi.error(400, &error.to_string()),
        },
    };
    state.set_faults(faults);
    shown(&state.faults.list())
}

async fn be_away(state: &State, path: &str, body: &[u8]) -> Reply {
    let time = match serde_json::from_slice::<Absence>(body) {
        Ok(absence) => Some(Duration::from_millis(absence.for_ms)),
        // Without a time nobody could ever reach the engine again.
        Err(error) => return Dialect::OpenAi.error(400, &format!("for_ms is needed: {error}")),
    };
    let said = if path == "/sim/silence" {
        state.silence(time).await;
        json!({"silent": true})
    } else {
        state.refuse(time).await;
        json!({"refusing": true})
    };
    Reply { close: true, ..Reply::json(&said) }
}

fn set_models(state: &State, body: &[u8]) -> Reply {
    match serde_json::from_slice(body) {
        Ok(names) => {
            state.set_models(names);
            Reply::json(&state.models().iter().map(|model| json!(model.name)).collect())
        }
        Err(error) => Dialect::OpenAi.error(400, &format!("a list of names is needed: {error}")),
    }
}

fn set_loaded(state: &State, body: &[u8]) -> Reply {
    match serde_json::from_slice::<Vec<String>>(body) {
        Ok(names) => {
            state.set_loaded(&names);
            loaded(state)
        }
        Err(error) => Dialect::OpenAi.error(400, &format!("a list of names is needed: {error}")),
    }
}

fn loaded(state: &State) -> Reply {
    let models = state.models();
    Reply::json(&models.iter().filter(|model| model.is_loaded()).map(|model| json!(model.name)).collect())
}

fn shown(value: &(impl Serialize + ?Sized)) -> Reply {
    match serde_json::to_value(value) {
        Ok(value) => Reply::json(&value),
        Err(error) => Dialect::OpenAi.error(500, &error.to_string()),
    }
}

fn received(request: &Received) -> Value {
    let framing = match request.framing {
        Framing::None => "none",
        Framing::ContentLength(_) => "content-length",
        Framing::Chunked => "chunked",
    };
    json!({
        "id": request.id,
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": String::from_utf8_lossy(&request.body),
        "body_bytes": request.body_bytes,
        "framing": framing,
        "at_ms": request.at.as_secs_f64() * 1e3,
    })
}

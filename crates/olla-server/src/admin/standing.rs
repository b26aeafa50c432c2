//! What requests have taught of an endpoint, as status documents tell it.

use std::{sync::Arc, time::SystemTime};

use olla_core::{Endpoint, Moment, Standing};
use serde::Serialize;

use super::format;

/// Whether an endpoint takes part, and which of its models are spared.
#[derive(Serialize)]
pub(super) struct Facts {
    standing: &'static str,
    /// When a request will try it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ejected_until: Option<String>,
    failures_in_a_row: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set_aside: Vec<Aside>,
}

/// A model that the backend wants no requests for.
#[derive(Serialize)]
struct Aside {
    model: Arc<str>,
    aside_until: String,
}

// === impl Facts ===

impl Facts {
    /// Reads an endpoint; both times are now.
    pub(super) fn read(endpoint: &Endpoint, (moment, now): (Moment, SystemTime)) -> Self {
        let time = |then: Moment| format::timestamp(now + then.since(moment));
        let standing = endpoint.live.outlier().standing(moment);
        let models = endpoint.models.iter().zip(&*endpoint.model_live);
        let aside = models.filter_map(|(model, live)| {
            let until = live.aside_until(moment)?;
            Some(Aside { model: Arc::clone(&model.name), aside_until: time(until) })
        });
        Self {
            standing: match standing {
                Standing::Good => "good",
                Standing::Ejected(_) => "ejected",
                Standing::OnTrial | Standing::BeingTried => "on_trial",
            },
            ejected_until: match standing {
                Standing::Ejected(until) => Some(time(until)),
                Standing::Good | Standing::OnTrial | Standing::BeingTried => None,
            },
            failures_in_a_row: endpoint.live.outlier().failures_in_a_row(),
            set_aside: aside.collect(),
        }
    }
}

/// Says why an endpoint that passes its health checks is left out.
pub(super) fn reason(endpoint: &Endpoint, moment: Moment) -> Option<Box<str>> {
    if endpoint.live.outlier().standing(moment) == Standing::Good {
        return None;
    }
    let checkup = endpoint.live.checkup();
    Some(match checkup.ejected_for {
        Some(failure) => {
            format!("left out because its requests fail: {failure}; one will try it again").into()
        }
        None => "left out because its requests fail; one will try it again".into(),
    })
}

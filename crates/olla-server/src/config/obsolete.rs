//! Keys and variables of earlier versions that nothing reads any more.
//!
//! A file that holds them stays valid. Those that change nothing are listed in one notice; those that
//! ask for something that will not happen get a notice each.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::{
    document::join,
    env::Env,
    problem::{Notice, Part, Report},
};

/// A key, with all keys below it, that nothing reads.
pub(crate) struct Obsolete {
    path: &'static str,
    /// What replaces it, or why nothing does.
    instead: &'static str,
}

/// A value by which the user asks for something that will not happen.
struct Unmet {
    path: &'static str,
    asks: fn(&Value) -> bool,
    notice: &'static str,
}

const ABSENT: &str = "not available in this version";

const KEYS: &[Obsolete] = &[
    gone("dashboard", ABSENT),
    gone("discovery.health_check.initial_delay", "endpoints are checked as soon as the port is open"),
    gone("discovery.refresh_interval", "use `check_interval` of each endpoint"),
    gone(
        "discovery.type",
        "endpoints come from the list; `discovery.local` adds those found on this machine",
    ),
    gone("model_registry.enable_unifier", "models are listed once for all endpoints that have them"),
    gone("model_registry.type", "models are always kept in memory"),
    gone("model_registry.unification", "a model leaves with the listing that no longer names it"),
    gone("proxy.engine", "there is one engine"),
    gone("proxy.max_retries", "use `proxy.retry.max_attempts`"),
    gone("proxy.profile", "every response is passed on as it arrives"),
    gone("proxy.retry_backoff", "a retry goes to another endpoint at once"),
    gone("proxy.stream_buffer_size", "nothing is buffered"),
    gone("server.rate_limits.per_endpoint", ABSENT),
    gone("translators.anthropic.inspector", ABSENT),
];

const UNMET: &[Unmet] = &[
    Unmet {
        path: "model_registry.enable_unifier",
        asks: |v| matches!(v, Value::Bool(_, false)),
        notice: "models are merged over all endpoints whatever this says",
    },
    Unmet {
        path: "dashboard.enabled",
        asks: is_true,
        notice: "the dashboard is not available in this version; see /internal/status",
    },
    Unmet {
        path: "dashboard.gate_internal_api",
        asks: is_true,
        notice: "access to /internal is not gated in this version; keep the port away from strangers",
    },
    Unmet {
        path: "translators.anthropic.inspector.enabled",
        asks: is_true,
        notice: "the Anthropic inspector is not available in this version; nothing is written to disk",
    },
];

/// Variables that override an obsolete key, or that nothing reads.
const VARIABLES: &[(&str, &str)] = &[
    ("OLLA_CONFIG_DIR", "use `OLLA_CONFIG_FILE` or `--config`"),
    ("OLLA_ENABLE_PROFILER", ABSENT),
    ("OLLA_FILE_OUTPUT", "use `OLLA_LOGGING_OUTPUT`"),
    ("OLLA_LOG_LEVEL", "use `OLLA_LOGGING_LEVEL`"),
    ("OLLA_LOG_MAX_AGE_DAYS", ABSENT),
    ("OLLA_LOG_MAX_BACKUPS", ABSENT),
    ("OLLA_LOG_SIZE_MB", ABSENT),
    ("OLLA_MODEL_REGISTRY_TYPE", "models are always kept in memory"),
    ("OLLA_MODEL_UNIFIER_ENABLED", "models are listed once for all endpoints that have them"),
    ("OLLA_PRETTY_LOGS", "use `OLLA_LOGGING_FORMAT`"),
    ("OLLA_PROXY_ENGINE", "there is one engine"),
    ("OLLA_PROXY_PROFILE", "every response is passed on as it arrives"),
    ("OLLA_THEME", ABSENT),
];

const fn gone(path: &'static str, instead: &'static str) -> Obsolete {
    Obsolete { path, instead }
}

fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(_, true))
}

/// Returns whether a key, or one above it, is obsolete.
pub(crate) fn covers(path: &str) -> bool {
    KEYS.iter().any(|o| o.path == path)
}

/// Returns whether obsolete keys stand below this path, which is therefore a known section.
pub(crate) fn has_below(path: &str) -> bool {
    KEYS.iter().any(|o| o.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// Returns whether this variable was read by earlier versions.
pub(crate) fn knows_variable(name: &str) -> bool {
    VARIABLES.iter().any(|(known, _)| *known == name)
}

/// Reports what these trees and the environment hold of it; a later tree overrides an earlier one.
pub(crate) fn report(trees: &[&Dict], env: &Env, report: &mut Report) {
    let present: BTreeMap<String, &Value> = trees.iter().flat_map(|tree| flatten(tree)).collect();
    for unmet in UNMET {
        if present.get(unmet.path).is_some_and(|value| (unmet.asks)(value)) {
            report.notice(Part::Config, format!("{}: {}", unmet.path, unmet.notice));
        }
    }
    let keys = KEYS.iter().filter(|o| present.contains_key(o.path)).map(|o| (o.path, o.instead));
    let variables = VARIABLES.iter().filter(|(name, _)| env.get(name).is_some()).copied();
    let mut found = keys.chain(variables).peekable();
    if found.peek().is_some() {
        let text = "settings of earlier versions that change nothing and can be removed";
        report.notices.push(Notice::obsolete(Part::Config, text.to_owned(), found));
    }
}

/// Lists every mapping and value of a tree under its path.
fn flatten(tree: &Dict) -> BTreeMap<String, &Value> {
    let mut found = BTreeMap::new();
    let mut open: Vec<(String, &Dict)> = vec![(String::new(), tree)];
    while let Some((path, dict)) = open.pop() {
        for (key, value) in dict {
            let path = join(&path, key);
            if let Value::Dict(_, below) = value {
                open.push((path.clone(), below));
            }
            found.insert(path, value);
        }
    }
    found
}

//! What an endpoint says of models: which exist there, which are used, and how gladly.

use std::sync::Arc;

use figment::value::Value;
use olla_core::{Model, ModelFilter, PlacementRules, Preference};

use super::{
    problem::{Problem, Report},
    raw,
    resolve::globs,
};

/// What an endpoint says of models.
pub(crate) struct Models {
    /// Models that exist although the backend does not list them.
    pub(crate) declared: Arc<[Model]>,
    /// Which listed ones are used.
    pub(crate) filter: ModelFilter,
    /// How gladly models are sent there.
    pub(crate) rules: PlacementRules,
}

/// Resolves the models of the entry at `path`, with the filter at its traditional place.
pub(crate) fn resolve(raw: raw::Models, filter: raw::Filter, path: &str, report: &mut Report) -> Models {
    let (raw, list) = match raw {
        raw::Models::List(declare) => {
            (raw::PlacedModels { declare, ..raw::PlacedModels::default() }, format!("{path}.models"))
        }
        raw::Models::Full(full) => (full, format!("{path}.models.declare")),
    };
    let rules =
        PlacementRules { prefer: globs(&raw.prefer), avoid: globs(&raw.avoid), never: globs(&raw.never) };
    let once = |name: &str, here: Vec<String>, there: Vec<String>, report: &mut Report| {
        if !here.is_empty() && !there.is_empty() {
            let problem = Problem::new(
                format!("{path}.model_filter.{name}"),
                format!("is set beside `models.{name}`, which means the same"),
            );
            report.add(problem.help("put the patterns of both into one of them"));
        }
        globs(if here.is_empty() { &there } else { &here })
    };
    Models {
        filter: ModelFilter {
            include: once("include", raw.include, filter.include, report),
            exclude: once("exclude", raw.exclude, filter.exclude, report),
        },
        declared: declared(&raw.declare, &rules, &list, report),
        rules,
    }
}

fn declared(written: &[Value], rules: &PlacementRules, list: &str, report: &mut Report) -> Arc<[Model]> {
    let mut models: Vec<Model> = vec![];
    for (n, written) in written.iter().enumerate() {
        let Ok(raw::Model { name, context_length }) = written.deserialize() else { continue };
        let key = format!("{list}[{n}]");
        match name.filter(|name| !name.trim().is_empty()) {
            Some(name) if models.iter().any(|model| *model.name == *name) => {
                report.add(Problem::new(key, format!("names the model {name:?} again")));
            }
            Some(name) => {
                if rules.of_name(&name) == Preference::Never {
                    let problem =
                        Problem::new(key, format!("declares the model {name:?}, which `never` keeps away"));
                    report.add(problem.help("remove it from one of the two"));
                }
                let mut model = Model::named(name);
                model.context_length = context_length;
                models.push(model);
            }
            None if report.mentions(&format!("{key}.name")) => {}
            None => report.add(Problem::new(key, "has no name")),
        }
    }
    models.into()
}

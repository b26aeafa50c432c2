//! Models of which there are replicas: the same model on endpoints that are alike in all that routing judges by,
//! so that a judgement of one is a judgement of all.
//!
//! Whether a model is such a one is worked out once for each snapshot, when somebody first asks for it.

use super::Catalogue;
use crate::{Model, Placement};

// === impl Catalogue ===

impl Catalogue {
    /// Returns the placements behind a name if they are replicas: then they are all that a look-up finds. `alike` says
    /// whether the endpoints at two positions are.
    pub(crate) fn replicas(&self, name: &str, alike: impl Fn(usize, usize) -> bool) -> Option<&[Placement]> {
        let mut named = self.named(name);
        let (Some(model), None) = (named.next(), named.next()) else { return None };
        let is_replicated = || *model.is_replicated.get_or_init(|| are_replicas(&model.placements, alike));
        let is_alone = || !self.wildcards.iter().any(|(pattern, _)| pattern.matches(name));
        (is_replicated() && is_alone()).then_some(&*model.placements)
    }
}

fn are_replicas(placements: &[Placement], alike: impl Fn(usize, usize) -> bool) -> bool {
    // One alone is like all that there are.
    let [first, others @ ..] = placements else { return false };
    let is_like_first =
        |other: &Placement| is_like(&first.model, &other.model) && alike(first.endpoint, other.endpoint);
    others.iter().all(is_like_first)
        // Those of one endpoint stand side by side.
        && placements.is_sorted_by(|a, b| a.endpoint < b.endpoint)
}

/// Returns whether requests are routed by two models alike. What else is told of them, lists show.
fn is_like(a: &Model, b: &Model) -> bool {
    a.name == b.name
        && a.also == b.also
        && a.abilities == b.abilities
        && a.context_length == b.context_length
        && a.reported.context_length == b.reported.context_length
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use crate::{BaseUrl, EndpointSpec, FleetCell, Glob, KindId, Model, ModelFilter, PathRules};

    const COUNT: usize = 8;

    /// Endpoints and their models.
    type Cast = Vec<(EndpointSpec, Vec<Model>)>;

    fn cast(count: usize) -> Cast {
        let endpoint = |n: usize| {
            let mut spec = EndpointSpec::new(format!("e{n}"), BaseUrl::parse("http://127.0.0.1:1").unwrap());
            spec.kind = Some(KindId::new(1));
            (spec, vec![Model::named("Org/M"), Model::named(format!("own-{n}"))])
        };
        (0..count).map(endpoint).collect()
    }

    /// Returns how many replicas a name has.
    fn replicas(cast: Cast, name: &str) -> Option<usize> {
        let (specs, models): (Vec<_>, Vec<_>) = cast.into_iter().unzip();
        let cell = FleetCell::new(specs, Default::default());
        for (endpoint, models) in cell.load().endpoints().iter().zip(models) {
            cell.publish_models(endpoint.id, None, models);
        }
        let fleet = cell.load();
        let replicas = fleet.replicas(name)?;
        assert!(
            fleet
                .lookup(name)
                .iter()
                .copied()
                .map(std::ptr::from_ref)
                .eq(replicas.iter().map(std::ptr::from_ref))
        );
        Some(replicas.len())
    }

    #[test]
    fn a_model_that_like_endpoints_have_is_replicated_under_all_its_names() {
        let mut tagged = cast(COUNT);
        tagged.iter_mut().for_each(|(_, models)| models[0].also = vec!["m:latest".into()]);

        assert_eq!(replicas(cast(COUNT), "Org/M"), Some(COUNT));
        assert_eq!(replicas(cast(COUNT), "org/m"), Some(COUNT));
        assert_eq!(replicas(tagged, "M:latest"), Some(COUNT));
        assert_eq!(replicas(cast(2), "Org/M"), Some(2));
        assert_eq!(replicas(cast(1), "Org/M"), Some(1));
        assert_eq!(replicas(cast(COUNT), "own-0"), Some(1));
        assert_eq!(replicas(cast(COUNT), "unknown"), None);
    }

    #[test]
    fn one_endpoint_that_is_judged_otherwise_makes_a_difference() {
        let globs = || vec![Glob::parse("*").unwrap()];
        let changes: [fn(&mut EndpointSpec); 4] = [
            |spec| spec.kind = Some(KindId::new(2)),
            |spec| spec.priority += 1,
            |spec| spec.weight += 1,
            |spec| spec.allow_paths = PathRules::parse(["/x"]).unwrap().into(),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut cast = cast(COUNT);
            change(&mut cast[7].0);
            assert_eq!(replicas(cast, "Org/M"), None, "{n}");
        }
        let mut avoiding = cast(COUNT);
        avoiding[7].0.placement.avoid = globs();
        assert_eq!(replicas(avoiding, "Org/M"), None);
        let mut filtering = cast(COUNT);
        filtering[7].0.filter = ModelFilter { include: globs(), exclude: vec![] };
        filtering[7].0.max_concurrent = NonZeroU32::new(1);
        assert_eq!(replicas(filtering, "Org/M"), Some(COUNT), "what is listed has passed the filter");
    }

    #[test]
    fn one_model_that_is_judged_otherwise_makes_a_difference() {
        let changes: [fn(&mut Model); 5] = [
            |model| model.name = "org/m".into(),
            |model| model.also = vec!["m".into()],
            |model| model.abilities.images = Some(false),
            |model| model.context_length = Some(1),
            |model| model.reported.context_length = Some(1),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut cast = cast(COUNT);
            change(&mut cast[7].1[0]);
            assert_eq!(replicas(cast, "Org/M"), None, "{n}");
        }
        let mut shown = cast(COUNT);
        shown[7].1[0].modified = Some("yesterday".into());
        assert_eq!(replicas(shown, "Org/M"), Some(COUNT));
    }

    #[test]
    fn a_name_that_something_else_has_too_is_none_of_replicas() {
        let mut twice = cast(COUNT);
        twice[7].1.push(Model::named("ORG/M"));
        let mut other = cast(COUNT);
        other.iter_mut().for_each(|(_, models)| models[0].digest = Some("one".into()));
        other[7].1[0].digest = Some("two".into());
        let mut pattern = cast(COUNT);
        pattern[7].1.push(Model::named("Org/*"));

        assert_eq!(replicas(twice, "Org/M"), None);
        assert_eq!(replicas(other, "Org/M"), None);
        assert_eq!(replicas(pattern, "Org/M"), None);
    }
}

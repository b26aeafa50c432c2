use proptest::prelude::*;

use super::*;

/// Builds a catalogue of endpoints, each with names and digests.
fn catalogue(endpoints: &[&[(&str, Option<&str>)]]) -> Catalogue {
    let endpoints: Vec<Vec<(Arc<Model>, Arc<ModelLive>)>> = endpoints
        .iter()
        .map(|models| {
            let model = |(name, digest): &(&str, Option<&str>)| {
                let mut model = Model::named(*name);
                model.digest = digest.map(Into::into);
                (Arc::new(model), Arc::default())
            };
            models.iter().map(model).collect()
        })
        .collect();
    Catalogue::build(endpoints.iter().map(|models| models.iter().map(|(model, live)| (model, live))))
}

fn found<'a>(catalogue: &'a Catalogue, name: &str) -> Vec<(usize, &'a str)> {
    catalogue.lookup(name, |_| true).iter().map(|p| (p.endpoint, &*p.model.name)).collect()
}

fn ids(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.models().iter().map(|model| &*model.id).collect()
}

#[test]
fn one_digest_is_one_model_under_every_name_of_it() {
    let c = catalogue(&[
        &[("llama3:8b", Some("x")), ("llama3:latest", Some("x"))],
        &[("llama3:latest", Some("x"))],
        &[("my-llama", Some("x"))],
    ]);

    assert_eq!(ids(&c), ["llama3:8b"]);
    assert_eq!(found(&c, "llama3:8b"), [(0, "llama3:8b"), (1, "llama3:latest"), (2, "my-llama")]);
    assert_eq!(found(&c, "llama3:latest"), [(0, "llama3:latest"), (1, "llama3:latest"), (2, "my-llama")]);
    let aliases: Vec<_> = c.models()[0].aliases().map(|name| &**name).collect();
    assert_eq!(aliases, ["llama3:latest", "my-llama"]);
}

#[test]
fn one_name_in_any_case_is_one_model_and_each_endpoint_gets_its_own_spelling() {
    let c = catalogue(&[&[("Qwen/Qwen3", None)], &[("qwen/qwen3", Some("x"))]]);

    assert_eq!(ids(&c), ["Qwen/Qwen3"]);
    for name in ["Qwen/Qwen3", "qwen/qwen3", "QWEN/QWEN3"] {
        assert_eq!(found(&c, name), [(0, "Qwen/Qwen3"), (1, "qwen/qwen3")], "{name}");
    }
}

#[test]
fn one_name_with_two_digests_is_two_models_and_the_name_means_both() {
    let c = catalogue(&[&[("m", Some("sha256:1111aaaaaaaa"))], &[("m", Some("sha256:2222bbbbbbbb"))]]);

    assert_eq!(ids(&c), ["m", "m-bbbbbbbb"]);
    assert_eq!(found(&c, "m"), [(0, "m"), (1, "m")]);
    assert_eq!(found(&c, "m-bbbbbbbb"), [(1, "m")]);
}

#[test]
fn an_exact_name_wins_over_another_model_whose_name_differs_in_case() {
    let c = catalogue(&[&[("M", Some("x")), ("m", Some("y"))]]);

    assert_eq!(found(&c, "M"), [(0, "M")]);
    assert_eq!(found(&c, "m"), [(0, "m")]);
    assert_eq!(c.find("m").map(|model| &*model.id), Some("m"));
}

#[test]
fn patterns_stand_for_models_that_no_listing_names() {
    let c = catalogue(&[&[("openai/*", None)], &[("openai/gpt-5", None)], &[("nothing", None)]]);

    assert_eq!(found(&c, "openai/gpt-5"), [(0, "openai/*"), (1, "openai/gpt-5")]);
    assert_eq!(found(&c, "openai/o9"), [(0, "openai/*")]);
    assert!(found(&c, "gpt-5").is_empty());
}

#[test]
fn a_model_is_found_by_identity_then_by_name() {
    let c = catalogue(&[&[("a/B", Some("x")), ("other", Some("x"))]]);

    for name in ["a/B", "A/b", "other", "OTHER"] {
        assert_eq!(c.find(name).map(|model| &*model.id), Some("a/B"), "{name}");
    }
    assert!(c.find("a").is_none());
}

proptest! {
    #[test]
    fn every_model_is_found_under_each_of_its_names_on_its_own_endpoint(
        endpoints in prop::collection::vec(
            prop::collection::btree_map("[abAB]{1,2}", prop::option::of("[xyz]"), 0..6), 0..5),
    ) {
        let lists: Vec<Vec<(&str, Option<&str>)>> = endpoints
            .iter()
            .map(|models| models.iter().map(|(n, d)| (&**n, d.as_deref())).collect())
            .collect();
        let lists: Vec<_> = lists.iter().map(|models| &**models).collect();

        let c = catalogue(&lists);

        let ids = ids(&c);
        prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "sorted and unique: {ids:?}");
        for (endpoint, models) in lists.iter().enumerate() {
            for (name, _) in *models {
                let found = found(&c, name);
                prop_assert!(found.contains(&(endpoint, *name)), "{name} on {endpoint}: {found:?}");
                prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{found:?}");
            }
        }
    }
}

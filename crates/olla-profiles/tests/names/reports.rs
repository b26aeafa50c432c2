//! What backends report, beside what names tell.

use super::*;

#[test]
fn what_the_backend_reports_wins_in_normal_form() {
    let mut model = Model::named("llama3.1:8b-instruct-q8_0");
    model.reported.family = Some("qwen2".into());
    model.reported.parameter_size = Some("14.77B".into());
    model.reported.quantization = Some("Q4_K_M".into());
    (model.publisher, model.format) = (Some("acme".into()), Some("safetensors".into()));

    let model = completed(model);

    assert_eq!(model.family.as_deref(), Some("qwen"));
    assert_eq!(model.variant, None, "the name speaks of another family");
    assert_eq!(model.parameter_size.as_deref(), Some("14.8b"));
    assert_eq!(model.parameter_count, Some(14_770_000_000));
    assert_eq!(model.quantization.as_deref(), Some("q4km"));
    assert_eq!((model.publisher.as_deref(), model.format.as_deref()), (Some("acme"), Some("safetensors")));
    assert_eq!(model.reported.quantization.as_deref(), Some("Q4_K_M"), "the backend's words are kept");
}

#[test]
fn an_architecture_leads_to_its_family_and_an_unknown_one_stays() {
    for (name, architecture, family, variant) in [
        ("qwen2.5:7b", "qwen2", "qwen", "2.5"),
        ("qwen2.5-vl-7b-instruct", "qwen2_5_vl", "qwen", "2.5"),
        ("model", "gemma3", "gemma", "3"),
        ("my-tune", "gemma3", "gemma", "-"),
        ("gpt-oss:120b-cloud", "gptoss", "gpt-oss", "-"),
        ("kimi-k2:1t", "deepseek2", "kimi", "-"),
        ("nomic-embed-text:v1.5", "nomic-bert", "nomic-bert", "-"),
        ("mxbai-embed-large", "bert", "bert", "-"),
        ("mistral:7b", "llama", "llama", "-"),
    ] {
        let mut model = Model::named(name);
        model.reported.family = Some(architecture.into());
        let model = completed(model);

        let identity = (or_dash(model.family.as_deref()), or_dash(model.variant.as_deref()));
        assert_eq!(identity, (family, variant), "{name} as {architecture}");
    }
}

#[test]
fn a_count_is_never_made_of_the_size_on_disk() {
    let mut model = Model::named("mixtral:8x7b");
    model.size_bytes = Some(26_000_000_000);

    let model = completed(model);

    assert_eq!((model.parameter_size.as_deref(), model.parameter_count), (Some("8x7b"), None));
}

#[test]
fn later_reports_replace_what_the_name_told() {
    let names = Names::builtin();
    let mut model = told("mistral:7b-q4_0");
    let first = model.clone();

    names.complete(&mut model);
    assert_eq!(model, first, "a second time changes nothing");

    model.reported.parameter_size = Some("7.2B".into());
    model.reported.quantization = Some("Q8_0".into());
    model.reported.family = Some("llama".into());
    names.complete(&mut model);
    let facts = [&model.parameter_size, &model.quantization, &model.family];
    assert_eq!(facts.map(Option::as_deref), [Some("7.2b"), Some("q8"), Some("llama")]);
    assert_eq!(model.parameter_count, Some(7_200_000_000));
}

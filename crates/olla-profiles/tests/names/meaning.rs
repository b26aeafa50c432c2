//! What a name tells by itself.

use super::*;

#[test]
fn real_names_tell_what_they_mean() {
    let names = Names::builtin();
    let mut wrong = vec![];

    for row in rows() {
        let [name, expected @ ..] = &row[..] else { panic!("an empty row") };
        let mut model = Model::named(*name);
        names.complete(&mut model);
        let facts = [&model.family, &model.parameter_size, &model.quantization, &model.publisher];
        let facts = facts.map(|fact| or_dash(fact.as_deref()));
        if facts != expected {
            wrong.push(format!("{name}: {facts:?} instead of {expected:?}"));
        }
    }

    assert!(rows().count() >= 300);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn odd_names_break_nothing() {
    let long = "x-7b/".repeat(2_000);
    for name in
        ["", " ", "/", "//", ":", "\\", ".gguf", "a/.bin", "é8b", "名前-7b", "qwen\u{130}-q4_k_m", &long]
    {
        let model = told(name);
        assert!(model.capabilities.iter().any(|capability| &**capability == "text-generation"), "{name:.20}");
    }
    assert_eq!(told("名前-7b").parameter_size.as_deref(), Some("7b"));
    assert_eq!(told("  qwen3:8b ").family.as_deref(), Some("qwen"), "space around a name does not matter");
}

#[test]
fn variants_hold_neither_size_nor_quantisation_nor_tuning() {
    for (name, variant) in [
        ("meta-llama/Llama-3.1-8B-Instruct", "3.1"),
        ("llama-70b", "-"),
        ("llama2:7b", "2"),
        ("qwen2.5vl:7b", "2.5vl"),
        ("gemma3n:e4b", "3n"),
        ("codellama:34b", "-"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "-"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "-"),
        ("mistral-small3.2:24b-instruct-2506-q4_K_M", "small3.2"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "r1-distill-qwen"),
        ("deepseek-r1:14b-qwen-distill-q4_K_M", "r1"),
        ("deepseek-v3:671b", "v3"),
        ("devstral-small-2507@q8_0", "devstral-small-2507"),
        ("command-r-plus:104b-q4_0", "plus"),
        ("internlm2_5-7b-chat", "2.5"),
        ("gpt-oss:20b", "-"),
        ("gpt-3.5-turbo", "3.5"),
        ("qwq:32b", "qwq"),
        ("kimi-k2:1t", "-"),
        ("gpt-j-6b", "-"),
        ("Seed_OSS-36B", "-"),
    ] {
        assert_eq!(or_dash(told(name).variant.as_deref()), variant, "{name}");
    }
}

#[test]
fn names_tell_the_format() {
    for (name, format) in [
        ("Qwen3-0.6B-Q8_0.gguf", "gguf"),
        ("hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "gguf"),
        ("mlx-community/Llama-3.2-3B-Instruct-4bit", "mlx"),
        ("amd/Llama-3.2-1B-Instruct-awq-g128-int4-asym-fp16-onnx-hybrid", "onnx"),
        ("turboderp/Llama-3.1-8B-Instruct-exl2", "exl"),
        ("meta-llama/Llama-3.1-8B-Instruct", "-"),
    ] {
        assert_eq!(or_dash(told(name).format.as_deref()), format, "{name}");
    }
}

#[test]
fn words_inside_words_are_no_capabilities() {
    assert_eq!(capabilities(&told("cross-encoder/some-decoder")), ["text-generation"]);
    assert_eq!(capabilities(&told("thinkingmachines/plain")), ["text-generation"], "a publisher is no skill");
}

#[test]
fn ten_thousand_names_take_less_than_a_second() {
    let names = Names::builtin();
    let table: Vec<_> = rows().map(|row| row[0]).collect();
    let listed: Vec<_> = table.iter().cycle().take(10_000).map(|name| Model::named(*name)).collect();

    let began = Instant::now();
    for mut model in listed {
        names.complete(&mut model);
    }

    // A build without optimisations is some twenty times slower.
    let bound = if cfg!(debug_assertions) { 20 } else { 1 };
    assert!(began.elapsed() < Duration::from_secs(bound), "took {:?}", began.elapsed());
}

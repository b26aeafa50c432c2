//! Files beside those that are shipped: what they add, replace and borrow, whoever wrote them.

use super::*;

#[test]
fn a_file_adds_a_kind_with_defaults_for_all_it_leaves_out() {
    let loaded = load(&[MINIMAL]).unwrap();
    let acme = kind(&loaded.profiles, "acme");

    assert_eq!((&*acme.display_name, &*acme.listing_path, &*acme.health_path), ("acme", "/v1/models", "/"));
    assert_eq!(acme.shown, "acme");
    assert!(!acme.openai_compatible && !acme.spans_openai_compatible && acme.first_byte_timeout.is_none());
    assert_eq!(acme.parse_listing(br#"{"data": [{"id": "m"}]}"#).unwrap()[0].name, "m".into());
    assert_eq!(loaded.profiles.iter().count(), 14);
}

#[test]
fn a_file_replaces_the_shipped_profile_of_its_name_whole() {
    let loaded = load(&["name: ollama\nrouting: {prefixes: [o]}\napi: {paths: [/api/chat]}\n"]).unwrap();
    let ollama = kind(&loaded.profiles, "ollama");

    assert!(ollama.allows("/api/chat") && !ollama.allows("/api/generate"));
    assert_eq!(loaded.profiles.by_prefix("ollama"), None);
    assert_eq!(ollama.listing_path, "/v1/models");
}

#[test]
fn a_replacement_keeps_what_older_files_could_not_say_unless_it_says_so() {
    let silent = "name: litellm\napi: {health_check_path: /health, paths: [/health]}\n";
    let outspoken =
        "name: litellm\napi: {paths: [/health]}\nhealth: {costly_paths: []}\ndetection: {signatures: []}\n";

    let kept = load(&[silent]).unwrap().profiles;
    let dropped = load(&[outspoken]).unwrap().profiles;

    assert!(kind(&kept, "litellm").costly_health("/health").is_some());
    assert!(kind(&kept, "litellm").detection().paths().count() > 0);
    assert!(kind(&dropped, "litellm").costly_health("/health").is_none());
    assert_eq!(kind(&dropped, "litellm").detection().paths().count(), 0);

    let silent = load(&["name: ollama\napi: {paths: [/api/chat]}\n"]).unwrap().profiles;
    let outspoken = load(&["name: ollama\napi: {paths: [/api/chat]}\ndetails: []\n\
         residency: {path: /mem, models: ., fields: {name: .}}\n"])
    .unwrap()
    .profiles;
    let asks = |profiles: &Profiles| {
        let ollama = kind(profiles, "ollama");
        (ollama.details().len(), ollama.residency().unwrap().path().unwrap().to_owned())
    };

    assert_eq!(asks(&silent), (1, "/api/ps".into()));
    assert_eq!(asks(&outspoken), (0, "/mem".into()));
}

#[test]
fn a_listing_can_be_borrowed_in_the_new_and_the_old_spelling() {
    for block in ["listing: lm_studio", "request: {response_format: lmstudio}"] {
        let loaded = load(&[&format!("{MINIMAL}{block}\n")]).unwrap();
        let models =
            kind(&loaded.profiles, "acme").parse_listing(br#"{"data":[{"id":"m","type":"vlm"}]}"#).unwrap();

        assert!(models[0].used_for.is_some(), "{block}");
    }
}

#[test]
fn obsolete_keys_are_told_once_a_file_and_refuse_nothing() {
    let text =
        format!("{MINIMAL}version: '1.0'\ncharacteristics: {{timeout: 5m}}\ndetection: {{headers: [X-A]}}\n");

    let loaded = load(&[&text]).unwrap();

    assert_eq!(loaded.notices.len(), 1);
    let line = loaded.notices[0].to_string();
    assert!(line.starts_with("0.yaml: obsolete keys, ignored: version ("), "{line}");
    assert!(line.contains("detection.headers (detection.signatures)"), "{line}");
    assert!(!line.contains('\n') && !line.contains("characteristics.timeout"), "{line}");
}

#[test]
fn the_worked_example_of_the_manual_loads_and_works() {
    let manual =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/profiles.md")).unwrap();
    let example = manual.split("```yaml\n").skip(1).find(|block| block.starts_with("# acme.yaml")).unwrap();
    let listing = manual.split("```json\n").nth(1).unwrap();

    let loaded = load(&[example.split("```").next().unwrap()]).unwrap();

    let acme = kind(&loaded.profiles, "acme");
    let models = acme.parse_listing(listing.split("```").next().unwrap().as_bytes()).unwrap();
    assert!(loaded.notices.is_empty());
    assert_eq!(models[0].name, "falcon-3-10b".into());
    assert_eq!(models[0].used_for, Some(olla_core::ModelUse::Vision));
    assert_eq!(models[0].context_length, Some(32768));
    assert!(acme.costly_health("/selftest").is_some());
    assert_eq!(acme.details()[0].body("falcon-3-10b").unwrap(), br#"{"ref":"falcon-3-10b"}"#);
    assert_eq!(acme.residency().unwrap().path(), Some("/memory"));
    assert!(acme.listing_at("/catalogue/models/falcon-3-10b").is_some_and(|listing| listing.only.is_some()));
    assert!(acme.refusal("/models/falcon-3-10b/delete").is_some());
    assert_eq!(acme.detection().paths().collect::<Vec<_>>(), ["/about", "/about"]);
}

/// The files of an installed predecessor, where they are at hand.
fn originals() -> Vec<ProfileSource> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/original/profiles");
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|f| source(&f.display().to_string(), &fs::read_to_string(f).unwrap())).collect()
}

#[test]
fn the_files_of_the_predecessor_load_and_work_unchanged() {
    let files = originals();
    if files.is_empty() {
        return;
    }
    let loaded = Profiles::load(&files, &ProfileFilter::default()).unwrap();

    assert_eq!(files.len(), 12);
    assert_eq!(loaded.notices.len(), 12, "one line a file");
    let shipped = Profiles::builtin();
    for profile in loaded.profiles.iter().filter(|profile| &*profile.name != "anthropic") {
        let ours = kind(&shipped, &profile.name);
        let listing_path = ours.listing_path.split('?').next().unwrap();
        assert_eq!(profile.listing_path, listing_path, "{}", profile.name);
        assert_eq!(profile.prefixes.iter().collect::<BTreeSet<_>>(), ours.prefixes.iter().collect());
        assert_eq!(profile.spans_openai_compatible, ours.spans_openai_compatible);
        assert!(profile.detection().paths().eq(ours.detection().paths()));
        assert!(profile.allows(&profile.listing_path), "{}", profile.name);
    }
    let litellm = kind(&loaded.profiles, "litellm");
    assert_eq!(litellm.health_path, "/health");
    assert!(litellm.costly_health(&litellm.health_path).is_some(), "the server can warn of it");
    assert!(!litellm.allows("/v1/responses"), "their list of paths is taken as it is");
    let lm_studio = kind(&loaded.profiles, "lmstudio");
    let models = lm_studio.parse_listing(br#"{"data":[{"id":"m","type":"embeddings"}]}"#).unwrap();
    assert_eq!(models[0].used_for, Some(olla_core::ModelUse::Embeddings));
}

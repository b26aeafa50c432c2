//! The table of what each direction keeps, as the transcripts show it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::transcript::{directions, is_blessing};

const BEGIN: &str = "<!-- fidelity: begin -->\n";
const END: &str = "<!-- fidelity: end -->";

/// Makes the table of what the requests in `golden/` show.
fn table() -> String {
    let mut rows: BTreeMap<String, [Option<String>; 4]> = BTreeMap::new();
    for (column, direction) in directions().into_iter().enumerate() {
        for (path, case) in direction.json_files("requests") {
            let Some(feature) = case["feature"].as_str() else { continue };
            let verdict = match direction.plan(&case) {
                Err(_) => "refused".to_owned(),
                Ok(request) => {
                    let told = request.dropped.iter().collect::<Vec<_>>().join(", ");
                    match (case["approximated"].as_str(), &*told) {
                        (Some(how), _) => format!("approximated: {how}"),
                        (None, "") => "kept".to_owned(),
                        (None, told) => format!("dropped: `{told}`"),
                    }
                }
            };
            let cell = &mut rows.entry(feature.to_owned()).or_default()[column];
            assert!(cell.is_none(), "{feature} is shown twice: {}", path.display());
            *cell = Some(verdict);
        }
    }
    let names = directions().map(|direction| format!("{} → {}", direction.client, direction.backend));
    let mut table = format!("| Feature | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for (feature, cells) in rows {
        let cells = cells.map(|cell| cell.unwrap_or_else(|| "–".to_owned()));
        table += &format!("| {feature} | {} |\n", cells.join(" | "));
    }
    table
}

#[test]
fn the_page_shows_what_the_transcripts_show() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation.md");
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (shown, tail) = rest.split_once(END).unwrap();

    if is_blessing() {
        fs::write(&page, [head, BEGIN, &*table(), END, tail].concat()).unwrap();
    } else {
        assert_eq!(shown, table(), "OLLA_BLESS=1 writes the table anew");
    }
}

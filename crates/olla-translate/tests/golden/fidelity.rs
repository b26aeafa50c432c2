//! The tables of what each direction keeps, as the transcripts show it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use olla_translate::Format;
use serde_json::Value;

use super::transcript::{Direction, directions, is_blessing};

/// Makes a table for each kind of client of what the requests in `golden/` show.
fn tables() -> String {
    let mut clients: Vec<Format> = directions().map(|direction| direction.client).to_vec();
    clients.dedup();
    clients.sort_by_key(|client| client.as_str());
    clients.dedup();
    clients.into_iter().map(table).collect()
}

fn table(client: Format) -> String {
    let directions: Vec<_> =
        directions().into_iter().filter(|direction| direction.client == client).collect();
    let mut rows: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for (column, direction) in directions.iter().enumerate() {
        for (path, case) in direction.json_files("requests") {
            let Some(feature) = case["feature"].as_str() else { continue };
            let cells = rows.entry(feature.to_owned()).or_insert_with(|| vec![None; directions.len()]);
            assert!(cells[column].is_none(), "{feature} is shown twice: {}", path.display());
            cells[column] = Some(verdict(direction, &case));
        }
    }
    let backends: Vec<_> = directions.iter().map(|direction| direction.backend.as_str()).collect();
    let mut table = format!("\n### {client}\n\n| Feature | on {} |\n|---|", backends.join(" | on "));
    table += &("---|".repeat(backends.len()) + "\n");
    for (feature, cells) in rows {
        let cells: Vec<_> = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned())).collect();
        table += &format!("| {feature} | {} |\n", cells.join(" | "));
    }
    table
}

fn verdict(direction: &Direction, case: &Value) -> String {
    let Ok(request) = direction.plan(case) else { return "refused".to_owned() };
    let told = request.dropped.iter().collect::<Vec<_>>().join(", ");
    match (case["approximated"].as_str(), &*told) {
        (Some(how), _) => format!("approximated: {how}"),
        (None, "") => "kept".to_owned(),
        (None, told) => format!("dropped: `{told}`"),
    }
}

#[test]
fn the_page_shows_what_the_transcripts_show() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation.md");
    for (name, tables) in [("answers", super::answers::tables()), ("fidelity", tables())] {
        let text = fs::read_to_string(&page).unwrap();
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let (head, rest) = text.split_once(&begin).unwrap();
        let (shown, tail) = rest.split_once(&end).unwrap();

        if is_blessing() {
            fs::write(&page, [head, &begin, &tables, &end, tail].concat()).unwrap();
        } else {
            assert_eq!(shown, tables, "OLLA_BLESS=1 writes the table anew");
        }
    }
}

#[test]
fn a_feature_has_one_name_in_all_tables() {
    let known: Vec<&str> = include_str!("features.txt").lines().collect();
    let rows = [super::answers::tables(), tables()].concat();
    let first_cell = |row: &str| Some(row.strip_prefix("| ")?.split_once(" | ")?.0.to_owned());
    let mut shown: BTreeSet<String> = rows.lines().filter_map(first_cell).collect();
    shown.remove("Feature");

    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(shown, known, "look whether features.txt has a name for it already, else add one there");
}

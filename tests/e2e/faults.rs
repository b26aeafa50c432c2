//! The fault matrix: every fault of the simulated engine, where it strikes, what is asked and over which protocol.
//! `faults/table.rs` says what must come of each; each test prints what did.
//!
//! What must hold everywhere: a failure before the first output costs the client nothing while another backend is
//! well, one after it cannot be mistaken for the end of an answer, and the right endpoint is blamed.

mod cell;
mod client;
mod stage;
mod table;

use cell::{Cell, Found};
use stage::Stage;
use table::{Place, Row};

/// Runs the cells of these rows all at once, prints them, and fails with those that are not as they must be.
#[expect(clippy::print_stdout, reason = "the table is what people read")]
async fn prove(place: Place, rows: Vec<Row>) {
    let cells = Cell::all(place, rows).await;
    let stage = Stage::open(&cells).await;

    let found = stage.run(&cells).await;

    let lines: Vec<_> = cells.iter().zip(&found).map(|(cell, found)| cell.line(found)).collect();
    println!("\n{}\n{}\n", Found::HEADING, lines.join("\n"));
    let wrong = cells.iter().zip(&found).filter_map(|(cell, found)| cell.complaint(found));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {} cells:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_failure_before_the_first_output_costs_the_client_nothing() {
    prove(Place::First, table::first()).await;
}

#[tokio::test]
async fn a_failure_within_an_answer_never_looks_like_its_end() {
    prove(Place::Midway, table::midway()).await;
}

#[tokio::test]
async fn a_failure_of_the_health_check_keeps_requests_away() {
    prove(Place::Health, table::health()).await;
}

#[tokio::test]
async fn a_failure_of_every_endpoint_is_an_error_that_the_client_understands() {
    prove(Place::Everywhere, table::everywhere()).await;
}

//! What it costs to find the endpoints of a model and to pick one, and to rebuild the catalogue; with
//! allocations. `cargo bench -p olla-balancer`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot set its stage has failed")]

use std::{hint::black_box, sync::Arc};

use divan::{AllocProfiler, Bencher};
use olla_balancer::{Balancer, Candidate, Hint, Lease, Strategy, Tried, sample};
use olla_core::{BaseUrl, EndpointSpec, Fleet, FleetCell, Model, Placement, Status};
use smallvec::SmallVec;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

/// Endpoints, models of each, and how many endpoints share a model.
const FLEETS: [(usize, usize, usize); 4] = [(1, 1, 1), (10, 100, 10), (200, 1000, 4), (200, 1000, 200)];

fn main() {
    divan::main();
}

/// Endpoints in groups of `shared`, all of a group with the same models.
fn cell((endpoints, models, shared): (usize, usize, usize)) -> FleetCell {
    let specs = (0..endpoints)
        .map(|n| EndpointSpec::new(format!("gpu-{n}"), BaseUrl::parse("http://127.0.0.1:11434").unwrap()));
    let cell = FleetCell::new(specs.collect(), Default::default());
    for (n, endpoint) in cell.load().endpoints().iter().enumerate() {
        let models = (0..models).map(|m| Model::named(format!("Org/Model-{}-{m}", n / shared)));
        cell.publish_models(endpoint.id, None, models.collect());
        endpoint.live.set_status(Status::Healthy);
    }
    cell
}

/// The candidates as the proxy builds them.
fn candidates<'f>(fleet: &'f Fleet, model: &str) -> SmallVec<[Candidate<'f>; 8]> {
    let candidate = |placement: &'f Placement| Candidate {
        endpoint: &fleet.endpoints()[placement.endpoint],
        placement: Some(placement),
        rank: 0,
    };
    if let Some(replicas) = fleet.replicas(model) {
        let drawn = sample(Balancer::LeastConnections.choices(), replicas.len());
        return drawn.into_iter().map(|number| candidate(&replicas[number])).collect();
    }
    fleet.lookup(model).into_iter().map(candidate).collect()
}

#[divan::bench(args = FLEETS)]
fn look_up(bencher: Bencher<'_, '_>, size: (usize, usize, usize)) {
    let fleet = cell(size).load();
    let name = format!("Org/Model-0-{}", size.1 / 2);
    bencher.bench(|| black_box(fleet.lookup(black_box(&name)).len()));
}

#[divan::bench(args = FLEETS)]
fn look_up_in_another_case(bencher: Bencher<'_, '_>, size: (usize, usize, usize)) {
    let fleet = cell(size).load();
    let name = format!("org/model-0-{}", size.1 / 2);
    bencher.bench(|| black_box(fleet.lookup(black_box(&name)).len()));
}

#[divan::bench(args = FLEETS)]
fn look_up_and_pick(bencher: Bencher<'_, '_>, size: (usize, usize, usize)) {
    let fleet = cell(size).load();
    let name = format!("Org/Model-0-{}", size.1 / 2);
    bencher.bench(|| {
        let candidates = candidates(&fleet, black_box(&name));
        let pick = Balancer::LeastConnections.pick(&candidates, &Tried::default(), &Hint::default()).unwrap();
        black_box(
            Lease::acquire(&candidates, pick, Hint::default().now).map(|lease| Arc::clone(lease.endpoint())),
        )
    });
}

#[divan::bench(args = [FLEETS[1], FLEETS[2], FLEETS[3]], sample_count = 10)]
fn publish_one_changed_list(bencher: Bencher<'_, '_>, size: (usize, usize, usize)) {
    let cell = cell(size);
    let id = cell.load().endpoints()[0].id;
    let mut turn = 0;
    bencher.bench_local(|| {
        turn += 1;
        let mut models: Vec<_> = (0..size.1).map(|m| Model::named(format!("Org/Model-0-{m}"))).collect();
        models.push(Model::named(format!("new-{turn}")));
        cell.publish_models(id, None, models)
    });
}

use super::*;

const HEALTH: Occasion<'_> = Occasion { operation: Operation::Health, path: "/health", reused: false };

#[test]
fn a_counted_fault_meets_that_many_requests_and_is_gone() {
    let faults = Faults::default();
    faults.set(vec![Fault::ResetBeforeHead.times(2)]);

    let met: Vec<_> = (0..3).map(|_| faults.meet(HEALTH).is_some()).collect();

    assert_eq!(met, [true, true, false]);
    assert!(faults.is_empty());
}

#[test]
fn the_first_fault_in_scope_wins() {
    let faults = Faults::default();
    faults.set(vec![Fault::HangBeforeHead.on(Scope::Inference), Fault::MalformedHead.on(Scope::Health)]);

    assert_eq!(faults.meet(HEALTH), Some(Fault::MalformedHead));
}

#[test]
fn lying_on_health_leaves_health_alone() {
    let faults = Faults::default();
    faults.set(vec![Fault::LieOnHealth.into()]);

    assert_eq!(faults.meet(HEALTH), None);
}

#[test]
fn an_expired_fault_meets_nobody() {
    let faults = Faults::default();
    faults.set(vec![Armed::from(Fault::MalformedHead).lasting(Duration::ZERO)]);

    assert_eq!(faults.meet(HEALTH), None);
}

#[test]
fn faults_are_written_as_json_or_as_a_bare_name() {
    let json = r#"{"fault":{"close_after":{"bytes":3,"framed":"chunked"}},"scope":{"path":"/v1"},"count":1}"#;

    let armed: Armed = json.parse().unwrap();

    assert_eq!(armed.scope, Scope::Path("/v1".into()));
    assert_eq!(armed.fault, Fault::CloseAfter { bytes: 3, framed: Some(Framed::Chunked) });
    assert_eq!("reset_before_head".parse::<Armed>().unwrap(), Fault::ResetBeforeHead.into());
    assert!(r#"{"fault":"reset_before_head","scop":"all"}"#.parse::<Armed>().is_err());
}

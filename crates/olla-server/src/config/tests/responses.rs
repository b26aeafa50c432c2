//! `translators.responses`.

use std::time::Duration;

use olla_proxy::Responses;

use super::loaded;

fn responses(text: &str) -> Responses {
    loaded(text).settings.responses
}

#[test]
fn responses_are_kept_unless_that_is_switched_off() {
    assert_eq!(responses(""), Responses::default());
    assert!(!responses("translators: {responses: {store: false}}").store);
}

#[test]
fn every_key_of_responses_is_read() {
    let text = "translators: {responses: {passthrough_enabled: false, store: true, store_size: 1MB, store_ttl: 90m}}";

    let expected = Responses {
        passthrough: false,
        store: true,
        store_bytes: 1024 * 1024,
        idle_ttl: Duration::from_secs(90 * 60),
    };
    assert_eq!(responses(text), expected);
}

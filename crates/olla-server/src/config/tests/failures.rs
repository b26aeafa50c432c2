//! What happens when requests fail.

use std::time::Duration;

use olla_core::EjectionRules;
use olla_proxy::{Queue, Retry, Timeouts};

use super::{loaded, problems};
use crate::config::Env;

#[test]
fn the_defaults_are_those_of_the_parts() {
    let proxy = loaded("").settings.proxy;

    assert_eq!(proxy.ejection, EjectionRules::default());
    assert_eq!(proxy.retry.budget_percent, Retry::default().budget_percent);
    assert_eq!(proxy.retry.deadline, Retry::default().deadline);
    let queue = Queue { max_waiting: proxy.queue.max_waiting, timeout: proxy.queue.timeout };
    assert_eq!(queue, Queue::default());
    assert_eq!(proxy.first_output_timeout_floor, Timeouts::default().least_first_output);
}

#[test]
fn each_rule_can_be_set_and_all_of_them_switched_off() {
    let set = loaded(
        "proxy: {outlier_ejection: {consecutive_failures: 2, min_success_percent: 90, min_requests: 5},
         retry: {budget_percent: 0}, first_output_timeout_floor: 0s}",
    );
    assert_eq!(
        set.settings.proxy.ejection,
        EjectionRules { consecutive_failures: 2, min_success_percent: 90, min_requests: 5 }
    );
    assert_eq!(set.settings.proxy.retry.budget_percent, 0);
    assert_eq!(set.settings.proxy.first_output_timeout_floor, Duration::ZERO);

    let off = loaded("proxy: {outlier_ejection: {enabled: false, consecutive_failures: 2}}");
    let rules = off.settings.proxy.ejection;
    assert_eq!((rules.consecutive_failures, rules.min_success_percent), (0, 0));
}

#[test]
fn a_share_above_all_is_a_mistake() {
    assert_eq!(
        problems("proxy:\n  outlier_ejection: {min_success_percent: 101, min_requests: 0}", Env::default()),
        "\
config.yaml:2: proxy.outlier_ejection.min_requests: expected a whole number, 1 or more, found 0
config.yaml:2: proxy.outlier_ejection.min_success_percent: expected a whole number from 0 to 100, found 101
"
    );
}

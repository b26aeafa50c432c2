//! When the next health check is due: pure arithmetic, randomness is an argument.

use std::time::Duration;

/// The longest time between two checks of an endpoint that is down.
pub(crate) const LONGEST_WHILE_DOWN: Duration = Duration::from_secs(30);

/// Longer intervals mean "never", and would not fit into the clock.
pub(crate) const LONGEST_INTERVAL: Duration = Duration::from_secs(365 * 24 * 3600);

/// The shortest time between the end of a check and a check that traffic asks for.
pub(crate) const SHORTEST_GAP: Duration = Duration::from_millis(250);

/// Returns the time from the start of one check to the start of the next.
///
/// A good endpoint is checked every `interval`. One that is down is checked after the interval, then two,
/// four, eight… times the interval, but no later than every 30 s. `random` (0 to 1) moves the result by up
/// to a tenth either way, so that many endpoints do not fall into step.
pub(crate) fn delay(interval: Duration, failed_checks: u32, random: f64) -> Duration {
    let interval = interval.min(LONGEST_INTERVAL);
    let jitter = random.clamp(0.0, 1.0).mul_add(0.2, 0.9);
    if failed_checks == 0 {
        return interval.mul_f64(jitter);
    }
    let factor = 1_u32.checked_shl(failed_checks - 1).unwrap_or(u32::MAX);
    interval.saturating_mul(factor).min(LONGEST_WHILE_DOWN).mul_f64(jitter).min(LONGEST_WHILE_DOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn jitter_is_at_most_a_tenth_either_way() {
        assert_eq!(delay(INTERVAL, 0, 0.0), Duration::from_millis(4500));
        assert_eq!(delay(INTERVAL, 0, 0.5), INTERVAL);
        assert_eq!(delay(INTERVAL, 0, 1.0), Duration::from_millis(5500));
    }

    #[test]
    fn an_endpoint_that_is_down_is_checked_ever_more_rarely_until_the_cap() {
        let delays: Vec<_> = (1..=6).map(|failed| delay(INTERVAL, failed, 0.5).as_secs()).collect();

        assert_eq!(delays, [5, 10, 20, 30, 30, 30]);
        assert_eq!(delay(INTERVAL, u32::MAX, 0.5), LONGEST_WHILE_DOWN);
    }

    #[test]
    fn a_long_interval_is_shortened_while_the_endpoint_is_down() {
        let hourly = Duration::from_secs(3600);

        assert_eq!(delay(hourly, 0, 0.5), hourly);
        assert_eq!(delay(hourly, 1, 1.0), LONGEST_WHILE_DOWN);
        assert!(delay(Duration::MAX, 0, 1.0) > LONGEST_INTERVAL, "and none overflows");
    }
}

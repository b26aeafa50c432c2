//! What a request for a missing model sets off: all endpoints list their models anew.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use olla_health::{Fetch, Monitor};
use olla_proxy::Rediscover;
use tokio::time::{Instant, sleep_until};

/// The shortest time between two rounds: clients that ask for absent models again and again must not turn
/// into a flood of listings.
const SHORTEST_GAP: Duration = Duration::from_secs(1);

/// Returns how to list all models anew, for requests that wait no longer than `limit`.
///
/// The endpoints are asked by the tasks that watch them, so that any thread may wait for the answers. The
/// proxy starts one round at a time.
pub(crate) fn rediscover<F: Fetch>(monitor: Arc<Monitor<F>>, limit: Duration) -> Rediscover {
    let last: Arc<Mutex<Option<Instant>>> = Arc::default();
    let gap = SHORTEST_GAP.min(limit / 2);
    Arc::new(move || {
        let (monitor, last) = (Arc::clone(&monitor), Arc::clone(&last));
        Box::pin(async move {
            let asked = Instant::now();
            let earliest = lock(&last).map_or(asked, |last| last + gap);
            sleep_until(earliest).await;
            let began = Instant::now();
            // Only now: a round that nobody waits for any more must not put the next one off.
            *lock(&last) = Some(began);
            // The rest, less a little: those who have answered must be counted before the requests give up.
            let rest = limit.saturating_sub(began - asked).mul_f64(0.9);
            monitor.refresh_within(rest).await.iter().any(|refreshed| refreshed.outcome.is_ok())
        })
    })
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use http::{HeaderMap, StatusCode};
    use olla_core::{BaseUrl, EndpointSpec, Failure, FleetCell};
    use olla_health::{Fetched, Inquiry, MonitorSettings};
    use olla_profiles::Profiles;
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    /// A backend whose list of models takes so long.
    #[derive(Default)]
    struct Backend {
        listings: AtomicUsize,
        takes: Mutex<Duration>,
    }

    impl Fetch for Backend {
        async fn fetch(&self, inquiry: Inquiry) -> Result<Fetched, Failure> {
            if inquiry.target.path.path() == "/v1/models" {
                self.listings.fetch_add(1, Relaxed);
                let takes = *lock(&self.takes);
                sleep(takes).await;
            }
            let body = r#"{"object": "list", "data": [{"id": "m"}]}"#.into();
            Ok(Fetched { status: StatusCode::OK, headers: HeaderMap::new(), body, cut_off: false })
        }
    }

    /// Returns a backend that has been listed once, and how to list it anew.
    async fn stage() -> (Arc<Backend>, Arc<FleetCell>, Rediscover) {
        let profiles = Arc::new(Profiles::builtin());
        let mut spec = EndpointSpec::new("one", BaseUrl::parse("http://h").unwrap());
        spec.kind = profiles.resolve("vllm");
        let fleet = Arc::new(FleetCell::new(vec![spec], Default::default()));
        let backend = Arc::new(Backend::default());
        let settings = MonitorSettings::default();
        let monitor = Arc::new(Monitor::new(Arc::clone(&fleet), profiles, Arc::clone(&backend), settings));
        monitor.watch_new();
        while !fleet.load().is_settled() {
            sleep(Duration::from_millis(1)).await;
        }
        (backend, fleet, rediscover(monitor, LIMIT))
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_are_a_second_apart_however_often_they_are_asked_for() {
        let (backend, _fleet, ask) = stage().await;
        let before = backend.listings.load(Relaxed);
        let began = Instant::now();

        for _ in 0..5 {
            assert!(ask().await);
        }

        assert_eq!(backend.listings.load(Relaxed) - before, 5);
        assert_eq!(began.elapsed().as_secs(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_is_given_up_does_not_put_the_next_one_off() {
        let (_backend, _fleet, ask) = stage().await;
        assert!(ask().await);
        for _ in 0..5 {
            let given_up = tokio::time::timeout(Duration::from_millis(10), ask()).await;
            assert!(given_up.is_err());
        }
        let began = Instant::now();

        assert!(ask().await);

        assert!(began.elapsed() < SHORTEST_GAP, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_ends_before_the_requests_give_up() {
        let (backend, _fleet, ask) = stage().await;
        assert!(ask().await);
        *lock(&backend.takes) = Duration::from_secs(20);
        let began = Instant::now();

        assert!(!ask().await);

        assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    }
}

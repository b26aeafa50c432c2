//! Feeds parsers with inputs that nobody would write, as part of the tests.
//!
//! A target is a test that hands [`fuzz`] a function; it fails when that panics. The inputs are the files in
//! `fuzz/corpus/<name>`, and mutations of them. A test run tries a few thousand, the same ones each time;
//! `OLLA_FUZZ_SECONDS=60` tries new ones for that long. An input that makes a target panic is written to
//! `fuzz/crashes`, and belongs into the corpus once it no longer does.
//!
//! There is no instrumentation, so that stable Rust is enough. What a target returns takes its place: an input
//! with a result that none had before is mutated further.
//!
//! ```no_run
//! olla_fuzz::fuzz("numbers", &["-", "e", "."], |input| {
//!     let text = String::from_utf8_lossy(input);
//!     let number = text.parse::<f64>().ok()?;
//!     assert_eq!(number.to_string().parse(), Ok(number));
//!     Some(number.is_sign_negative())
//! });
//! ```

mod corpus;
mod mutation;

use std::{
    collections::HashSet,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use corpus::Corpus;
use mutation::Mutator;

/// Mutations of a run without a time,
const MUTATIONS: u64 = 3_000;
/// and how long it takes at most.
const BRIEF: Duration = Duration::from_secs(2);
/// Inputs that are kept because of their results.
const MAX_POOL: usize = 4_096;
const SECONDS: &str = "OLLA_FUZZ_SECONDS";

/// Calls `target` with the corpus of this name and with mutations of it, which contain some of `words`.
///
/// # Panics
/// Panics when `target` does, and when there is no corpus.
pub fn fuzz<R: Hash>(name: &str, words: &[&str], target: impl Fn(&[u8]) -> R) {
    within(&Budget::of_environment(), name, words, target);
}

fn within<R: Hash>(budget: &Budget, name: &str, words: &[&str], target: impl Fn(&[u8]) -> R) {
    let corpus = Corpus::read(name);
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let run = |input: &[u8]| match catch_unwind(AssertUnwindSafe(|| target(input))) {
        Ok(result) => hasher.hash_one(result),
        Err(panic) => {
            corpus.keep_crash(input);
            resume_unwind(panic);
        }
    };
    let mut pool: Vec<Vec<u8>> = corpus.inputs().to_vec();
    let mut results: HashSet<u64> = pool.iter().map(|input| run(input)).collect();

    let mut mutator = Mutator::new(budget.seed(), words);
    let mut tried = 0;
    while budget.is_left(tried) {
        let input = mutator.mutate(&pool);
        if results.insert(run(&input)) && pool.len() < MAX_POOL {
            pool.push(input);
        }
        tried += 1;
    }
    report(name, tried, &pool);
}

#[expect(clippy::print_stderr, reason = "the test harness shows it on demand")]
fn report(name: &str, tried: u64, pool: &[Vec<u8>]) {
    eprintln!("fuzz {name}: {tried} mutations, {} inputs with results of their own", pool.len());
}

/// How much is tried.
enum Budget {
    Brief { mutations: u64, end: Instant },
    Until(Instant),
}

// === impl Budget ===

impl Budget {
    fn brief(mutations: u64, time: Duration) -> Self {
        Self::Brief { mutations, end: Instant::now() + time }
    }

    fn of_environment() -> Self {
        let seconds = std::env::var(SECONDS).ok().and_then(|text| text.parse().ok());
        match seconds {
            Some(seconds) => Self::Until(Instant::now() + Duration::from_secs(seconds)),
            None => Self::brief(MUTATIONS, BRIEF),
        }
    }

    /// Runs that are always the same are what tests need; longer ones should find something new.
    fn seed(&self) -> u64 {
        match self {
            Self::Brief { .. } => 0,
            Self::Until(_) => fastrand::u64(..),
        }
    }

    fn is_left(&self, tried: u64) -> bool {
        match self {
            Self::Brief { mutations, end } => tried < *mutations && Instant::now() < *end,
            Self::Until(end) => Instant::now() < *end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn the_same_inputs_are_tried_each_time() {
        let run = || {
            let tried = RefCell::new(vec![]);
            within(&Budget::brief(2_000, LONG), "self", &["word"], |input| {
                tried.borrow_mut().push(input.to_vec());
            });
            tried.into_inner()
        };

        let first = run();

        assert!(first.len() > 1000 && first == run());
        assert!(first.iter().any(|input| input.windows(4).any(|part| part == b"word")));
    }

    #[test]
    fn results_lead_to_inputs_that_chance_alone_would_not_find() {
        let deepest = Cell::new(0);

        within(&Budget::brief(50_000, LONG), "self", &[], |input| {
            let depth = input.iter().zip(b"abcd").take_while(|(found, wanted)| found == wanted).count();
            deepest.set(depth.max(deepest.get()));
            depth
        });

        assert!(deepest.get() >= 3);
    }

    #[test]
    #[should_panic(expected = "found it")]
    fn a_panic_is_not_swallowed() {
        let crash = corpus::crash_of("self", b"seed");

        let caught = catch_unwind(|| {
            within(&Budget::brief(1, LONG), "self", &[], |input| assert!(input != b"seed", "found it"));
        });

        assert_eq!(std::fs::read(&crash).ok().as_deref(), Some(&b"seed"[..]));
        let _ = std::fs::remove_file(crash);
        resume_unwind(caught.err().unwrap_or_else(|| Box::new(())));
    }
}

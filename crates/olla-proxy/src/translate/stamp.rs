//! What makes one translated answer another than the next: the time, and a number that nobody can guess.

use std::sync::LazyLock;

use olla_translate::Stamp;
use rustls::crypto::{SecureRandom, ring};

use crate::clock;

/// Returns the stamp of an answer that is asked for now.
pub(super) fn new() -> Stamp {
    Stamp { seed: unguessable(), unix_seconds: clock::since_1970().as_secs() }
}

/// Returns a random number from the system: who could guess the id of a response could go on from it.
fn unguessable() -> u128 {
    static SYSTEM: LazyLock<&dyn SecureRandom> = LazyLock::new(|| ring::default_provider().secure_random);
    let mut bytes = [0; 16];
    match SYSTEM.fill(&mut bytes) {
        Ok(()) => u128::from_ne_bytes(bytes),
        // No system of today fails here; an answer with an id that is merely unlikely is better than none.
        Err(_) => fastrand::u128(..),
    }
}

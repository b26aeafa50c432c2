//! Draws a few of many candidates that are alike, so that a choice costs no more the more there are.

use smallvec::SmallVec;

/// Draws `count` of so many positions, or all where there are no more; each at most once, and any set of them as
/// likely as any other (Bentley and Floyd, "A sample of brilliance", 1987). For small numbers: the time grows with the
/// square of `count`, and not with `total`.
// alloc: none for up to eight.
#[must_use]
pub fn sample(count: usize, total: usize) -> SmallVec<[usize; 8]> {
    let (mut drawn, mut random) = (SmallVec::new(), fastrand::Rng::new());
    for last in total.saturating_sub(count)..total {
        let position = random.usize(..=last);
        drawn.push(if drawn.contains(&position) { last } else { position });
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_drawn_once_at_most_whatever_their_number() {
        fastrand::seed(1);

        for total in 0..300 {
            for count in [0, 1, 8, 20] {
                let mut drawn = sample(count, total);
                drawn.sort_unstable();
                drawn.dedup();
                assert_eq!(drawn.len(), count.min(total), "{count} of {total}");
                assert!(drawn.iter().all(|position| *position < total));
            }
        }
    }

    #[test]
    fn every_position_and_every_pair_is_drawn_equally_often() {
        fastrand::seed(1);
        let (mut singles, mut pairs) = ([0_u32; 20], [[0_u32; 20]; 20]);

        for _ in 0..20_000 {
            let drawn = sample(8, 20);
            for a in &drawn {
                singles[*a] += 1;
                drawn.iter().for_each(|b| pairs[*a][*b] += 1);
            }
        }

        // 8 of 20, and 8 × 7 of 20 × 19; nobody is five standard deviations off.
        assert!(singles.iter().all(|times| times.abs_diff(8000) < 350), "{singles:?}");
        let apart = (0..20).flat_map(|a| (0..20).map(move |b| (a, b))).filter(|(a, b)| a != b);
        assert!(apart.into_iter().all(|(a, b)| pairs[a][b].abs_diff(2947) < 250), "{pairs:?}");
    }
}

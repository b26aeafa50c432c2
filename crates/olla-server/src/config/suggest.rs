//! What someone who misspelt a word probably meant.

/// Returns the known word closest to `written`, if it is close enough to be meant.
pub(crate) fn closest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |word: &str| word.to_lowercase().replace('-', "_");
    let written = fold(written);
    known
        .map(|word| (strsim::damerau_levenshtein(&written, &fold(word)), word))
        .filter(|(distance, word)| *distance <= word.len().min(written.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn suggests_what_is_close_and_nothing_else() {
        let known = || ["load_balancer", "retry", "read_timeout"].into_iter();

        assert_eq!(closest("loadbalancer", known()), Some("load_balancer"));
        assert_eq!(closest("Retyr", known()), Some("retry"));
        assert_eq!(closest("banana", known()), None);
        assert_eq!(closest("x", known()), None);
    }
}

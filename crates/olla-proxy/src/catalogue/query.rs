//! The query of a URL, decoded as forms are: percent signs, and plus signs for spaces.

use percent_encoding::percent_decode_str;

/// The parameters of a query.
#[derive(Debug)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

// === impl Query ===

impl Query {
    pub(crate) fn read(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        Self { pairs: pairs.map(|(name, value)| (decode(name), decode(value))).collect() }
    }

    /// Returns the first value of a parameter; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        value.filter(|value| !value.is_empty())
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_the_first_counts() {
        let query = Query::read(Some("endpoint=gpu+1%2Ba&family=&family=x&flag&%66ormat=a"));

        assert_eq!(query.get("endpoint"), Some("gpu 1+a"));
        assert_eq!(query.get("family"), None);
        assert_eq!((query.get("flag"), query.get("format"), query.get("none")), (None, Some("a"), None));
        assert_eq!(Query::read(None).get("x"), None);
    }
}

//! Reads durations: `90s`, `5m`, `1h30m`, `500ms`, or a bare number of seconds.

use std::time::Duration;

use crate::reader::{Node, Reader};

/// Reads a duration longer than zero.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<Duration> {
    let node = node?;
    let text = reader.text(Some(node.clone()))?;
    let duration = parse(&text).filter(|duration| !duration.is_zero());
    if duration.is_none() {
        reader.problem(&node, "must be a duration such as 90s, 5m or 1h30m");
    }
    duration
}

fn parse(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let number: u64 = digits.parse().ok()?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_spellings_and_nothing_else() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2000ms", 2)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["5 m", "m", "5x", "-1s", "1.5h", "5m3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

//! How single values are written: durations, sizes, ports, patterns and the like.
//!
//! A scalar brings whatever spelling it accepts, in YAML or in an environment variable, into the one
//! form that the rest of the program reads.

use std::{net::IpAddr, time::Duration};

use figment::value::{Empty, Value};
use http::{HeaderName, Method};
use ipnet::IpNet;
use olla_core::{Glob, PathRules, has_dot_segment};

/// A sort of single value.
#[derive(Debug)]
pub(crate) struct Scalar {
    /// Its name in the documentation.
    pub(crate) name: &'static str,
    /// What is accepted, for messages: "expected …".
    pub(crate) expects: &'static str,
    /// The accepted words, where only some are.
    pub(crate) choices: &'static [&'static str],
    /// Whether messages must not repeat the value.
    pub(crate) secret: bool,
    read: fn(&Value) -> Option<Value>,
}

/// The longest duration that is accepted; longer ones could overflow a clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

pub(crate) const TEXT: Scalar = Scalar::new("text", "text", |v| text(v).map(Value::from));
pub(crate) const SECRET: Scalar = Scalar { secret: true, ..TEXT };
pub(crate) const URL: Scalar = Scalar { name: "URL", expects: "a URL such as http://host:11434", ..SECRET };
pub(crate) const TARGET: Scalar = Scalar { name: "path or URL", expects: "a path or URL", ..SECRET };
pub(crate) const FLAG: Scalar = Scalar::new("true/false", "true or false", |v| flag(v).map(Value::from));
pub(crate) const PORT: Scalar =
    Scalar::new("port", "a port from 1 to 65535", |v| whole(v, 1..=65_535).map(Value::from));
pub(crate) const COUNT: Scalar =
    Scalar::new("number", "a whole number, 0 or more", |v| whole(v, 0..=u32::MAX.into()).map(Value::from));
pub(crate) const POSITIVE: Scalar =
    Scalar::new("number", "a whole number, 1 or more", |v| whole(v, 1..=u32::MAX.into()).map(Value::from));
pub(crate) const PERCENT: Scalar =
    Scalar::new("number", "a whole number from 0 to 100", |v| whole(v, 0..=100).map(Value::from));
pub(crate) const WORKERS: Scalar =
    Scalar::new("number", "a whole number from 0 to 1024", |v| whole(v, 0..=1024).map(Value::from));
/// Below 0 means 0, which means no limit.
pub(crate) const RATE: Scalar = Scalar::new("number", "a whole number of requests, or 0 for no limit", |v| {
    whole(v, i64::MIN..=u32::MAX.into()).map(|n| Value::from(n.max(0)))
});
/// A number of which 0, and less, means no limit.
pub(crate) const LIMIT: Scalar = Scalar { expects: "a whole number, or 0 for no limit", ..RATE };
/// No limit, or at least the mean: less than that nobody could keep to.
pub(crate) const LOAD: Scalar =
    Scalar::new("number", "a whole number of percent from 100, or 0 for no limit", |v| {
        whole(v, 0..=u32::MAX.into()).filter(|n| *n == 0 || *n >= 100).map(Value::from)
    });
pub(crate) const SIZE: Scalar =
    Scalar::new("size", "a number of bytes, or a size such as 100MB or 1GiB", |v| size(v).map(Value::from));
/// A size of which 0 means the default.
pub(crate) const NONZERO_SIZE: Scalar = Scalar {
    read: |v| match size(v)? {
        0 => Some(Value::from(Empty::None)),
        size => Some(Value::from(size)),
    },
    ..SIZE
};
/// A duration of which 0 has a meaning: none, at once, or never.
pub(crate) const DURATION: Scalar =
    Scalar::new("duration", "a duration such as 300ms, 30s, 1m30s, or a number of seconds", |v| {
        Value::serialize(duration(v)?).ok()
    });
/// A duration of which 0 means the default.
pub(crate) const TIMEOUT: Scalar = Scalar {
    read: |v| match duration(v)? {
        Duration::ZERO => Some(Value::from(Empty::None)),
        some => Value::serialize(some).ok(),
    },
    ..DURATION
};
/// A duration that cannot be 0.
pub(crate) const PERIOD: Scalar = Scalar {
    expects: "a duration above 0 such as 300ms, 30s, 1m30s, or a number of seconds",
    read: |v| Value::serialize(duration(v).filter(|d| !d.is_zero())?).ok(),
    ..DURATION
};
pub(crate) const GLOB: Scalar = Scalar::new("pattern", "a name, or a pattern such as llama3*", |v| {
    text(v).filter(|t| Glob::parse(t).is_ok()).map(Value::from)
});
pub(crate) const PATH_RULE: Scalar = Scalar::new(
    "path rule",
    "a path that begins with /, without . or .. segments, where * may stand for a whole segment, such as /key/*",
    // What is asked for with such segments is never forwarded, so that the rule would allow nothing.
    |v| text(v).filter(|t| PathRules::parse([t.as_str()]).is_ok() && !has_dot_segment(t)).map(Value::from),
);
pub(crate) const CIDR: Scalar = Scalar::new("CIDR", "an address block such as 10.0.0.0/8", |v| {
    cidr(&text(v)?).map(|net| Value::from(net.to_string()))
});
pub(crate) const STATUS: Scalar =
    Scalar::new("status", "an HTTP error status from 400 to 599", |v| whole(v, 400..=599).map(Value::from));
pub(crate) const METHOD: Scalar = Scalar::new("method", "an HTTP method such as GET", |v| {
    text(v).filter(|t| Method::from_bytes(t.as_bytes()).is_ok()).map(Value::from)
});
pub(crate) const HEADER: Scalar = Scalar::new("header name", "the name of a header", |v| {
    text(v).filter(|t| HeaderName::from_bytes(t.as_bytes()).is_ok()).map(Value::from)
});

// === impl Scalar ===

impl Scalar {
    /// A scalar that `read` brings into its one form, or refuses.
    pub(crate) const fn new(
        name: &'static str,
        expects: &'static str,
        read: fn(&Value) -> Option<Value>,
    ) -> Self {
        Self { name, expects, choices: &[], secret: false, read }
    }

    /// One of a few words. Case is ignored, and `_` is taken for `-`.
    pub(crate) const fn choice(choices: &'static [&'static str]) -> Self {
        Self { choices, ..Self::new("word", "one of the known words", |_| None) }
    }

    /// Returns the value in its one form, or `None` if it is not of this sort. An empty value means unset.
    pub(crate) fn read(&self, value: &Value) -> Option<Value> {
        if self.choices.is_empty() {
            return (self.read)(value);
        }
        let fold = |word: &str| word.trim().to_lowercase().replace('_', "-");
        let written = fold(&text(value)?);
        self.choices.iter().find(|choice| fold(choice) == written).map(|choice| Value::from(*choice))
    }

    /// Returns what is accepted, for messages.
    pub(crate) fn expected(&self) -> String {
        match self.choices {
            [] => self.expects.to_owned(),
            choices => format!("one of {}", choices.join(", ")),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Num(_, n) => {
            n.to_i128().or_else(|| n.to_u128().and_then(|n| n.try_into().ok())).map(|n| n.to_string())
        }
        _ => None,
    }
}

fn flag(value: &Value) -> Option<bool> {
    if let Value::Bool(_, flag) = value {
        return Some(*flag);
    }
    match text(value)?.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "on" => Some(true),
        "false" | "f" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn whole(value: &Value, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    text(value)?.trim().parse().ok().filter(|n| range.contains(n))
}

fn size(value: &Value) -> Option<u64> {
    let text = text(value).or_else(|| value.to_num()?.to_f64().map(|n| n.to_string()))?;
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let unit = unit.to_ascii_lowercase();
    let scale = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 1u64,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        "p" => 1 << 50,
        _ => return None,
    };
    let number: f64 = number.trim_end().parse().ok().filter(|n: &f64| n.is_finite())?;
    // Below 0 means 0, as it always has.
    #[expect(clippy::cast_precision_loss, reason = "powers of two are exact")]
    Some(number.max(0.0) * scale as f64).filter(|bytes| *bytes < u64::MAX as f64).map(|bytes| bytes as u64)
}

fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::Num(_, n) => seconds(number_as_f64(*n)?),
        Value::String(_, text) => parse_duration(text.trim()),
        _ => None,
    }
}

fn number_as_f64(n: figment::value::Num) -> Option<f64> {
    n.to_f64()
        .or_else(|| i32::try_from(n.to_i128()?).ok().map(f64::from))
        .or_else(|| u32::try_from(n.to_u128()?).ok().map(f64::from))
}

fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(n) = text.parse() {
        return seconds(n);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, tail) =
            tail.split_at(tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len()));
        let scale = match unit.trim() {
            "ns" => 1e-9,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    if text.is_empty() { None } else { seconds(total) }
}

fn seconds(n: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(n).ok().filter(|d| *d <= LONGEST)
}

/// Parses an address block; a lone address is a block of one.
pub(crate) fn cidr(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(scalar: &Scalar, value: impl Into<Value>) -> Option<T> {
        scalar.read(&value.into())?.deserialize().ok()
    }

    #[test]
    fn durations_are_go_text_or_seconds() {
        for (text, millis) in
            [("300ms", 300), ("1m30s", 90_000), ("24h", 86_400_000), ("1.5s", 1500), ("0", 0), ("2500us", 2)]
        {
            let read: Duration = read(&DURATION, text).unwrap();
            assert_eq!(read.as_millis(), millis, "{text}");
        }
        assert_eq!(read(&DURATION, 5), Some(Duration::from_secs(5)));
        assert_eq!(read(&DURATION, 0.5), Some(Duration::from_millis(500)));
        for text in ["", "fast", "5 parsecs", "-1s", "s", "5s5", "9999999h", "NaN", "inf"] {
            assert_eq!(DURATION.read(&Value::from(text)), None, "{text}");
        }
    }

    #[test]
    fn zero_is_the_default_of_a_timeout_and_no_period() {
        assert!(matches!(TIMEOUT.read(&Value::from("0s")), Some(Value::Empty(..))));
        assert_eq!(PERIOD.read(&Value::from("0s")), None);
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in
            [("100MB", 100 << 20), ("1GiB", 1 << 30), ("1.5 k", 1536), ("7", 7), ("2b", 2), ("-1", 0)]
        {
            assert_eq!(read(&SIZE, text), Some(bytes), "{text}");
        }
        assert_eq!(read(&SIZE, 104_857_600), Some(100u64 << 20));
        for text in ["", "MB", "1XB", "1 MB more", "inf", "99999999999999999999999", "99999P"] {
            assert_eq!(SIZE.read(&Value::from(text)), None, "{text}");
        }
    }

    #[test]
    fn flags_numbers_and_words_have_many_spellings() {
        assert_eq!(read(&FLAG, "Yes"), Some(true));
        assert_eq!(read(&FLAG, "F"), Some(false));
        assert_eq!(FLAG.read(&Value::from("maybe")), None);
        assert_eq!(read(&PORT, "8080"), Some(8080u16));
        assert_eq!(PORT.read(&Value::from(70_000)), None);
        assert_eq!(read(&RATE, -5), Some(0u32));
        assert_eq!(read(&TEXT, 4), Some("4".to_owned()));
        assert_eq!(read(&Scalar::choice(&["round-robin"]), "Round_Robin"), Some("round-robin".to_owned()));
    }

    #[test]
    fn a_lone_address_is_a_block_of_one() {
        assert_eq!(read(&CIDR, "::1"), Some("::1/128".to_owned()));
        assert_eq!(CIDR.read(&Value::from("10.0.0.0/99")), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_scalar_panic(text in "\\PC{0,20}") {
            let value = Value::from(text);
            for scalar in [&TEXT, &FLAG, &PORT, &SIZE, &DURATION, &TIMEOUT, &CIDR, &GLOB, &PATH_RULE] {
                let _ = scalar.read(&value);
            }
        }
    }
}

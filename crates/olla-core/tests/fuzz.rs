//! Paths and URLs that nobody would write; see `olla_fuzz`.

use http::uri::PathAndQuery;
use olla_core::{BaseUrl, Glob, PathRules, has_dot_segment};
use olla_fuzz::fuzz;

const WORDS: &[&str] = &[
    "http://",
    "https://",
    "://",
    "//",
    "/",
    "..",
    "/../",
    "/./",
    "%2e",
    "%2F",
    "%5c",
    "\\",
    "?",
    "#",
    "@",
    ":",
    ":80",
    "[::1]",
    "[",
    "]",
    "*",
    "/*",
    "/v1",
    "/openai/v1",
    "localhost",
    "user:pass@",
    " ",
    "\t",
    "%00",
    "\u{e9}",
    "\n",
];

/// The first line of an input and the rest.
fn two(input: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(input).into_owned();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    (first.to_owned(), rest.to_owned())
}

/// The first line is a base URL, the rest what is asked for there.
#[test]
fn fuzz_base_url() {
    fuzz("base_url", WORDS, |input| {
        let (url, target) = two(input);
        let base = BaseUrl::parse(&url).ok()?;

        assert_eq!(BaseUrl::parse(&base.to_string()).unwrap(), base, "what is shown is the same URL");
        assert!(!base.host().is_empty() && !base.host().contains(['/', '@', '?', '#']));
        assert!(base.path().is_empty() || (base.path().starts_with('/') && !base.path().ends_with('/')));
        let mut joined = None;
        if target.starts_with('/') {
            for always in [false, true] {
                let Ok(whole) = base.join(&target, always) else { continue };
                assert!(whole.path().starts_with(base.path()), "{whole} is not below {base}");
                assert!(
                    whole.as_str().ends_with(target.split('#').next().unwrap()),
                    "{whole} loses {target}"
                );
                joined = Some(always);
            }
        }
        let resolved = base.target(&target).ok();
        if let Some(resolved) = &resolved {
            assert!(resolved.path.as_str().starts_with('/'));
            assert!(resolved.base.path().is_empty() || resolved.base == base);
        }
        Some((base.is_tls(), base.path().len().min(4), joined, resolved.is_some()))
    });
}

/// The first line is a rule, the rest a path.
#[test]
fn fuzz_path_rules() {
    fuzz("path_rules", WORDS, |input| {
        let (rule, path) = two(input);
        let climbs = has_dot_segment(&path);
        let rules = PathRules::parse([&*rule]).ok()?;

        let allowed = rules.allow(&path);

        assert_eq!(allowed, naively_allowed(&rule, &path), "{rule:?} {path:?}");
        assert!(climbs || !resolves_elsewhere(&path), "{path:?}");
        Some((allowed, climbs, rule.matches('*').count().min(3)))
    });
}

fn naively_allowed(rule: &str, path: &str) -> bool {
    if !rule.contains('*') {
        return rule == path;
    }
    let (rule, path): (Vec<_>, Vec<_>) = (rule.split('/').collect(), path.split('/').collect());
    let fits = |(rule, part): (&&str, &&str)| if *rule == "*" { !part.is_empty() } else { rule == part };
    match rule.split_last() {
        Some((&"*", first)) if path.len() > first.len() => {
            let rest = path[first.len()..].join("/");
            // The root is below itself; every other path is not.
            first.iter().zip(&path).all(fits) && (!rest.is_empty() || first.len() == 1)
        }
        Some((&"*", _)) => false,
        _ => rule.len() == path.len() && rule.iter().zip(&path).all(fits),
    }
}

/// Whether a path loses a segment when a server decodes and cleans it.
fn resolves_elsewhere(path: &str) -> bool {
    let mut decoded = path.to_lowercase();
    for (code, plain) in [("%2e", "."), ("%2f", "/"), ("%5c", "\\")] {
        decoded = decoded.replace(code, plain);
    }
    decoded.split(['/', '\\']).any(|segment| segment == "." || segment == "..")
}

/// The first line is a pattern, the rest a name.
#[test]
fn fuzz_glob() {
    fuzz("glob", &["*", "**", "/", "openai/*", "*:70b", "\u{e9}", "\n"], |input| {
        let (pattern, name) = two(input);
        let glob = Glob::parse(&pattern).ok()?;

        let matches = glob.matches(&name);

        assert!(glob.is_wildcard() || matches == (pattern.to_lowercase() == name.to_lowercase()));
        Some((matches, glob.is_wildcard()))
    });
}

/// A request target.
#[test]
fn fuzz_request_target() {
    fuzz("path_rules", WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let target = text.parse::<PathAndQuery>().ok()?;
        Some((has_dot_segment(target.path()), target.query().is_some()))
    });
}

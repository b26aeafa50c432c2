//! `${VAR}` and `${VAR:-default}` within a value: the environment stands in for text.
//!
//! No message repeats the value, which may be a secret before and after.

use super::{
    env::Env,
    problem::{Problem, Report},
};

/// Replaces every variable in the value of `key`; a default also stands in for an empty variable.
///
/// Returns `None` where something was reported.
pub(crate) fn expand(text: &str, env: &Env, key: &str, report: &mut Report) -> Option<String> {
    let mut expanded = String::new();
    let mut complete = true;
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once("${") {
        expanded.push_str(before);
        let closed = opened.split_once('}').filter(|(inside, _)| !inside.contains("${"));
        let Some((inside, after)) = closed else {
            complete = false;
            let problem = Problem::new(key, "holds `${` without its `}`");
            report.add(problem.help("write ${NAME} or ${NAME:-default}; a default cannot hold a variable"));
            rest = opened;
            continue;
        };
        rest = after;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match (env.get_even_empty(name), default) {
            _ if !is_name(name) => expanded.extend(["${", inside, "}"]),
            (Some("") | None, Some(default)) => expanded.push_str(default),
            (Some(value), _) => expanded.push_str(value),
            (None, None) => {
                complete = false;
                let problem = Problem::new(key, format!("the environment variable {name} is not set"));
                report.add(problem.help(format!("set it, or write ${{{name}:-default}}")));
            }
        }
    }
    expanded.push_str(rest);
    if complete { Some(expanded) } else { None }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> (Option<String>, Vec<String>) {
        let env = Env::from([("KEY", "k1"), ("EMPTY", "")]);
        let mut report = Report::default();
        let value = expand(text, &env, "auth.token", &mut report);
        (value, report.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn variables_stand_anywhere_in_a_value() {
        for (text, value) in [
            ("${KEY}", "k1"),
            ("a-${KEY}-${KEY}.", "a-k1-k1."),
            ("${NONE:-d}${EMPTY:-e}${KEY:-f}", "dek1"),
            ("<${EMPTY}>", "<>"),
            ("$KEY ${} ${not a name} }{$", "$KEY ${} ${not a name} }{$"),
            ("${a b}${KEY}", "${a b}k1"),
        ] {
            assert_eq!(expanded(text), (Some(value.to_owned()), vec![]), "{text}");
        }
    }

    #[test]
    fn every_missing_variable_is_named_and_no_value_shown() {
        let (value, problems) = expanded("s3cret ${A} ${B}");

        assert_eq!(value, None);
        assert!(problems[0].contains("variable A is") && problems[1].contains("variable B is"));
        assert!(!problems.concat().contains("s3cret"), "{problems:?}");
    }

    #[test]
    fn a_variable_that_is_not_closed_is_a_problem_and_hides_no_other() {
        for text in ["${KEY", "s3cret${oops", "${", "${oops ${KEY}", "${KEY:-${EMPTY}}"] {
            let (value, problems) = expanded(text);

            assert_eq!(value, None, "{text}");
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(problems[0].contains("holds `${` without its `}`"), "{problems:?}");
            assert!(!problems[0].contains("s3cret") && !problems[0].contains("oops"), "{problems:?}");
        }
        assert_eq!(expanded("${A}${oops").1.len(), 2);
    }
}

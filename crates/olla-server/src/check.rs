//! The report of `olla-server check`: every part of the configuration, and all that is wrong with it.

mod probe;

use std::io::{self, Write};

use crate::config::{Loaded, Part, Rejected};

pub(crate) use probe::probe;

const PARTS: [(Part, &str); 4] = [
    (Part::Config, "config.yaml"),
    (Part::Profiles, "profiles"),
    (Part::Endpoints, "endpoints"),
    (Part::Aliases, "aliases"),
];

/// Writes the report and returns whether the configuration is valid. Notices do not make it invalid.
///
/// # Errors
/// Fails when `out` does.
pub(crate) fn report(outcome: &Result<Loaded, Rejected>, out: &mut dyn Write) -> io::Result<bool> {
    writeln!(out, "Olla Configuration Validation\n==============================")?;
    for (part, name) in PARTS {
        write_part(part, name, outcome, out)?;
    }
    write_result(outcome.is_ok(), "the configuration is valid", "correct the problems above", out)
}

/// Writes the last line and returns `passed`.
fn write_result(passed: bool, good: &str, bad: &str, out: &mut dyn Write) -> io::Result<bool> {
    match passed {
        true => writeln!(out, "\nResult: PASS - {good}")?,
        false => writeln!(out, "\nResult: FAIL - {bad}")?,
    }
    Ok(passed)
}

fn describe(part: Part, outcome: &Result<Loaded, Rejected>) -> String {
    match (part, outcome) {
        (Part::Config, Ok(Loaded { source, .. }) | Err(Rejected { source, .. })) => match source {
            Some(path) => format!("loaded from {}", path.display()),
            None => "(none found, using built-in defaults)".to_owned(),
        },
        (_, Err(_)) => "no problem found".to_owned(),
        (Part::Profiles, Ok(loaded)) => format!("{} profile(s) loaded", loaded.profiles.iter().count()),
        (Part::Endpoints, Ok(loaded)) => {
            let discovery = &loaded.settings.discovery;
            let local = if discovery.local { "; local backends are looked for" } else { "" };
            format!("{} endpoint(s) configured{local}", discovery.endpoints.len())
        }
        (Part::Aliases, Ok(loaded)) => format!("{} alias(es)", loaded.settings.aliases.sorted().len()),
    }
}

fn write_part(
    part: Part,
    name: &str,
    outcome: &Result<Loaded, Rejected>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (problems, notices) = match outcome {
        Ok(loaded) => (&[][..], &loaded.notices),
        Err(rejected) => (&*rejected.problems, &rejected.notices),
    };
    let problems: Vec<_> = problems.iter().filter(|p| p.part == part).collect();
    let notices: Vec<_> = notices.iter().filter(|n| n.part == part).collect();
    let good = describe(part, outcome);
    match (problems.len(), notices.len()) {
        (0, _) if !was_looked_at(part, outcome) => {
            writeln!(out, "[SKIP] {name:12} not looked at: the file cannot be read")?;
        }
        (0, 0) => writeln!(out, "[OK]   {name:12} {good}")?,
        (0, count) => writeln!(out, "[WARN] {name:12} {good} ({count} notice(s))")?,
        (count, _) => writeln!(out, "[FAIL] {name:12} {count} problem(s)")?,
    }
    problems.iter().try_for_each(|problem| write_item(&problem.to_string(), out))?;
    notices.iter().try_for_each(|notice| write_item(&notice.to_string(), out))
}

/// A file that cannot be parsed says nothing about its endpoints and aliases, but still where to look for
/// profiles.
fn was_looked_at(part: Part, outcome: &Result<Loaded, Rejected>) -> bool {
    match (part, outcome) {
        (Part::Config, _) | (_, Ok(_)) => true,
        (Part::Profiles, Err(rejected)) => !rejected.unread || rejected.source.is_some(),
        (Part::Endpoints | Part::Aliases, Err(rejected)) => !rejected.unread,
    }
}

fn write_item(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "         - {}", text.replace('\n', "\n           "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Env, LoadOptions};

    fn report_on(text: &str, env: Env) -> (bool, String) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.yaml"), text).unwrap();
        let options = LoadOptions { env, directory: directory.path().into(), ..LoadOptions::default() };
        let mut written = vec![];
        let passed = report(&config::load(&options), &mut written).unwrap();
        (passed, String::from_utf8(written).unwrap())
    }

    #[test]
    fn a_valid_configuration_passes_with_its_notices() {
        let text = "\
proxy: {engine: sherpa}
endpoints:
  - {url: https://gpu-1, type: vllm, tls: {insecure_skip_verify: true}}
model_aliases: {small: [llama3]}
";

        let (passed, report) = report_on(text, Env::default());

        assert!(passed);
        assert_eq!(
            report,
            "\
Olla Configuration Validation
==============================
[WARN] config.yaml  loaded from config.yaml (1 notice(s))
         - settings of earlier versions that change nothing and can be removed
               proxy.engine: there is one engine
[OK]   profiles     13 profile(s) loaded
[WARN] endpoints    1 endpoint(s) configured (1 notice(s))
         - endpoint vllm-gpu-1-443: certificates are not checked (tls.insecure_skip_verify), so that anyone on \
the way can read and change the traffic
[OK]   aliases      1 alias(es)

Result: PASS - the configuration is valid
"
        );
    }

    #[test]
    fn problems_stand_under_the_part_they_belong_to() {
        let text = "server: {port: 0}\nendpoints: [{url: 'ftp://h'}]\nmodel_aliases: {a: []}\n";

        let (passed, report) = report_on(text, Env::default());

        assert!(!passed);
        assert_eq!(
            report,
            "\
Olla Configuration Validation
==============================
[FAIL] config.yaml  1 problem(s)
         - config.yaml:1: server.port: expected a port from 1 to 65535, found 0
[OK]   profiles     no problem found
[FAIL] endpoints    1 problem(s)
         - config.yaml:2: endpoints[0].url: must begin with http:// or https://
[FAIL] aliases      1 problem(s)
         - config.yaml:3: model_aliases.a: has no model to stand for
               help: list at least one real model name

Result: FAIL - correct the problems above
"
        );
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_called_good() {
        let (passed, report) = report_on("endpoints: [\n", Env::default());

        assert!(!passed);
        let labels: Vec<_> = report.lines().filter(|line| line.starts_with('[')).collect();
        assert_eq!(
            labels,
            [
                "[FAIL] config.yaml  1 problem(s)",
                "[OK]   profiles     no problem found",
                "[SKIP] endpoints    not looked at: the file cannot be read",
                "[SKIP] aliases      not looked at: the file cannot be read",
            ]
        );

        let (_, report) = report_on("", Env::from([("OLLA_CONFIG_FILE", "absent.yaml")]));
        assert!(report.contains("[SKIP] profiles "), "{report}");
    }

    #[test]
    fn what_the_environment_says_is_reported_even_without_the_file() {
        let env = Env::from([("OLLA_ENDPOINTS", "ftp://h")]);

        let (_, report) = report_on("endpoints: [\n", env);

        assert!(report.contains("[FAIL] endpoints    1 problem(s)"), "{report}");
        assert!(report.contains("OLLA_ENDPOINTS: endpoints[0].url: must begin with"), "{report}");
    }
}

//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::config::{Env, USUAL_FILES};

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The configuration file, if one is named.
    pub(crate) config: Option<PathBuf>,
    /// A directory of profiles, if one is named.
    pub(crate) profiles: Option<PathBuf>,
    /// What to do.
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Serve requests.
    Serve,
    /// List every key of the configuration.
    Keys,
    /// Check the configuration and report.
    Check {
        /// Contact each endpoint, too.
        probe: bool,
    },
    /// Serve two simulated backends and a proxy for them.
    Demo {
        /// The port of the proxy; 0 takes any free one.
        port: u16,
    },
    /// Ask a running server where a request would go.
    Explain(Inquiry),
}

/// The request to ask about, and whom to ask.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Inquiry {
    /// Name or alias of the model
    pub(crate) model: String,

    /// Path of the request
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    pub(crate) path: String,

    /// The request shows images
    #[arg(long)]
    pub(crate) images: bool,

    /// The request offers tools
    #[arg(long)]
    pub(crate) tools: bool,

    /// Server to ask, such as http://host:port; by default the one of the configuration
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Parser)]
#[command(name = "olla-server", version, about = "Proxy and load balancer for LLM inference", after_help = more_help())]
struct Arguments {
    /// Configuration file
    #[arg(short, long, value_name = "FILE", global = true, overrides_with = "config")]
    config: Option<PathBuf>,

    /// Directory with further backend profiles (*.yaml)
    #[arg(long, value_name = "DIR", global = true, overrides_with = "profiles")]
    profiles: Option<PathBuf>,

    /// Check the configuration, report, and exit
    #[arg(long)]
    validate_config: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// List every configuration key: what it holds, its default, the variable that overrides it
    Keys,
    /// Check the configuration, report, and exit
    Check {
        /// Contact each endpoint and say how to fix what fails
        #[arg(long)]
        probe: bool,
    },
    /// Run with two simulated backends, for a first look without any LLM
    Demo {
        /// Port to listen on; 0 takes any free one
        #[arg(long, value_name = "PORT", default_value_t = 40114)]
        port: u16,
    },
    /// Ask the running server where a request for a model would go now, and why
    Explain(Inquiry),
}

/// Reads the command line, program name included.
///
/// # Errors
/// Returns what to print instead, and how to exit: code 0 for help and version, 2 for a mistake.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    env: &Env,
) -> Result<Invocation, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().map(with_two_dashes).collect();
    if env.get("OLLA_SHOW_VERSION") == Some("true") {
        arguments.push("--version".into());
    }
    let Arguments { config, profiles, validate_config, command } = Arguments::try_parse_from(arguments)?;
    let action = match command {
        Some(Command::Keys) => Action::Keys,
        Some(Command::Check { probe }) => Action::Check { probe },
        Some(Command::Demo { port }) => Action::Demo { port },
        Some(Command::Explain(inquiry)) => Action::Explain(inquiry),
        None if validate_config => Action::Check { probe: false },
        None => Action::Serve,
    };
    Ok(Invocation { config, profiles, action })
}

/// Returns what `--help` says below the options.
fn more_help() -> String {
    format!(
        "\
Configuration: the first of these files counts
  1. the one of --config, which must exist
  2. the one that the variable OLLA_CONFIG_FILE names, which must exist
  3. {}
Without any, local backends are looked for. Every key has a variable that overrides it, such as
OLLA_SERVER_PORT, or OLLA_ENDPOINTS for the whole list; `olla-server keys` lists them.

Exit codes:
  0  all is well, or the server was told to stop
  1  the configuration is not valid, an endpoint fails `check --probe`, the server cannot start, or
     the request of `explain` would be refused or nobody answers
  2  the command line is not valid

Examples:
  olla-server --config olla.yaml
  OLLA_ENDPOINTS=http://gpu-1:11434 olla-server check --probe
  olla-server explain llama3.2:3b --images --url http://gateway:40114",
        USUAL_FILES.join(", ")
    )
}

/// Turns `-config` into `--config`: long flags used to take one dash or two.
fn with_two_dashes(argument: OsString) -> OsString {
    const LONG: &[&str] = &["config", "profiles", "validate-config", "version", "help"];
    let name = argument.to_str().and_then(|text| text.strip_prefix('-')).unwrap_or_default();
    let name = name.split('=').next().unwrap_or(name);
    if !LONG.contains(&name) {
        return argument;
    }
    let mut long = OsString::from("-");
    long.push(&argument);
    long
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, i32> {
        let arguments = line.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
        parse(std::iter::once("olla-server".into()).chain(arguments), &Env::default())
            .map_err(|e| e.exit_code())
    }

    fn inquiry(path: &str, images: bool, url: Option<&str>) -> Action {
        let (model, url) = ("a/b".into(), url.map(Into::into));
        Action::Explain(Inquiry { model, path: path.into(), images, tools: false, url })
    }

    #[test]
    fn the_definition_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn serves_unless_told_otherwise() {
        for (line, action) in [
            ("", Action::Serve),
            ("--validate-config", Action::Check { probe: false }),
            ("keys", Action::Keys),
            ("check", Action::Check { probe: false }),
            ("check --probe", Action::Check { probe: true }),
            ("demo", Action::Demo { port: 40114 }),
            ("demo --port 0", Action::Demo { port: 0 }),
            ("explain a/b", inquiry("/v1/chat/completions", false, None)),
            ("explain --images a/b --path /x --url http://h", inquiry("/x", true, Some("http://h"))),
        ] {
            assert_eq!(parsed(line).map(|i| i.action), Ok(action), "{line}");
        }
    }

    #[test]
    fn flags_take_one_dash_or_two_and_the_last_one_counts() {
        for line in ["-c a", "--config a", "-config a", "-config=a", "-c b --config=a", "check -c a"] {
            assert_eq!(parsed(line).map(|i| i.config), Ok(Some("a".into())), "{line}");
        }
        assert_eq!(parsed("-profiles p").map(|i| i.profiles), Ok(Some("p".into())));
    }

    #[test]
    fn a_mistake_exits_with_2_and_help_with_0() {
        for line in ["--nonsense", "-x", "serve", "demo --port 70000", "--config", "explain"] {
            assert_eq!(parsed(line), Err(2), "{line}");
        }
        for line in ["--version", "-version", "--help", "-h"] {
            assert_eq!(parsed(line), Err(0), "{line}");
        }
    }

    #[test]
    fn the_help_says_where_settings_come_from_and_how_the_program_ends() {
        let help = parse(["olla-server".into(), "--help".into()], &Env::default()).unwrap_err().to_string();

        let mut from = 0;
        for part in ["OLLA_CONFIG_FILE"].iter().chain(USUAL_FILES) {
            from += help[from..].find(part).unwrap_or_else(|| panic!("{part} is not in its place:\n{help}"));
        }
        for part in ["olla-server keys", "OLLA_SERVER_PORT", "Exit codes", "Examples"] {
            assert!(help.contains(part), "{part}\n{help}");
        }
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }

    #[test]
    fn a_variable_can_ask_for_the_version() {
        let env = Env::from([("OLLA_SHOW_VERSION", "true")]);

        let shown = parse(["olla-server".into()], &env).unwrap_err();

        assert_eq!(shown.kind(), clap::error::ErrorKind::DisplayVersion);
    }
}

//! From the command line to an exit code: the one place that decides both.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use olla_core::{EndpointSpec, FleetCell};
use tracing::{error, warn};

use crate::{
    check,
    cli::{self, Action},
    compose,
    config::{self, Env, LoadOptions, Loaded, Rejected},
    demo, explain, huge_pages, log, open_files,
    run::Server,
};

/// Runs the program with this command line, program name first, and returns its exit code: 0 after a
/// regular stop, 1 when it cannot start, 2 for a mistake on the command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    huge_pages::do_without();
    open_files::make_room();
    let env = Env::of_process();
    let invocation = match cli::parse(arguments, &env) {
        Ok(invocation) => invocation,
        Err(instead) => {
            let _ = instead.print();
            return ExitCode::from(u8::try_from(instead.exit_code()).unwrap_or(2));
        }
    };
    let options = LoadOptions {
        config: invocation.config,
        profiles: invocation.profiles,
        env,
        ..LoadOptions::default()
    };
    match invocation.action {
        Action::Serve => serve(&options),
        Action::Keys => code(&config::write_keys(&mut io::stdout().lock()).map(|()| true)),
        Action::Check { probe } => check(&options, probe),
        Action::Demo { port } => demo::run(port),
        Action::Explain(inquiry) => explain::run(&inquiry, &options),
    }
}

fn serve(options: &LoadOptions) -> ExitCode {
    match config::load(options) {
        Ok(loaded) => start(loaded, |_| async {}),
        Err(rejected) => reject(&rejected),
    }
}

/// Serves a valid configuration until the end; `once_ready` is given the address when all is up.
pub(crate) fn start<F: Future<Output = ()>>(
    loaded: Loaded,
    once_ready: impl FnOnce(String) -> F,
) -> ExitCode {
    let _log = match log::init(&loaded.settings.logging) {
        Ok(guard) => guard,
        Err(error) => {
            return complain(&format!("cannot write logs: {error}; check logging.output and OLLA_LOG_DIR"));
        }
    };
    for notice in &loaded.notices {
        warn!("{notice}");
    }
    match Server::bind(loaded) {
        Ok(server) => server.run(once_ready),
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints every mistake in the configuration.
pub(crate) fn reject(rejected: &Rejected) -> ExitCode {
    let mut text = String::new();
    for problem in &rejected.problems {
        text.push_str(&format!("{problem}\n"));
    }
    complain(&format!(
        "{text}olla-server: {} problem(s) in the configuration; nothing was started",
        rejected.problems.len()
    ))
}

fn check(options: &LoadOptions, probe: bool) -> ExitCode {
    let outcome = config::load(options);
    let mut out = io::stdout().lock();
    let passed = check::report(&outcome, &mut out);
    let (Ok(loaded), true) = (outcome, probe) else { return code(&passed) };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot start a runtime: {error}")),
    };
    let Loaded { settings, profiles, .. } = loaded;
    let (endpoints, profiles) = (settings.discovery.endpoints.clone(), Arc::new(profiles));
    let fleet = Arc::new(FleetCell::new(endpoints.clone(), settings.aliases.clone()));
    let monitor = compose::monitor(&settings, &fleet, &profiles);
    let contact = async |spec: &EndpointSpec| monitor.check_once(spec).await;
    let probed = runtime.block_on(check::probe(&endpoints, &profiles, contact, &mut out));
    code(&passed.and_then(|passed| Ok(passed && probed?)))
}

fn code(passed: &io::Result<bool>) -> ExitCode {
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// Says on standard error why the program ends: there is no log yet.
pub(crate) fn complain(message: &str) -> ExitCode {
    // Nobody to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}

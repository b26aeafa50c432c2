//! Where log lines go: text on a terminal, JSON otherwise, and a rotated JSON file where one is wanted.

mod json;
mod lines;
mod sink;
mod text;
mod time;

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

pub(crate) use lines::{Fields, write};
use lines::{Format, Lines};
use sink::{Flush, Sink};

use crate::config::settings::{LogFormat, LogLevel, Logging};

/// Log files kept besides the current one; a new one begins every day.
const KEPT_FILES: usize = 7;

/// Writes what is still queued when it is dropped.
#[derive(Debug)]
#[must_use = "log lines are lost without it"]
pub(crate) struct LogGuard {
    _writers: Vec<Flush>,
}

/// Sends all log lines of this process where the settings say.
///
/// # Errors
/// Fails when the log directory cannot be written.
pub(crate) fn init(settings: &Logging) -> io::Result<LogGuard> {
    let (console, guard) = Sink::start(io::stdout())?;
    let mut writers = vec![guard];
    let format = if is_json(settings.format) {
        Format::Json
    } else {
        Format::Text { colors: settings.colors.unwrap_or_else(|| io::stdout().is_terminal()) }
    };
    let mut places = vec![(format, console)];
    if let Some(directory) = &settings.file_dir {
        std::fs::create_dir_all(directory)?;
        let appender = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("olla")
            .filename_suffix("log")
            .max_log_files(KEPT_FILES)
            .build(directory)
            .map_err(io::Error::other)?;
        let (file, guard) = Sink::start(appender)?;
        writers.push(guard);
        places.push((Format::Json, file));
    }
    tracing_subscriber::registry().with(Lines::new(level(settings.level), places)).init();
    Ok(LogGuard { _writers: writers })
}

/// Returns whether lines on standard output are JSON.
pub(crate) fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::JsonUnlessTerminal => !io::stdout().is_terminal(),
    }
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

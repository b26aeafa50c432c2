//! Log lines for people: time, level, the message, then the fields.

use std::fmt::{self, Write};

use tracing::Level;

/// What is written here cannot be taken for another line, or for orders to a terminal.
struct Tamed<'a>(&'a mut String);

const DIM: &str = "\x1b[2m";
const ITALIC: &str = "\x1b[3m";
const PLAIN: &str = "\x1b[0m";

/// Begins a line.
pub(super) fn begin(line: &mut String, level: Level, colors: bool, time: impl FnOnce(&mut String)) {
    let color = match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    };
    let [dim, color, plain] = if colors { [DIM, color, PLAIN] } else { [""; 3] };
    line.push_str(dim);
    time(line);
    for part in
        [plain, " ", color, "     ".get(level.as_str().len()..).unwrap_or_default(), level.as_str(), plain]
    {
        line.push_str(part);
    }
}

/// Adds a text: in quotes, unless it is the message.
pub(super) fn text(line: &mut String, name: &'static str, value: &str, colors: bool) {
    if name == MESSAGE {
        return bare(line, name, value, colors);
    }
    push_name(line, name, colors);
    // A string does not fail.
    let _ = write!(line, "{value:?}");
}

/// Adds a number, or what else is no text.
pub(super) fn bare(line: &mut String, name: &'static str, value: &str, colors: bool) {
    push_name(line, name, colors);
    let _ = Tamed(line).write_str(value);
}

/// Adds what a value shows of itself.
pub(super) fn shown(line: &mut String, name: &'static str, value: &dyn fmt::Debug, colors: bool) {
    push_name(line, name, colors);
    // Only a value that refuses to be shown fails; the line then lacks the rest of it.
    let _ = write!(Tamed(line), "{value:?}");
}

const MESSAGE: &str = "message";

fn push_name(line: &mut String, name: &'static str, colors: bool) {
    line.push(' ');
    if name == MESSAGE {
        return;
    }
    let parts = if colors { [ITALIC, name, PLAIN, DIM, "=", PLAIN] } else { ["", name, "", "", "=", ""] };
    parts.into_iter().for_each(|part| line.push_str(part));
}

// === impl Tamed ===

impl Write for Tamed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

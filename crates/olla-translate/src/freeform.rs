//! Free-form tools, on backends that know only functions.
//!
//! Such a backend is told of a function with one text, `input`. Its calls are turned back here, between the
//! reader and the writer of the answer.

use bytes::BytesMut;

use crate::{
    canonical::{Content, Delta, Event, Failure, Head, Response, Tool, ToolKind, ToolSort},
    json::{Object, Text, record},
};

/// What the function takes.
pub(crate) const SCHEMA: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

record! {
    /// What the function is called with.
    struct WireInput<'a> {
        input: Option<Text<'a>> = "input",
    }
}

/// The free-form tools of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Freeform {
    /// Their names, as the backend knows them.
    names: Vec<String>,
    /// The arguments of the call that is open. Only when it is complete can its text be taken out.
    held: Option<String>,
}

/// The longest input, in bytes.
const MAX_HELD: usize = 8 << 20;

/// Writes the description of a tool, with what a model has to know of a free-form one.
pub(crate) fn describe(tool: &Tool<'_>, wire: &mut Object<'_>) {
    let told = tool.description.as_deref();
    match &tool.sort {
        ToolSort::Freeform { grammar } => {
            let grammar =
                grammar.as_deref().map(|grammar| ["\n\nThe text has to fit this grammar:\n", grammar]);
            let told = told.map(|told| [told, "\n\n"]);
            let how = "Call it with the whole text, as it is, in `input`.";
            let pieces = told.into_iter().flatten().chain([how]).chain(grammar.into_iter().flatten());
            wire.texts("description", pieces);
        }
        ToolSort::Function { .. } | ToolSort::Hosted(_) => {
            if let Some(told) = told {
                wire.text("description", told);
            }
        }
    }
}

/// Returns the arguments of the function for a text.
pub(crate) fn arguments(text: &str) -> String {
    let mut out = BytesMut::with_capacity(text.len() + 16);
    Object::open(&mut out).text("input", text);
    String::from_utf8_lossy(&out).into_owned()
}

// === impl Freeform ===

impl Freeform {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self { names, held: None }
    }

    /// Passes an event on, in its true form.
    pub(crate) fn pass(&mut self, event: Event<'_>, next: &mut dyn FnMut(Event<'_>)) {
        if let Event::BlockStart { index, head: Head::ToolUse { id, name, .. } } = event
            && self.knows(name)
        {
            self.held = Some(String::new());
            next(Event::BlockStart { index, head: Head::ToolUse { id, name, kind: ToolKind::Freeform } });
            return;
        }
        match (event, &mut self.held) {
            (Event::BlockDelta { delta: Delta::ToolInput(piece), .. }, Some(held)) => {
                held.push_str(piece);
                if held.len() > MAX_HELD {
                    next(Event::Error(Failure::bad_gateway(
                        "malformed_answer",
                        "the input of a tool is too long",
                    )));
                }
            }
            (Event::BlockStop { index }, Some(held)) => {
                let text = text_of(held);
                next(Event::BlockDelta { index, delta: Delta::ToolInput(&text) });
                next(Event::BlockStop { index });
                self.held = None;
            }
            (event, _) => next(event),
        }
    }

    /// Gives the calls of a whole answer their true form.
    pub(crate) fn restore(&self, response: &mut Response<'_>) {
        for block in &mut response.blocks {
            if let Content::ToolUse(call) = block
                && self.knows(&call.name)
            {
                call.kind = ToolKind::Freeform;
                call.input = text_of(&call.input).into_owned().into();
            }
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

/// The text within the arguments; the arguments themselves, if the model has forgotten the frame.
fn text_of(arguments: &str) -> Text<'_> {
    match serde_json::from_str::<WireInput<'_>>(arguments) {
        Ok(WireInput { input: Some(text), .. }) => text,
        _ => serde_json::from_str::<Text<'_>>(arguments).unwrap_or_else(|_| arguments.into()),
    }
}

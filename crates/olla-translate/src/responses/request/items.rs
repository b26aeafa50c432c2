//! Reads the items of the input.

use super::parts::WireContent;
use crate::{
    Untranslatable,
    canonical::{Block, Content, Place, Role, ToolKind, ToolResult, ToolUse, Turn},
    json::{Items, RawValue, Text, record},
    responses::item::{Seal, flat_name},
};

record! {
    /// An item of any type.
    struct WireItem<'a> {
        kind: Option<Text<'a>> = "type",
        role: Option<Text<'a>> = "role",
        content: WireContent<'a> = "content",
        call_id: Option<Text<'a>> = "call_id",
        id: Option<Text<'a>> = "id",
        name: Option<Text<'a>> = "name",
        namespace: Option<Text<'a>> = "namespace",
        arguments: Option<Text<'a>> = "arguments",
        input: Option<Text<'a>> = "input",
        action: Option<&'a RawValue> = "action",
        output: WireContent<'a> = "output",
        summary: Items<WireSummary<'a>> = "summary",
        encrypted_content: Option<Text<'a>> = "encrypted_content",
    }
}

record! {
    /// A part of the summary of thoughts.
    struct WireSummary<'a> {
        text: Option<Text<'a>> = "text",
    }
}

/// The messages of the system at the beginning, and the turns after them.
type Conversation<'a> = (Vec<Block<'a>>, Vec<Turn<'a>>);

/// What an item adds to the conversation.
enum Said<'a> {
    Instructions(Vec<Block<'a>>),
    By(Role, Vec<Block<'a>>),
}

/// Reads the items. What the model said, thought and called one after the other is one turn, and so are the
/// results of its calls.
pub(super) fn read(items: Vec<WireItem<'_>>) -> Result<Conversation<'_>, Untranslatable> {
    let (mut system, mut turns): Conversation<'_> = (vec![], vec![]);
    for (at, item) in items.into_iter().enumerate() {
        let place = Place::message("input", at);
        let is_message = item.role.is_some();
        match item.read(place)? {
            Said::Instructions(blocks) if turns.is_empty() => system.extend(blocks),
            Said::Instructions(blocks) => turns.push(Turn { role: Role::System, blocks, place }),
            Said::By(role, blocks) => match turns.last_mut() {
                Some(last) if last.role == role && (role == Role::Assistant || !is_message) => {
                    last.blocks.extend(blocks);
                }
                _ => turns.push(Turn { role, blocks, place }),
            },
        }
    }
    Ok((system, turns))
}

// === impl WireItem ===

impl<'a> WireItem<'a> {
    /// Makes a message of the user.
    pub(super) fn of_user(text: Text<'a>) -> Self {
        Self { role: Some("user".into()), content: WireContent::Text(text), ..Self::default() }
    }

    fn read(self, place: Place) -> Result<Said<'a>, Untranslatable> {
        let kind = self.kind.clone().unwrap_or_else(|| "message".into());
        let by_model = |content| Ok(Said::By(Role::Assistant, vec![Block::new(content, place)]));
        match &*kind {
            "message" => self.message(place),
            "function_call" | "custom_tool_call" | "local_shell_call" => by_model(self.call(&kind)),
            "function_call_output" | "custom_tool_call_output" | "local_shell_call_output" => {
                let result = ToolResult {
                    id: self.call_id.or(self.id).unwrap_or_default(),
                    content: self.output.read(place),
                    is_error: false,
                };
                Ok(Said::By(Role::User, vec![Block::new(Content::ToolResult(result), place)]))
            }
            "reasoning" => Ok(Said::By(Role::Assistant, self.thoughts(place))),
            "item_reference" => Err(Untranslatable::malformed(
                place,
                "references to items are not kept here; send the item itself",
            )),
            // What OpenAI itself has done, and what is still to come.
            _ => by_model(Content::Hosted(kind)),
        }
    }

    fn message(self, place: Place) -> Result<Said<'a>, Untranslatable> {
        match self.role.as_deref() {
            Some("system" | "developer") => Ok(Said::Instructions(self.content.read(place))),
            Some("user") => Ok(Said::By(Role::User, self.content.read(place))),
            Some("assistant") => Ok(Said::By(Role::Assistant, self.content.read(place))),
            Some(other) => {
                let why = format_args!("role must be user, assistant, system or developer, not {other:?}");
                Err(Untranslatable::malformed(place, why))
            }
            None => Err(Untranslatable::malformed(place, "role: field required")),
        }
    }

    fn call(self, kind: &str) -> Content<'a> {
        let (name, input, kind) = match kind {
            "custom_tool_call" => (self.name, self.input, ToolKind::Freeform),
            "local_shell_call" => (
                Some("local_shell".into()),
                self.action.map(|action| action.get().into()),
                ToolKind::Function,
            ),
            _ => {
                // Backends read these as JSON, and nothing is none.
                let arguments = self.arguments.filter(|arguments| !arguments.trim().is_empty());
                (self.name, arguments.or_else(|| Some("{}".into())), ToolKind::Function)
            }
        };
        let name = name.unwrap_or_default();
        Content::ToolUse(ToolUse {
            id: self.call_id.or(self.id).unwrap_or_default(),
            name: match self.namespace {
                Some(namespace) => flat_name(&namespace, &name).into(),
                None => name,
            },
            input: input.unwrap_or_default(),
            kind,
        })
    }

    /// Thoughts come with their text, or with the seal that an answer of ours gave them.
    fn thoughts(self, place: Place) -> Vec<Block<'a>> {
        let mut text = String::new();
        let full = self.content.texts();
        let summary = self.summary.0.into_iter().filter_map(|part| part.text);
        for part in if full.is_empty() { summary.collect() } else { full } {
            text.push_str(if text.is_empty() { "" } else { "\n\n" });
            text.push_str(&part);
        }
        let content = match self.encrypted_content.as_deref().and_then(Seal::read) {
            Some(Seal::Redacted(data)) => Content::RedactedThinking(data.to_owned().into()),
            Some(Seal::Signature(signature)) => {
                Content::Thinking { text: text.into(), signature: signature.to_owned().into() }
            }
            None if text.is_empty() => return vec![],
            None => Content::Thinking { text: text.into(), signature: Text::default() },
        };
        vec![Block::new(content, place)]
    }
}

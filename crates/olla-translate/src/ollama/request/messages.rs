//! Reads the messages of a chat.

use std::collections::VecDeque;

use crate::{
    Untranslatable,
    canonical::{Block, Content, MediaSource, Place, Role, ToolKind, ToolResult, ToolUse, Turn},
    json::{Items, RawValue, Text, is_object, record},
};

record! {
    /// A message of any role.
    struct WireMessage<'a> {
        role: Option<Text<'a>> = "role",
        content: Option<Text<'a>> = "content",
        thinking: Option<Text<'a>> = "thinking",
        images: Items<Text<'a>> = "images",
        tool_calls: Items<WireCall<'a>> = "tool_calls",
        tool_name: Option<Text<'a>> = "tool_name",
        name: Option<Text<'a>> = "name",
        tool_call_id: Option<Text<'a>> = "tool_call_id",
    }
}

record! {
    /// A call.
    struct WireCall<'a> {
        id: Option<Text<'a>> = "id",
        function: Option<WireFunction<'a>> = "function",
    }
}

record! {
    /// What is called.
    struct WireFunction<'a> {
        name: Option<Text<'a>> = "name",
        arguments: Option<&'a RawValue> = "arguments",
    }
}

/// The messages of the system at the beginning, and the turns after them.
type Conversation<'a> = (Vec<Block<'a>>, Vec<Turn<'a>>);

/// Calls that wait for their results. Ollama's own messages do not say which result is whose: the order and the
/// name of the tool do.
#[derive(Default)]
struct Pending(VecDeque<(String, String)>);

/// Reads the messages.
pub(super) fn read(messages: Vec<WireMessage<'_>>) -> Result<Conversation<'_>, Untranslatable> {
    let (mut system, mut turns) = (vec![], Vec::with_capacity(messages.len()));
    let mut pending = Pending::default();
    for (at, mut message) in messages.into_iter().enumerate() {
        let place = Place::message("messages", at);
        let (role, blocks) = match message.role.take().as_deref() {
            Some("system") if turns.is_empty() => {
                system.extend(message.spoken(place));
                continue;
            }
            Some("system") => (Role::System, message.spoken(place)),
            Some("user") => (Role::User, message.spoken(place)),
            Some("assistant") => (Role::Assistant, message.assistant(place, &mut pending)?),
            Some("tool") => (Role::User, message.tool(place, &mut pending)),
            Some(other) => {
                let why = format_args!("role must be system, user, assistant or tool, not {other:?}");
                return Err(Untranslatable::malformed(place, why));
            }
            None => return Err(Untranslatable::malformed(place, "role: field required")),
        };
        turns.push(Turn { role, blocks, place });
    }
    Ok((system, turns))
}

/// Reads an image. Ollama's images are base64 without a type, which their first bytes tell.
pub(super) fn image(data: Text<'_>) -> Content<'_> {
    let media_type = match data.get(..4) {
        Some("/9j/") => "image/jpeg",
        Some("R0lG") => "image/gif",
        Some("UklG") => "image/webp",
        _ => "image/png",
    };
    Content::Image { source: MediaSource::Base64 { media_type: media_type.into(), data }, detail: None }
}

// === impl WireMessage ===

impl<'a> WireMessage<'a> {
    fn spoken(self, place: Place) -> Vec<Block<'a>> {
        let images = self.images.0.into_iter().map(image);
        let text = self.content.filter(|text| !text.is_empty()).map(Content::Text);
        images.chain(text).map(|content| Block::new(content, place)).collect()
    }

    fn assistant(mut self, place: Place, pending: &mut Pending) -> Result<Vec<Block<'a>>, Untranslatable> {
        let thinking = self.thinking.take().filter(|text| !text.is_empty());
        let thinking = thinking.map(|text| Content::Thinking { text, signature: Text::default() });
        let calls = std::mem::take(&mut self.tool_calls.0).into_iter().enumerate();
        let calls = calls.map(|(at, call)| call.read(place, at)).collect::<Result<Vec<_>, _>>()?;
        pending.0 = calls.iter().map(|call| (call.id.to_string(), call.name.to_string())).collect();
        let mut blocks: Vec<_> = thinking.map(|content| Block::new(content, place)).into_iter().collect();
        blocks.extend(self.spoken(place));
        blocks.extend(calls.into_iter().map(|call| Block::new(Content::ToolUse(call), place)));
        Ok(blocks)
    }

    fn tool(mut self, place: Place, pending: &mut Pending) -> Vec<Block<'a>> {
        let name = self.tool_name.take().or(self.name.take());
        let id = self.tool_call_id.take().filter(|id| !id.is_empty()).map(Text::into_owned);
        let id = pending.answered(id, name.as_deref());
        let result = ToolResult { id: id.into(), content: self.spoken(place), is_error: false };
        vec![Block::new(Content::ToolResult(result), place)]
    }
}

// === impl Pending ===

impl Pending {
    /// Returns the id of the call that a result answers. An id that no call has is the client's own.
    fn answered(&mut self, id: Option<String>, name: Option<&str>) -> String {
        let by_id = |id: &String| self.0.iter().position(|(waiting, _)| waiting == id);
        let by_name = |name: &str| self.0.iter().position(|(_, waiting)| waiting == name);
        let at = id.as_ref().and_then(by_id).or_else(|| name.and_then(by_name)).unwrap_or(0);
        let waiting = self.0.remove(at).map(|(id, _)| id);
        waiting.or(id).unwrap_or_else(|| "call".to_owned())
    }
}

// === impl WireCall ===

impl<'a> WireCall<'a> {
    fn read(self, place: Place, at: usize) -> Result<ToolUse<'a>, Untranslatable> {
        let function = self.function.unwrap_or_default();
        let id = self.id.filter(|id| !id.is_empty());
        let input = function.arguments.map_or_else(|| Some("{}".into()), arguments).ok_or_else(|| {
            let path = format_args!("{place}.tool_calls[{at}].function.arguments");
            Untranslatable::malformed(path, "an object is required")
        })?;
        Ok(ToolUse {
            id: id.unwrap_or_else(|| format!("call_{}_{at}", place.message).into()),
            name: function.name.unwrap_or_default(),
            input,
            kind: ToolKind::Function,
        })
    }
}

/// Returns the object that the arguments of a call are. Clients that know other dialects send it as a text, which
/// Ollama refuses; here it is clear what is meant.
fn arguments(raw: &RawValue) -> Option<Text<'_>> {
    let text = serde_json::from_str::<Text<'_>>(raw.get()).unwrap_or_else(|_| raw.get().into());
    is_object(&text).then_some(text)
}

//! Writes the system prompt and the messages.

use super::blocks;
use crate::{
    Format, Untranslatable,
    canonical::{Block, Request, Role, Turn},
    json::{Array, Object},
    notes::Notes,
};

/// Writes `system`, with an instruction of our own at its end, and `messages`.
pub(super) fn write(
    request: &Request<'_>,
    instruction: Option<&str>,
    notes: &mut Notes<'_>,
    body: &mut Object<'_>,
) -> Result<(), Untranslatable> {
    let turns = turns(request, notes)?;
    // Instructions in the midst of the conversation have no place of their own.
    let late = request.turns.iter().filter(|turn| turn.role == Role::System);
    let late: Vec<&Block<'_>> = late.flat_map(|turn| &turn.blocks).collect();
    if !late.is_empty() {
        notes.dropped.note("late system messages (moved to the beginning)");
    }
    let instructions: Vec<&Block<'_>> = request.system.iter().chain(late).collect();
    if turns.is_empty() {
        if instructions.iter().all(|block| block.as_text().is_some_and(|text| text.trim().is_empty())) {
            return Err(Untranslatable::malformed("messages", "at least one message must say something"));
        }
        // A conversation has to begin with the user.
        let mut messages = body.array("messages");
        let mut message = messages.object();
        message.text("role", "user");
        return texts(&instructions, instruction, "content", &mut message);
    }
    if !instructions.is_empty() || instruction.is_some() {
        texts(&instructions, instruction, "system", body)?;
    }
    let mut messages = body.array("messages");
    if turns.first().is_some_and(|turn| turn.role == Role::Assistant) {
        messages.object().text("role", "user").text("content", ".");
    }
    let mut rest = &*turns;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|turn| turn.role == first.role).count();
        let (group, tail) = rest.split_at(length);
        rest = tail;
        message(group, rest.is_empty(), notes, &mut messages)?;
    }
    Ok(())
}

/// Returns the turns that say something. Anthropic takes none that are empty.
fn turns<'r>(request: &'r Request<'r>, notes: &mut Notes<'_>) -> Result<Vec<&'r Turn<'r>>, Untranslatable> {
    let spoken = request.turns.iter().filter(|turn| turn.role != Role::System);
    for block in spoken.clone().flat_map(|turn| &turn.blocks) {
        blocks::note_skipped(block, notes);
    }
    let says = |turn: &&Turn<'_>| turn.blocks.iter().any(blocks::is_written);
    if let Some(last) = spoken.clone().next_back().filter(|turn| turn.role == Role::User && !says(turn)) {
        return Err(Untranslatable::malformed(last.place, "a message must not be empty"));
    }
    Ok(spoken.filter(says).collect())
}

/// Writes texts: a single one as a string.
fn texts(
    blocks: &[&Block<'_>],
    more: Option<&str>,
    key: &str,
    object: &mut Object<'_>,
) -> Result<(), Untranslatable> {
    let texts = blocks.iter().map(|block| {
        block.as_text().ok_or_else(|| Untranslatable::block(&block.content, block.place, Format::Messages))
    });
    let mut texts = texts.collect::<Result<Vec<_>, _>>()?;
    texts.extend(more);
    texts.retain(|text| !text.is_empty());
    if let [only] = &*texts {
        object.text(key, only);
        return Ok(());
    }
    let mut list = object.array(key);
    for text in texts {
        list.object().text("type", "text").text("text", text);
    }
    Ok(())
}

/// Writes the turns of one speaker as one message: Anthropic's speakers take turns, and the results of tools
/// come first.
fn message(
    turns: &[&Turn<'_>],
    last: bool,
    notes: &mut Notes<'_>,
    messages: &mut Array<'_>,
) -> Result<(), Untranslatable> {
    let blocks = || turns.iter().flat_map(|turn| &turn.blocks);
    let (results, others): (Vec<_>, Vec<_>) = blocks().partition(|block| blocks::is_result(block));
    let ordered: Vec<&Block<'_>> = results.into_iter().chain(others).collect();
    let is_assistant = turns.first().is_some_and(|turn| turn.role == Role::Assistant);
    let mut message = messages.object();
    message.text("role", if is_assistant { "assistant" } else { "user" });
    if let [only] = &*ordered
        && let Some(text) = only.as_text()
    {
        message.text("content", blocks::trimmed(text, is_assistant && last));
        return Ok(());
    }
    let mut list = message.array("content");
    for block in ordered.iter().filter(|block| blocks::is_written(block)) {
        blocks::write(block, is_assistant && last, notes, &mut list)?;
    }
    Ok(())
}

//! Summaries that stand for the conversation before them.

use super::{WireBlock, WireContent, WireMessage};
use crate::json::Text;

const COMPACTION: &str = "compaction";

/// A message and its number.
type Numbered<'a> = (usize, WireMessage<'a>);

/// Returns the messages that the model is to see: the last summary as the user's, and what came after it. A
/// summary that failed stands for nothing.
pub(super) fn resolve(messages: Vec<WireMessage<'_>>) -> Vec<Numbered<'_>> {
    let mut numbered: Vec<Numbered<'_>> = messages.into_iter().enumerate().collect();
    let last = numbered.iter().rposition(|(_, message)| summary_in(message).is_some());
    numbered.drain(..last.unwrap_or(0));
    let mut summed_up = None;
    if let Some((at, message)) = numbered.first_mut().filter(|_| last.is_some())
        && let (Some(end), WireContent::List(blocks)) = (summary_in(message), &mut message.content)
    {
        // What stands before it is left empty, so that the places of all others stay.
        let mut before =
            blocks.iter_mut().take(end + 1).map(|block| std::mem::replace(block, text("".into())));
        let summary = before.by_ref().last().and_then(summary_of);
        summed_up = summary.map(|summary| (*at, user(summary)));
    }
    if let Some(first) = summed_up {
        numbered.insert(0, first);
    }
    for (_, message) in &mut numbered {
        if let WireContent::List(blocks) = &mut message.content {
            blocks.iter_mut().filter(|block| is_compaction(block)).for_each(|block| *block = text("".into()));
        }
    }
    numbered
}

/// Returns where the last summary of a message is.
fn summary_in(message: &WireMessage<'_>) -> Option<usize> {
    let WireContent::List(blocks) = &message.content else { return None };
    blocks.iter().rposition(|block| is_compaction(block) && matches!(block.content, WireContent::Text(_)))
}

fn is_compaction(block: &WireBlock<'_>) -> bool {
    block.kind.as_deref() == Some(COMPACTION)
}

fn summary_of(block: WireBlock<'_>) -> Option<Text<'_>> {
    match block.content {
        WireContent::Text(summary) => Some(summary),
        WireContent::Absent | WireContent::List(_) => None,
    }
}

fn text(text: Text<'_>) -> WireBlock<'_> {
    WireBlock { kind: Some("text".into()), text: Some(text), ..WireBlock::default() }
}

fn user(summary: Text<'_>) -> WireMessage<'_> {
    let content = WireContent::List(vec![text(summary)]);
    WireMessage { role: Some("user".into()), content, ..WireMessage::default() }
}

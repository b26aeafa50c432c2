//! `GET /v1/responses/{id}/input_items`: what a response was made of, page by page.

use bytes::{Bytes, BytesMut};

use crate::json::{Array, Items, Object, RawValue, Text, record};

/// Which items are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemPage<'q> {
    /// The id of the item after which the page begins.
    pub after: Option<&'q str>,
    /// How many items there may be.
    pub limit: usize,
    /// Whether the oldest item comes first.
    pub oldest_first: bool,
}

record! {
    /// What of an item has to be completed.
    struct WireItem<'a> {
        id: Option<Text<'a>> = "id",
        kind: Option<Text<'a>> = "type",
        status: Option<&'a RawValue> = "status",
        role: Option<Text<'a>> = "role",
        content: Option<&'a RawValue> = "content",
    }
}

/// How the ids of items begin.
const PREFIXES: [(&str, &str); 6] = [
    ("message", "msg"),
    ("function_call", "fc"),
    ("function_call_output", "fco"),
    ("reasoning", "rs"),
    ("custom_tool_call", "ctc"),
    ("custom_tool_call_output", "ctco"),
];

// === impl ItemPage ===

impl ItemPage<'_> {
    /// The most items of a page.
    pub const MOST: usize = 100;

    /// Returns the page as OpenAI tells it. `lists` are JSON arrays of items, the oldest first, each with the id of the
    /// response that it belongs to. Items that came without an id get one, always the same. `None` if the page begins
    /// after an item that is not there.
    #[must_use]
    pub fn of(&self, lists: &[(&str, &[u8])]) -> Option<Bytes> {
        let mut items: Vec<_> = lists.iter().flat_map(|(response, list)| read(response, list)).collect();
        if !self.oldest_first {
            items.reverse();
        }
        let is_after = |after| items.iter().position(|item| item.id.as_deref() == Some(after));
        let from = match self.after {
            Some(after) => is_after(after)? + 1,
            None => 0,
        };
        let rest = items.get(from..).unwrap_or_default();
        let shown = rest.get(..self.limit).unwrap_or(rest);
        let mut out = BytesMut::new();
        let mut page = Object::open(&mut out);
        page.text("object", "list");
        let mut data = page.array("data");
        for item in shown {
            item.write(&mut data);
        }
        drop(data);
        for (key, item) in [("first_id", shown.first()), ("last_id", shown.last())] {
            match item.and_then(|item| item.id.as_deref()) {
                Some(id) => page.text(key, id),
                None => page.null(key),
            };
        }
        page.flag("has_more", shown.len() < rest.len());
        drop(page);
        Some(out.freeze())
    }
}

impl Default for ItemPage<'_> {
    fn default() -> Self {
        Self { after: None, limit: 20, oldest_first: false }
    }
}

fn read<'a>(response: &str, list: &'a [u8]) -> Vec<WireItem<'a>> {
    // What is kept has been read before.
    let Items(mut items) = serde_json::from_slice::<Items<WireItem<'_>>>(list).unwrap_or_default();
    let response = response.split_once('_').map_or(response, |(_, id)| id);
    for (at, item) in items.iter_mut().enumerate() {
        let kind = item.kind.get_or_insert_with(|| "message".into());
        let prefix =
            PREFIXES.iter().find(|(known, _)| *known == &**kind).map_or("item", |(_, prefix)| prefix);
        item.id.get_or_insert_with(|| format!("{prefix}_{response}_{at}").into());
    }
    items
}

// === impl WireItem ===

impl WireItem<'_> {
    fn write(&self, list: &mut Array<'_>) {
        let mut item = list.object();
        let by_model = self.role.as_deref() == Some("assistant");
        for (key, text) in [("id", &self.id), ("type", &self.kind)] {
            item.text(key, text.as_deref().unwrap_or_default());
        }
        match self.status {
            Some(status) => {
                item.raw("status", status);
            }
            // OpenAI's own have it.
            None if by_model => {
                item.text("status", "completed");
            }
            None => {}
        }
        if let Some(role) = &self.role {
            item.text("role", role);
        }
        if let Some(content) = self.content {
            match serde_json::from_str::<Text<'_>>(content.get()) {
                Ok(text) => {
                    let mut parts = item.array("content");
                    let mut part = parts.object();
                    part.text("type", if by_model { "output_text" } else { "input_text" });
                    part.text("text", &text);
                    if by_model {
                        part.array("annotations");
                    }
                }
                Err(_) => {
                    item.raw("content", content);
                }
            }
        }
        for field in &self.rest {
            item.any_key(&field.name).extend_from_slice(field.value.get().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const FIRST: &[u8] = br#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"}]"#;
    const SECOND: &[u8] =
        br#"[{"type":"function_call","id":"fc_own","call_id":"c","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"c","output":"1"},
        {"type":"message","role":"user","content":[{"type":"input_image","image_url":"u"}]}]"#;

    fn page(page: ItemPage<'_>) -> Value {
        serde_json::from_slice(&page.of(&[("resp_a", FIRST), ("resp_b", SECOND)]).unwrap()).unwrap()
    }

    fn ids(page: &Value) -> Vec<&str> {
        page["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn items_are_completed_as_openai_tells_them() {
        let all = page(ItemPage { oldest_first: true, ..ItemPage::default() });

        let input = json!([{ "type": "input_text", "text": "Hi" }]);
        let output = json!([{ "type": "output_text", "text": "Yes?", "annotations": [] }]);
        let image = json!([{ "type": "input_image", "image_url": "u" }]);
        let expected = json!([
            { "id": "msg_a_0", "type": "message", "role": "user", "content": input },
            { "id": "msg_a_1", "type": "message", "status": "completed", "role": "assistant", "content": output },
            { "id": "fc_own", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" },
            { "id": "fco_b_1", "type": "function_call_output", "call_id": "c", "output": "1" },
            { "id": "msg_b_2", "type": "message", "role": "user", "content": image },
        ]);
        let ends = json!({ "first_id": "msg_a_0", "last_id": "msg_b_2", "has_more": false });
        assert_eq!(all["data"], expected);
        assert_eq!((&all["object"], &all["first_id"]), (&json!("list"), &ends["first_id"]));
        assert_eq!((&all["last_id"], &all["has_more"]), (&ends["last_id"], &ends["has_more"]));
    }

    #[test]
    fn pages_follow_each_other_in_either_order() {
        for (oldest_first, pages) in [
            (true, [&["msg_a_0", "msg_a_1"][..], &["fc_own", "fco_b_1"], &["msg_b_2"]]),
            (false, [&["msg_b_2", "fco_b_1"][..], &["fc_own", "msg_a_1"], &["msg_a_0"]]),
        ] {
            let mut after: Option<String> = None;
            for (at, expected) in pages.iter().enumerate() {
                let told = page(ItemPage { after: after.as_deref(), limit: 2, oldest_first });

                assert_eq!((&*ids(&told), &told["has_more"]), (*expected, &json!(at < 2)), "{oldest_first}");
                after = Some(told["last_id"].as_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn nothing_comes_after_the_last_item_and_there_is_no_page_after_an_unknown_one() {
        let after = |id| ItemPage { after: Some(id), oldest_first: true, ..ItemPage::default() };

        assert_eq!(after("msg_x").of(&[("resp_a", FIRST)]), None);
        let told = page(after("msg_b_2"));
        let expected =
            json!({ "object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false });
        assert_eq!(told, expected, "the last item is known");
    }
}

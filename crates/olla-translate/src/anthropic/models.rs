//! `GET /v1/models`, in pages, and `GET /v1/models/{id}`.

use bytes::{Bytes, BytesMut};

use crate::{Untranslatable, json::Object, stamp::Rfc3339};

/// A model as Anthropic's clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedModel<'a> {
    /// The name to ask for it.
    pub id: &'a str,
    /// The name for people.
    pub display_name: &'a str,
    /// When it came into being, in seconds since 1970; zero if unknown.
    pub created_unix_seconds: u64,
    /// The size of its context in tokens, if known.
    pub max_input_tokens: Option<u64>,
    /// The longest answer in tokens, if known.
    pub max_tokens: Option<u64>,
}

/// Which part of the list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPage {
    /// The most models on the page: 1 to 1000.
    limit: usize,
    after: Option<String>,
    before: Option<String>,
}

/// As many as Anthropic allows. Its own default, 20, would hide models from clients that never ask for more.
const MAX_LIMIT: usize = 1000;

// === impl ListedModel ===

impl ListedModel<'_> {
    /// Returns the body of `GET /v1/models/{id}`.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write(Object::open(&mut out));
        out.freeze()
    }

    fn write(&self, mut wire: Object<'_>) {
        wire.text("type", "model").text("id", self.id).text("display_name", self.display_name);
        wire.display("created_at", format_args!("\"{}\"", Rfc3339(self.created_unix_seconds)))
            .text("lifecycle", "active");
        for (key, value) in [("max_input_tokens", self.max_input_tokens), ("max_tokens", self.max_tokens)] {
            match value {
                Some(tokens) => wire.number(key, tokens),
                None => wire.null(key),
            };
        }
    }
}

// === impl ModelPage ===

impl ModelPage {
    /// Reads `limit`, `after_id` and `before_id`, given as decoded names and values. Others are ignored.
    ///
    /// # Errors
    ///
    /// If the limit is not a number from 1 to 1000.
    pub fn parse<'q>(query: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Self, Untranslatable> {
        let mut page = Self { limit: MAX_LIMIT, after: None, before: None };
        for (name, value) in query {
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    let wrong = || Untranslatable::malformed("limit", "must be a number from 1 to 1000");
                    page.limit = limit.ok_or_else(wrong)?;
                }
                "after_id" => page.after = Some(value.to_owned()),
                "before_id" => page.before = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(page)
    }

    /// Returns the page of a list, which should have the same order each time.
    ///
    /// # Errors
    ///
    /// If `after_id` or `before_id` names no model of the list.
    pub fn body(&self, models: &[ListedModel<'_>]) -> Result<Bytes, Untranslatable> {
        let find = |name: &str, id: &str| {
            let found = models.iter().position(|model| model.id == id);
            found.ok_or_else(|| Untranslatable::malformed(name, format_args!("there is no model {id:?}")))
        };
        let (shown, more) = match (&self.after, &self.before) {
            (Some(id), _) => {
                let rest = models.get(find("after_id", id)? + 1..).unwrap_or_default();
                (rest.get(..self.limit).unwrap_or(rest), rest.len() > self.limit)
            }
            (None, Some(id)) => {
                let rest = models.get(..find("before_id", id)?).unwrap_or_default();
                let skipped = rest.len().saturating_sub(self.limit);
                (rest.get(skipped..).unwrap_or(rest), skipped > 0)
            }
            (None, None) => (models.get(..self.limit).unwrap_or(models), models.len() > self.limit),
        };
        Ok(write(shown, more))
    }
}

fn write(shown: &[ListedModel<'_>], more: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(192 * shown.len() + 64);
    let mut body = Object::open(&mut out);
    let mut data = body.array("data");
    for model in shown {
        model.write(data.object());
    }
    drop(data);
    body.flag("has_more", more);
    for (key, model) in [("first_id", shown.first()), ("last_id", shown.last())] {
        match model {
            Some(model) => body.text(key, model.id),
            None => body.null(key),
        };
    }
    drop(body);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn model(id: &str) -> ListedModel<'_> {
        ListedModel {
            id,
            display_name: id,
            created_unix_seconds: 0,
            max_input_tokens: Some(8192),
            max_tokens: None,
        }
    }

    #[test]
    fn a_model_has_the_fields_that_clients_know() {
        let body: Value = serde_json::from_slice(&model("a\"b").body()).unwrap();

        let expected = json!({
            "type": "model", "id": "a\"b", "display_name": "a\"b", "created_at": "1970-01-01T00:00:00Z",
            "lifecycle": "active", "max_input_tokens": 8192, "max_tokens": null,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn pages_follow_each_other_in_both_directions() {
        let models = ["a", "b", "c", "d", "e"].map(model);
        for (query, ids, more) in [
            (&[][..], &["a", "b", "c", "d", "e"][..], false),
            (&[("limit", "2"), ("x", "y")], &["a", "b"], true),
            (&[("limit", "5")], &["a", "b", "c", "d", "e"], false),
            (&[("limit", "2"), ("after_id", "b")], &["c", "d"], true),
            (&[("limit", "2"), ("after_id", "c")], &["d", "e"], false),
            (&[("after_id", "e")], &[], false),
            (&[("limit", "2"), ("before_id", "d")], &["b", "c"], true),
            (&[("limit", "2"), ("before_id", "c")], &["a", "b"], false),
        ] {
            let page = ModelPage::parse(query.iter().copied()).unwrap();
            let body: Value = serde_json::from_slice(&page.body(&models).unwrap()).unwrap();

            let told: Vec<_> =
                body["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
            assert_eq!((&*told, &body["has_more"]), (ids, &json!(more)), "{query:?}");
            assert_eq!((&body["first_id"], &body["last_id"]), (&json!(ids.first()), &json!(ids.last())));
        }
    }

    #[test]
    fn what_cannot_be_paged_is_refused() {
        for limit in ["0", "1001", "-1", "x", ""] {
            assert!(ModelPage::parse([("limit", limit)]).is_err(), "{limit}");
        }
        let page = ModelPage::parse([("after_id", "z")]).unwrap();
        assert_eq!(page.body(&[model("a")]).unwrap_err().to_string(), "after_id: there is no model \"z\"");
    }
}

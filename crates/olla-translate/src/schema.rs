//! What tools take, as all servers accept it: the JSON schema of an object.

use bytes::BufMut as _;

use crate::json::{Object, RawValue, record};

record! {
    /// What matters of a schema.
    struct WireSchema<'a> {
        kind: Option<&'a RawValue> = "type",
    }
}

/// What takes any object.
const ANY: &str = r#"{"type":"object","properties":{}}"#;

/// Writes the schema of a tool (`None`: any object). One that does not say that it is an object's is made to: servers
/// expect it, and say so in different ways.
pub(crate) fn write(key: &str, schema: Option<&str>, tool: &mut Object<'_>) {
    let Some(schema) = schema else {
        tool.json(key, ANY);
        return;
    };
    match serde_json::from_str::<WireSchema<'_>>(schema) {
        Ok(wire) if wire.kind.is_none() && wire.rest.is_empty() => {
            tool.json(key, ANY);
        }
        Ok(wire) if wire.kind.is_none() => {
            let mut object = tool.object(key);
            object.text("type", "object");
            for field in wire.rest {
                object.any_key(&field.name).put_slice(field.value.get().as_bytes());
            }
        }
        _ => {
            tool.json(key, schema);
        }
    }
}

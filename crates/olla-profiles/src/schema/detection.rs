//! Reads the `detection.signatures` list: by which answers a kind is recognised.

use http::{HeaderName, StatusCode};

use crate::{
    detection::Signature,
    json_path::JsonPath,
    reader::{Node, Reader},
};

/// Reads one signature; `None` if it is of no use.
pub(super) fn signature(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Signature> {
    reader.keys(node, &["path", "status", "header", "body_contains", "json"]);
    let path = reader.required(node, "path")?;
    let path = super::request_path(reader, Some(path))?;
    let signature = Signature {
        path: path.into(),
        status: status(reader, node.get("status")),
        header: header(reader, node.get("header")),
        body_contains: reader.text(node.get("body_contains")).map(Into::into),
        json: json(reader, node.get("json")),
    };
    let says_something =
        ["status", "header", "body_contains", "json"].iter().any(|key| node.get(key).is_some());
    if !says_something {
        reader.problem(node, "needs at least one of status, header, body_contains and json");
        return None;
    }
    Some(signature)
}

fn status(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<StatusCode> {
    let number = reader.number::<u16>(node.clone())?;
    let status = StatusCode::from_u16(number).ok();
    if let (None, Some(node)) = (status, node) {
        reader.problem(&node, "is not an HTTP status");
    }
    status
}

fn header(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<(HeaderName, Option<Box<str>>)> {
    let node = node?;
    reader.keys(&node, &["name", "contains"]);
    let contains = reader.text(node.get("contains")).map(Into::into);
    let name = reader.required(&node, "name")?;
    match reader.text(Some(name.clone()))?.parse() {
        Ok(header) => Some((header, contains)),
        Err(_) => {
            reader.problem(&name, "is not the name of a header");
            None
        }
    }
}

fn json(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<(JsonPath, Option<Box<str>>)> {
    let node = node?;
    reader.keys(&node, &["path", "equals"]);
    let equals = reader.text(node.get("equals")).map(Into::into);
    let path = reader.required(&node, "path")?;
    Some((super::json_path(reader, &path)?, equals))
}

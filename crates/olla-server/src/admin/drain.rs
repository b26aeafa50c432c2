//! `POST /internal/endpoints/{name}/drain` and `…/resume`: keeps new requests away from an endpoint, and ends that.
//!
//! Until there are keys, whoever calls from this machine may do it. The other end of the connection decides, and
//! no header can make up for it; but headers may show that somebody else stands behind.

use std::time::SystemTime;

use axum::response::Response;
use http::{HeaderMap, HeaderName, header};
use olla_proxy::ClientAddr;
use serde::Serialize;
use tracing::info;

use super::{Admin, failure, format, fresh};

/// The document.
#[derive(Serialize)]
struct Document<'a> {
    timestamp: String,
    endpoint: &'a str,
    draining: bool,
    /// Requests that are still under way there.
    in_flight: u32,
}

/// What proxies say of those behind them.
const FORWARDED: [HeaderName; 2] = [header::FORWARDED, HeaderName::from_static("x-forwarded-for")];

/// Does what is asked of the endpoint with this name.
pub(super) fn answer(
    admin: &Admin,
    (name, action): (&str, &str),
    (peer, headers): (Option<ClientAddr>, &HeaderMap),
) -> Response {
    if let Err(message) = check_caller(peer, headers) {
        return failure::forbidden(message);
    }
    let fleet = admin.fleet.load();
    let Some(endpoint) = fleet.endpoints().iter().find(|endpoint| &*endpoint.spec.name == name) else {
        return failure::unknown_endpoint(name);
    };
    let live = &endpoint.live;
    match action {
        "drain" if live.drain() => info!(endpoint = name, in_flight = live.in_flight(), "draining"),
        "resume" if live.resume() => info!(endpoint = name, "resumed"),
        "drain" | "resume" => {}
        _ => return failure::unknown_action(action),
    }
    fresh(&Document {
        timestamp: format::timestamp(SystemTime::now()),
        endpoint: name,
        draining: live.is_draining(),
        in_flight: live.in_flight(),
    })
}

/// Says why the caller may not change anything.
fn check_caller(peer: Option<ClientAddr>, headers: &HeaderMap) -> Result<(), &'static str> {
    if !peer.is_some_and(|ClientAddr(address)| address.to_canonical().is_loopback()) {
        return Err("only callers on the machine of Olla itself may do this");
    }
    if FORWARDED.iter().any(|name| headers.contains_key(name)) {
        return Err(
            "only callers on the machine of Olla itself may do this, and this request came through a proxy",
        );
    }
    // A page of any site can make a browser on this machine send a POST; it cannot hide where it comes from.
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_own =
        |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    match origin {
        Some(origin) if !is_own(origin) => Err("web pages may not do this"),
        _ => Ok(()),
    }
}

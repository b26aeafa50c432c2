//! Turns the client's request into the one a backend gets.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header, request, uri::PathAndQuery};
use olla_core::{Endpoint, EndpointSpec};
use smallvec::SmallVec;

use crate::{
    Error,
    headers::{
        self, Field, Meeting, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_MODEL, X_PROXIED_BY,
        X_REAL_IP, is_credential,
    },
    inspect::Inbound,
    policy::{Asker, forwarded},
    replay::Replay,
    responses::Turn,
    route::Route,
    settings::Product,
    translate::Plan,
    upstream::OwnRequest,
};

/// How one endpoint is asked.
#[derive(Debug)]
pub(crate) struct Passage<'a> {
    pub(crate) path: Cow<'a, str>,
    /// The model's name there, if it is another.
    pub(crate) rename: Option<&'a str>,
    /// The request in the words of another format, where the endpoint does not take the client's.
    pub(crate) plan: Option<Arc<Plan>>,
}

/// What every attempt at a backend has in common.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// Its headers are those for backends.
    inbound: Box<Inbound>,
    /// Removed from the headers; given to endpoints that forward them.
    credentials: SmallVec<[(HeaderName, HeaderValue); 2]>,
    /// What Olla adds, where none of it meets its like in the headers: what only has to be written costs a map nothing.
    added: Fields,
}

// alloc: none, there are seven at most.
type Fields = SmallVec<[Field; 7]>;

// === impl Outbound ===

impl Outbound {
    /// Removes what is the client's business and adds what a proxy says of itself (RFC 9110 §7.6).
    pub(crate) fn new(mut inbound: Box<Inbound>, asker: Asker, product: &Product) -> Self {
        let Inbound { head, glance, model, .. } = &mut *inbound;
        let request::Parts { headers, uri, .. } = &mut **head;
        // The target says it better (RFC 9112 §3.2.2); HTTP/2 says it only there (RFC 9113 §8.3.1).
        let host = authority(uri).or_else(|| headers.get(header::HOST).cloned());
        if glance.has_hop_by_hop {
            headers::remove_hop_by_hop(headers);
        }
        if glance.has_expect {
            // The body is complete: there is nothing left to ask the backend's permission for.
            headers.remove(header::EXPECT);
        }
        let credentials = if glance.has_credentials { take_credentials(headers) } else { SmallVec::new() };
        let model = model.as_ref().and_then(|model| model.value.as_ref());
        let mut added = Fields::new();
        add_own(&mut added, (asker, host), product, model);
        if headers.keys().any(|name| meets(name, &added)) {
            merge(headers, added.drain(..), asker);
        }
        Self { inbound, credentials, added }
    }

    /// Returns the request for one endpoint.
    pub(crate) fn request<'o>(
        &'o self,
        endpoint: &'o Endpoint,
        passage: &Passage<'_>,
    ) -> Result<OwnRequest<'o>, Error> {
        let spec = &endpoint.spec;
        let body = match &passage.plan {
            Some(plan) => plan.body(passage.rename),
            None => self.body_for(passage.rename),
        };
        let target = self.target(endpoint, passage)?;
        let (headers, added) = self.headers_for(spec, passage.plan.as_deref());
        let configured = spec.headers.iter().find(|(name, _)| *name == header::HOST);
        let host = configured.map_or(spec.base.authority(), |(_, value)| value);
        Ok(OwnRequest { method: &self.inbound.route.method, target, host, headers, added, body })
    }

    /// Returns the headers for one endpoint, and what is to be added; the headers are everybody's where it needs none
    /// of its own.
    fn headers_for(&self, spec: &EndpointSpec, plan: Option<&Plan>) -> (Cow<'_, HeaderMap>, &[Field]) {
        let mut headers = Cow::Borrowed(&self.inbound.head.headers);
        if let Some(plan) = plan {
            plan.dress(headers.to_mut());
        }
        if spec.forward_credentials && !self.credentials.is_empty() {
            let credentials = self.credentials.iter().map(|(name, value)| (name.clone(), value.clone()));
            headers.to_mut().extend(credentials);
            if let Some(plan) = plan {
                plan.move_key(headers.to_mut());
            }
        }
        for (name, value) in &*spec.headers {
            headers.to_mut().insert(name, value.clone());
        }
        let Cow::Owned(own) = &mut headers else { return (headers, &self.added) };
        // What meets them here, the endpoint's configuration says.
        for Field { name, value, .. } in &self.added {
            own.entry(name).or_insert_with(|| value.clone());
        }
        (headers, &[])
    }

    fn target(&self, endpoint: &Endpoint, passage: &Passage<'_>) -> Result<PathAndQuery, Error> {
        let (own, path) = (&self.inbound.route.rest, &*passage.path);
        if passage.plan.is_some() {
            // The query belongs to the client's dialect.
            return self.join(endpoint, path);
        }
        match (path == own.path(), endpoint.spec.base.path()) {
            (true, "") => Ok(own.clone()),
            (true, _) => self.join(endpoint, own.as_str()),
            (false, _) => {
                let query = own.query().map(|q| format!("?{q}")).unwrap_or_default();
                self.join(endpoint, &format!("{path}{query}"))
            }
        }
    }

    fn join(&self, endpoint: &Endpoint, target: &str) -> Result<PathAndQuery, Error> {
        let spec = &endpoint.spec;
        spec.base.join(target, spec.preserve_path).map_err(|_| Error::BadPath)
    }

    fn body_for(&self, rename: Option<&str>) -> Replay {
        let Inbound { body, model, .. } = &*self.inbound;
        match (rename, model) {
            (Some(name), Some(model)) => model.rename(body, name),
            (None, Some(model)) => model.tidied(body).unwrap_or_else(|| body.clone()),
            (_, None) => body.clone(),
        }
    }

    /// Returns the size of the body as the client sent it.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.inbound.body.len()
    }

    /// Returns whether the client asks for a stream.
    pub(crate) fn streams(&self) -> bool {
        self.inbound.streams
    }

    pub(crate) fn body(&self) -> &Replay {
        &self.inbound.body
    }

    /// Returns its part in a conversation of Responses.
    pub(crate) fn turn(&self) -> Option<&Turn> {
        self.inbound.turn.as_deref()
    }

    /// Takes its part in such a conversation, to go on with.
    pub(crate) fn take_turn(&mut self) -> Option<Box<Turn>> {
        self.inbound.turn.take()
    }

    pub(crate) fn route(&self) -> &Route {
        &self.inbound.route
    }
}

fn take_credentials(headers: &mut HeaderMap) -> SmallVec<[(HeaderName, HeaderValue); 2]> {
    let names: SmallVec<[HeaderName; 2]> =
        headers.keys().filter(|name| is_credential(name)).cloned().collect();
    let mut taken = SmallVec::new();
    for name in names {
        if let header::Entry::Occupied(entry) = headers.entry(&name) {
            taken.extend(entry.remove_entry_mult().1.map(|value| (name.clone(), value)));
        }
    }
    taken
}

/// Says who asked, over what, for which host and for which model, and by way of whom.
fn add_own(
    fields: &mut Fields,
    (asker, host): (Asker, Option<HeaderValue>),
    product: &Product,
    model: Option<&HeaderValue>,
) {
    use Meeting::{Follows, Replaces, Yields};

    let peer = asker.peer.map(address);
    let client = if asker.client == asker.peer { peer.clone() } else { asker.client.map(address) };
    let mut add = |name, value, meeting| fields.push(Field { name, value, meeting });
    add(X_PROXIED_BY, product.served_by.clone(), Replaces);
    add(header::VIA, product.via.clone(), Follows);
    if let Some(client) = client {
        add(X_REAL_IP, client, Replaces);
    }
    if let Some(peer) = peer {
        add(X_FORWARDED_FOR, peer, Follows);
    }
    add(X_FORWARDED_PROTO, HeaderValue::from_static("http"), Yields);
    if let Some(host) = host {
        add(X_FORWARDED_HOST, host, Yields);
    }
    if let Some(model) = model {
        add(X_MODEL, model.clone(), Replaces);
    }
}

/// Returns whether a field of the client's has its like among those that are added.
fn meets(name: &HeaderName, added: &[Field]) -> bool {
    let is_chain = *name == header::VIA || *name == header::FORWARDED;
    is_chain || (name.as_str().starts_with("x-") && added.iter().any(|field| field.name == *name))
}

/// Adds fields to headers that have some of them.
fn merge(headers: &mut HeaderMap, fields: impl Iterator<Item = Field>, asker: Asker) {
    fields.for_each(|field| field.merge_into(headers));
    // Whoever reads the older headers does without it.
    if let Some(peer) = asker.peer.filter(|_| headers.contains_key(header::FORWARDED)) {
        headers::append_hop(headers, header::FORWARDED, forwarded::element(peer));
    }
}

// alloc: an address as text; the value is new with each connection.
fn address(address: IpAddr) -> HeaderValue {
    let text = olla_core::address(address);
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("unknown"))
}

fn authority(uri: &http::Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(uri.authority()?.as_str()).ok()
}

/// Formats a duration as `X-Olla-Response-Time` does: `0.341s`.
pub(crate) fn seconds(elapsed: std::time::Duration) -> HeaderValue {
    let (mut whole, mut thousandths) = (itoa::Buffer::new(), itoa::Buffer::new());
    let thousandths = thousandths.format(elapsed.subsec_millis());
    let zeros = "00".get(thousandths.len() - 1..).unwrap_or_default();
    let mut text = String::with_capacity(12);
    for part in [whole.format(elapsed.as_secs()), ".", zeros, thousandths, "s"] {
        text.push_str(part);
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("0.000s"))
}

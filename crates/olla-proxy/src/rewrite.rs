//! Turns the client's request into the one a backend gets.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header, request, uri::PathAndQuery};
use olla_core::{Endpoint, EndpointSpec};
use smallvec::SmallVec;

use crate::{
    Error,
    added::Added,
    headers::{
        self, VIA, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_MODEL, X_PROXIED_BY, X_REAL_IP,
        is_credential,
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
    /// What Olla adds, where none of it meets its like in the headers.
    added: Added,
}

// === impl Outbound ===

impl Outbound {
    /// Removes what is the client's business and adds what a proxy says of itself (RFC 9110 §7.6).
    pub(crate) fn new(mut inbound: Box<Inbound>, asker: Asker, product: &Product) -> Self {
        let Inbound { head, glance, model, .. } = &mut *inbound;
        let request::Parts { headers, uri, .. } = &mut **head;
        // The target says it better (RFC 9112 §3.2.2); HTTP/2 says it only there (RFC 9113 §8.3.1).
        let by_target = authority(uri);
        let host = by_target.as_ref().or_else(|| headers.get(header::HOST));
        let added = own_fields((asker, host), product, model.as_ref().map(|model| &*model.name));
        if glance.has_hop_by_hop {
            headers::remove_hop_by_hop(headers);
        }
        if glance.has_expect {
            // The body is complete: there is nothing left to ask the backend's permission for.
            headers.remove(header::EXPECT);
        }
        let credentials = if glance.has_credentials { take_credentials(headers) } else { SmallVec::new() };
        let added = added.meet(headers);
        // Whoever reads the older headers does without it.
        if let Some(peer) =
            asker.peer.filter(|_| glance.has_forwarding && headers.contains_key(header::FORWARDED))
        {
            headers::append_hop(headers, header::FORWARDED, forwarded::element(peer));
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
            Some(plan) => Cow::Owned(plan.body(passage.rename)),
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
    fn headers_for(&self, spec: &EndpointSpec, plan: Option<&Plan>) -> (Cow<'_, HeaderMap>, &Added) {
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
        self.added.complete(own);
        (headers, Added::NONE)
    }

    fn target(&self, endpoint: &Endpoint, passage: &Passage<'_>) -> Result<Cow<'_, PathAndQuery>, Error> {
        let (own, path) = (&self.inbound.route.rest, &*passage.path);
        if passage.plan.is_some() {
            // The query belongs to the client's dialect.
            return self.join(endpoint, path).map(Cow::Owned);
        }
        let joined = match (path == own.path(), endpoint.spec.base.path()) {
            (true, "") => return Ok(Cow::Borrowed(own)),
            (true, _) => self.join(endpoint, own.as_str()),
            (false, _) => {
                let query = own.query().map(|q| format!("?{q}")).unwrap_or_default();
                self.join(endpoint, &format!("{path}{query}"))
            }
        };
        joined.map(Cow::Owned)
    }

    fn join(&self, endpoint: &Endpoint, target: &str) -> Result<PathAndQuery, Error> {
        let spec = &endpoint.spec;
        spec.base.join(target, spec.preserve_path).map_err(|_| Error::BadPath)
    }

    fn body_for(&self, rename: Option<&str>) -> Cow<'_, Replay> {
        let Inbound { body, model, .. } = &*self.inbound;
        let changed = match (rename, model) {
            (Some(name), Some(model)) => Some(model.rename(body, name)),
            (None, Some(model)) => model.tidied(body),
            (_, None) => None,
        };
        changed.map_or(Cow::Borrowed(body), Cow::Owned)
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
fn own_fields((asker, host): (Asker, Option<&HeaderValue>), product: &Product, model: Option<&str>) -> Added {
    let mut added = Added::with_capacity(256);
    added.push(X_PROXIED_BY, product.served_by);
    added.push(VIA, product.via);
    if let Some(client) = asker.client {
        added.push(X_REAL_IP, client);
    }
    if let Some(peer) = asker.peer {
        added.push(X_FORWARDED_FOR, peer);
    }
    added.push(X_FORWARDED_PROTO, "http");
    if let Some(host) = host {
        added.push(X_FORWARDED_HOST, host);
    }
    if let Some(model) = model {
        added.push_text(X_MODEL, model);
    }
    added
}

fn authority(uri: &http::Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(uri.authority()?.as_str()).ok()
}

//! The proxy against backends on loopback, one file for each behaviour.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set its stage has failed")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod bodies;
mod cancel;
mod capabilities;
mod catalogue;
mod crowd;
mod discretion;
mod drain;
mod ejection;
mod embed;
mod errors;
mod explain;
mod failover;
mod gaps;
mod greeting;
mod headers;
mod http2;
mod in_flight;
mod limits;
mod listing;
mod native_lists;
mod ollama_clients;
mod opening;
mod pairs;
mod patience;
mod placement;
mod pooling;
mod queue;
mod rate_limit;
mod records;
mod rediscovery;
mod reference;
mod replicas;
mod responses;
mod routing;
mod scope;
mod stale;
mod status_failover;
mod sticky;
mod streaming;
mod support;
mod timeouts;
mod tls;
mod translation;
mod truncation;

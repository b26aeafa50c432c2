//! A simulated inference engine: every dialect and model listing that a proxy for LLM inference meets, answers
//! that are a pure function of the request, and faults down to single bytes on the wire.
//!
//! An [`Engine`] imitates one [`Kind`] of server on one address. It needs no model and no GPU, runs on any tokio
//! runtime, remembers what it [received](Engine::received) and which requests the client
//! [abandoned](Engine::abandoned), and misbehaves on demand through [`Fault`]. [`load`] is the other half: a load
//! generator that counts every kind of failure.
//!
//! Nothing here interprets a fault as an error of the simulator: a reset, a hang or a malformed head is an answer.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::time::Duration;
//!
//! use olla_sim::{Engine, Fault, Kind, Scope};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let engine = Engine::builder("sim-a")
//!     .kind(Kind::Ollama)
//!     .models(["llama3.2:3b"])
//!     .tokens(8)
//!     .ttft(Duration::from_millis(5))
//!     .start("127.0.0.1:0".parse()?)
//!     .await?;
//! engine.set_fault(Fault::RateLimited { retry_after_secs: 2 }.on(Scope::Inference).times(1));
//!
//! let addr = engine.addr();
//! let answer = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
//!     let mut stream = std::net::TcpStream::connect(addr)?;
//!     stream.write_all(b"POST /api/chat HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer)?;
//!     Ok(answer)
//! })
//! .await??;
//!
//! assert!(answer.starts_with("HTTP/1.1 429"));
//! assert_eq!(engine.received().len(), 1);
//! engine.stop().await;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! The same controls exist over HTTP, whatever faults are set:
//!
//! | request | does |
//! |---|---|
//! | `PUT /sim/fault` | replaces the faults by one [`Armed`] fault as JSON, by a list, or by a bare name |
//! | `GET /sim/fault`, `DELETE /sim/fault` | lists, removes the faults |
//! | `PUT /sim/refuse` | with `{"for_ms": N}`: refuses connects for so long |
//! | `PUT /sim/silence` | with `{"for_ms": N}`: leaves connects unanswered for so long |
//! | `PUT /sim/models` | replaces the models by a list of names |
//! | `PUT /sim/loaded`, `GET /sim/loaded` | replaces, lists the models that are in memory |
//! | `GET /sim/received`, `DELETE /sim/received` | lists, forgets the requests that were recorded |
//! | `GET /sim/abandoned` | lists the requests that their client abandoned |
//! | `GET /sim/stats` | counters |
//!
//! A model is in memory from its first inference request on, and what kinds tell of that follows. A model whose name
//! has `embed` in it is for embeddings, one with `llava`, `vision`, `-vl` or `pixtral` takes images.
//!
//! One request can set its own timing with a body field `sim`, or a header `x-sim` with the same JSON:
//! `{"ttft_ms": 5, "tokens_per_second": 50, "tokens": 20, "early_head": true}`, each field optional, and
//! `"apart": true` for a stream whose tokens follow each other at once but leave in a write each.

mod acceptor;
mod anthropic;
mod ask;
mod connection;
mod control;
mod engine;
mod fault;
mod http1;
mod kind;
mod ledger;
pub mod load;
mod model;
mod ollama;
mod openai;
mod pages;
mod reply;
mod route;
mod script;
mod state;
mod wire;

pub use engine::{Builder, Engine};
pub use fault::{Armed, Fault, FaultSyntax, Framed, Scope};
pub use http1::Framing;
pub use kind::{Kind, UnknownKind};
pub use ledger::{Abandoned, Phase, Received, Stats};
pub use script::Pace;

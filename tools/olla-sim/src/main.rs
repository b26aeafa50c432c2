//! The command line of the simulated engine: `serve` runs one, `load` makes load and prints what happened as JSON.

use std::error::Error;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use olla_sim::load::{self, Cancels, Limit, Plan};
use olla_sim::{Armed, Engine, Kind};
use tokio::runtime;

/// A simulated inference engine with scripted faults, and a load generator.
#[derive(Parser)]
#[command(name = "olla-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs an engine until it is killed.
    Serve(Serve),
    /// Makes load and prints a report; exits 1 if any request failed.
    Load(Load),
}

#[derive(Args)]
struct Serve {
    /// Address to listen on; port 0 takes any free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// Name that answers begin with.
    #[arg(long, default_value = "sim")]
    name: String,
    /// Kind of server to imitate.
    #[arg(long, default_value_t = Kind::OpenAi)]
    kind: Kind,
    /// Model to serve; may be repeated.
    #[arg(long = "model", default_value = "sim-model")]
    models: Vec<String>,
    /// Time to the first token, in milliseconds.
    #[arg(long, default_value_t = 0)]
    ttft_ms: u64,
    /// Token rate after the first token; 0 is as fast as possible.
    #[arg(long, default_value_t = 0.0)]
    tokens_per_second: f64,
    /// Tokens of an answer.
    #[arg(long, default_value_t = 16)]
    tokens: usize,
    /// Send the head of a stream at once and not with the first token.
    #[arg(long)]
    early_head: bool,
    /// Fault to set from the start, as JSON like `{"fault":{"reset_after":{"bytes":9}},"count":2}` or a bare name;
    /// may be repeated.
    #[arg(long = "fault")]
    faults: Vec<Armed>,
    /// Requests to keep for /sim/received; 0 keeps counters only.
    #[arg(long, default_value_t = 10_000)]
    record_limit: usize,
    /// Threads, each with its own runtime and listening socket.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

#[derive(Args)]
struct Load {
    /// Where to send requests; without a path, /v1/chat/completions. A path that ends with /v1/messages is sent
    /// Anthropic's Messages.
    url: String,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests to send. Default: 10000, unless a duration is given.
    #[arg(long, conflicts_with = "duration")]
    requests: Option<u64>,
    /// Seconds to run.
    #[arg(long)]
    duration: Option<f64>,
    /// Requests per second in an open loop; without it each connection sends when it has its answer.
    #[arg(long)]
    rate: Option<f64>,
    /// Size of the request body in bytes.
    #[arg(long, default_value_t = 256)]
    body_size: usize,
    /// Ask for streams.
    #[arg(long)]
    stream: bool,
    /// Model to ask for.
    #[arg(long, default_value = "sim-model")]
    model: String,
    /// Extra header field, as `name: value`; may be repeated.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Seconds after which a request has failed.
    #[arg(long, default_value_t = 60.0)]
    timeout: f64,
    /// Share of the requests, in percent, that the client leaves before their answer is complete.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    cancel_percent: u8,
    /// Milliseconds from its start within which such a request is left.
    #[arg(long, default_value_t = 1000)]
    cancel_within_ms: u64,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve(args),
        Command::Load(args) => make_load(&args),
    };
    outcome.unwrap_or_else(|error| {
        // Nothing is left to tell it to when standard error is closed.
        let _ = writeln!(io::stderr(), "olla-sim: {error}");
        ExitCode::from(2)
    })
}

fn serve(args: Serve) -> Result<ExitCode, Box<dyn Error>> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let builder = Engine::builder(args.name)
            .kind(args.kind)
            .models(args.models)
            .ttft(Duration::from_millis(args.ttft_ms))
            .tokens_per_second(args.tokens_per_second)
            .tokens(args.tokens)
            .early_head(args.early_head)
            .record_limit(args.record_limit)
            // One worker is this thread.
            .workers(if args.workers > 1 { args.workers } else { 0 });
        let builder = args.faults.into_iter().fold(builder, olla_sim::Builder::fault);
        let engine = builder.start(args.addr).await?;
        writeln!(io::stdout(), "listening on {}", engine.url())?;
        io::stdout().flush()?;
        std::future::pending::<()>().await;
        Ok(ExitCode::SUCCESS)
    })
}

fn make_load(args: &Load) -> Result<ExitCode, Box<dyn Error>> {
    let plan = plan(args)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(load::run(plan));
    serde_json::to_writer_pretty(io::stdout(), &report)?;
    writeln!(io::stdout())?;
    Ok(if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(args: &Load) -> Result<Plan, Box<dyn Error>> {
    let rest = args.url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let addr = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let addr = addr.to_socket_addrs()?.next().ok_or("the host has no address")?;
    let limit = match (args.requests, args.duration) {
        (_, Some(seconds)) => Limit::Time(Duration::try_from_secs_f64(seconds)?),
        (requests, None) => Limit::Requests(requests.unwrap_or(10_000)),
    };
    if args.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) {
        return Err("the rate must be above 0".into());
    }
    let headers = args.headers.iter().map(|line| {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("not a header: {line}"))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    });
    let target = if matches!(path, "" | "/") { "/v1/chat/completions" } else { path };
    let body = if target.ends_with("/v1/messages") { load::messages_body } else { load::chat_body };
    Ok(Plan {
        addr,
        host: host.to_owned(),
        target: target.to_owned(),
        headers: headers.collect::<Result<_, String>>()?,
        body: body(&args.model, args.body_size, args.stream),
        connections: args.connections.max(1),
        limit,
        rate: args.rate,
        timeout: Duration::try_from_secs_f64(args.timeout)?,
        cancels: (args.cancel_percent > 0).then(|| Cancels {
            percent: args.cancel_percent,
            within: Duration::from_millis(args.cancel_within_ms),
        }),
    })
}

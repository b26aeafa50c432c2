//! The proxy under a path of an axum application.
//!
//! `cargo run -p olla-proxy --example embed -- http://127.0.0.1:8000 Qwen/Qwen3-8B`, then ask
//! `http://127.0.0.1:3000/llm/v1/chat/completions`.

use std::{env, error::Error, io, net::SocketAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use olla_core::{BaseUrl, EndpointSpec, FleetCell, Model, Status};
use olla_profiles::Profiles;
use olla_proxy::{ClientAddr, Proxy};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let backend = arguments.next().ok_or("say where the backend is")?;
    let model = arguments.next().ok_or("say which model it has")?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    serve(listener, app(&backend, &model)?).await?;
    Ok(())
}

/// An application of one page, and the proxy to one backend below `/llm`.
pub(crate) fn app(backend: &str, model: &str) -> Result<Router, Box<dyn Error>> {
    let profiles = Arc::new(Profiles::builtin());
    let mut spec = EndpointSpec::new("backend", BaseUrl::parse(backend)?);
    spec.kind = profiles.resolve("openai-compatible");
    spec.declared_models = Arc::from([Model::named(model)]);
    let fleet = Arc::new(FleetCell::new(vec![spec], Default::default()));
    // Nobody checks this backend; `olla-health` would keep its health and its models up to date.
    fleet.load().endpoints()[0].live.set_status(Status::Healthy);

    let proxy = Proxy::builder(fleet, profiles).build();
    let llm = Router::new().fallback_service(proxy).layer(middleware::from_fn(tell_client));
    Ok(Router::new().route("/", get(|| async { "models are below /llm/v1" })).nest("/llm", llm))
}

pub(crate) async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Tells the proxy who is asking, as far as the listener knows.
async fn tell_client(
    client: Option<Extension<ConnectInfo<SocketAddr>>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(Extension(ConnectInfo(address))) = client {
        request.extensions_mut().insert(ClientAddr(address.ip()));
    }
    next.run(request).await
}

//! `GET /version`: what this program is, what it can do and where its API is.

use serde_json::{Value, json};

use super::Admin;

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Writes the document.
pub(super) fn document(admin: &Admin) -> Value {
    let product = &admin.product;
    let backends: Vec<_> = admin.profiles.iter().map(|profile| &*profile.name).collect();
    json!({
        "name": "Olla",
        "version": product.version,
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "build": {
            "commit": product.commit.unwrap_or("unknown"),
            "date": product.built.unwrap_or("unknown"),
            "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        },
        "api": {
            "version": "v1",
            "endpoints": {
                "health": "/internal/health",
                "ready": "/internal/ready",
                "status": "/internal/status",
                "endpoints": "/internal/status/endpoints",
                "models": "/internal/status/models",
                "model_stats": "/internal/stats/models",
                "sticky_stats": "/internal/stats/sticky",
                "translator_stats": "/internal/stats/translators",
                "explain": "/internal/explain",
                "process": "/internal/process",
                "refresh": "/internal/discovery/refresh",
                "drain": "/internal/endpoints/{name}/drain",
                "resume": "/internal/endpoints/{name}/resume",
                "version": "/version",
            },
        },
        "links": {
            "homepage": REPOSITORY,
            "documentation": format!("{REPOSITORY}#readme"),
            "releases": format!("{REPOSITORY}/releases/latest"),
        },
        "capabilities": [
            "load_balancing",
            "health_checking",
            "rate_limiting",
            "endpoint_discovery",
            "model_discovery",
        ],
        "supported_backends": backends,
    })
}

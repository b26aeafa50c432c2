//! Backends over TLS: the certificate decides.

use std::{net::SocketAddr, sync::Arc};

use http::StatusCode;
use olla_core::{Failure, Status, TlsTrust};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{Backend, Plan, Stage, chat, ok};

/// A TLS backend, and the authority that signed its certificate, in PEM.
async fn backend(name: &str) -> (SocketAddr, String) {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us leaves here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![];
            while !request.ends_with(b"}") && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            stream.write_all(ok("over TLS").as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, authority_certificate.pem())
}

fn stage(url: &str, trust: TlsTrust) -> Stage {
    let mut plan = Plan::over_urls(&[url]);
    plan.specs[0].trust = trust;
    plan.start()
}

fn pem(text: &str) -> TlsTrust {
    TlsTrust::SystemAnd(Arc::from(text.as_bytes()))
}

async fn assert_refused(stage: Stage) {
    let told = stage.ask(chat()).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.json()["error"]["code"], "tls_failed");
    assert_eq!(stage.journal.only().await.attempts, [("a".into(), Some(Failure::Tls))]);
    assert_eq!(stage.status(0), Status::Offline);
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_trusted_by_name_and_by_address() {
    for host in ["localhost", "127.0.0.1"] {
        let (address, authority) = backend(host).await;
        let stage = stage(&format!("https://{host}:{}", address.port()), pem(&authority));

        let told = stage.ask(chat()).await;

        assert_eq!((told.status, told.text()), (StatusCode::OK, "over TLS"), "{host}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (address, _) = backend("localhost").await;

    assert_refused(stage(&format!("https://localhost:{}", address.port()), TlsTrust::System)).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (address, authority) = backend("elsewhere.test").await;

    assert_refused(stage(&format!("https://localhost:{}", address.port()), pem(&authority))).await;
}

#[tokio::test]
async fn an_authority_file_without_a_certificate_is_no_authority() {
    let (address, _) = backend("localhost").await;
    let broken = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n";

    assert_refused(stage(&format!("https://localhost:{}", address.port()), pem(broken))).await;
}

#[tokio::test]
async fn any_certificate_is_accepted_where_the_check_is_off() {
    let (address, _) = backend("elsewhere.test").await;
    let stage = stage(&format!("https://localhost:{}", address.port()), TlsTrust::Anyone);

    assert_eq!(stage.ask(chat()).await.text(), "over TLS");
}

#[tokio::test]
async fn a_backend_that_speaks_no_tls_is_refused() {
    let plain = Backend::scripted(|mut conn| async move {
        conn.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        conn.closed().await;
    })
    .await;

    assert_refused(stage(&plain.url().replace("http", "https"), TlsTrust::Anyone)).await;
}

//! TLS to backends: the system's authorities, an endpoint's own, or none.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use olla_core::TlsTrust;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Performs handshakes; configurations are built when first needed, then kept with their sessions.
#[derive(Clone, Default)]
pub(super) struct TlsClient {
    configs: Arc<Mutex<HashMap<Trust, Arc<ClientConfig>>>>,
}

#[derive(PartialEq, Eq, Hash, Clone)]
enum Trust {
    System,
    SystemAnd(Arc<[u8]>),
    Anyone,
}

/// Accepts every certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct TrustAnyone(CryptoProvider);

// === impl TlsClient ===

impl TlsClient {
    pub(super) async fn handshake(
        &self,
        host: &str,
        trust: &TlsTrust,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = self.config(trust).map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, stream).await
    }

    fn config(&self, trust: &TlsTrust) -> Result<Arc<ClientConfig>, Error> {
        let trust = match trust {
            TlsTrust::System => Trust::System,
            TlsTrust::SystemAnd(pem) => Trust::SystemAnd(Arc::clone(pem)),
            TlsTrust::Anyone => Trust::Anyone,
        };
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&trust) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(build(&trust)?);
        configs.insert(trust, Arc::clone(&config));
        Ok(config)
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

fn build(trust: &Trust) -> Result<ClientConfig, Error> {
    let provider = ring::default_provider();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()?;
    let mut config = match trust {
        Trust::Anyone => {
            let verifier = Arc::new(TrustAnyone(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
        Trust::System => builder.with_root_certificates(roots(&[])?).with_no_client_auth(),
        Trust::SystemAnd(pem) => builder.with_root_certificates(roots(pem)?).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(extra_pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // Certificates of the system that cannot be read are left out, as every other program does.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(extra_pem) {
        let certificate =
            certificate.map_err(|_| Error::General("ca_file holds no valid PEM certificate".into()))?;
        roots.add(certificate)?;
    }
    Ok(roots)
}

// === impl TrustAnyone ===

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! TLS 1.3 between raw public keys (RFC 7250): no authority, no expiry, no tickets, no 0-RTT.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use karez_protocol::id::PeerId;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::identity::{Identity, peer_of};
use crate::net::Net;

/// What a connection is for (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alpn {
    /// `karez/1`: a session between known keys.
    Session,
    /// `karez-join/1`: enrolment, open to unknown keys.
    Join,
}

impl Alpn {
    const ALL: [Self; 2] = [Self::Session, Self::Join];

    /// The name in the handshake.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "karez/1",
            Self::Join => "karez-join/1",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|alpn| alpn.name().as_bytes() == name)
    }
}

/// What a server needs to accept any key; who may stay is decided after the handshake, where the
/// refusal can say why.
pub(crate) fn server_config(
    net: &Arc<dyn Net>,
    identity: &Identity,
) -> Result<quinn::ServerConfig, Error> {
    let keys = provider();
    let clock = Arc::new(Clock(net.clone()));
    let mut tls = rustls::ServerConfig::builder_with_details(keys.clone(), clock.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyKey(keys)))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
            identity.certified(),
        )));
    tls.alpn_protocols = Alpn::ALL.map(|alpn| alpn.name().as_bytes().to_vec()).into();
    tls.send_tls13_tickets = 0;
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    let tls = QuicServerConfig::try_from(tls).map_err(|e| Error::General(e.to_string()))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let mut no_tokens = quinn::ValidationTokenConfig::default();
    no_tokens.sent(0);
    config.validation_token_config(no_tokens).time_source(clock);
    Ok(config)
}

/// What a client needs to reach the one server whose key it knows. The key that a wrong server
/// showed is left in `seen`.
pub(crate) fn client_config(
    net: &Arc<dyn Net>,
    identity: &Identity,
    server: PeerId,
    alpn: Alpn,
    seen: Arc<Mutex<Option<PeerId>>>,
) -> Result<quinn::ClientConfig, Error> {
    let keys = provider();
    let clock = Arc::new(Clock(net.clone()));
    let pinned = PinnedKey {
        server,
        seen,
        keys: keys.clone(),
    };
    let mut tls = rustls::ClientConfig::builder_with_details(keys, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
            identity.certified(),
        )));
    tls.alpn_protocols = vec![alpn.name().as_bytes().to_vec()];
    tls.resumption = Resumption::disabled();
    tls.enable_sni = false;
    let tls = QuicClientConfig::try_from(tls).map_err(|e| Error::General(e.to_string()))?;
    Ok(quinn::ClientConfig::new(Arc::new(tls)))
}

/// One key exchange group, so that one key share travels.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![ring::kx_group::X25519],
        ..ring::default_provider()
    })
}

fn verify_raw(
    message: &[u8],
    key: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    keys: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    rustls::crypto::verify_tls13_signature_with_raw_key(
        message,
        &SubjectPublicKeyInfoDer::from(key.as_ref()),
        signed,
        &keys.signature_verification_algorithms,
    )
}

const NO_TLS12: &str = "TLS 1.2 has no place in QUIC";

#[derive(Debug)]
struct PinnedKey {
    server: PeerId,
    seen: Arc<Mutex<Option<PeerId>>>,
    keys: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let peer = peer_of(key.as_ref());
        if peer == Some(self.server) {
            return Ok(ServerCertVerified::assertion());
        }
        if let Ok(mut seen) = self.seen.lock() {
            *seen = peer;
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General(NO_TLS12.into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_raw(message, key, signed, &self.keys)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match peer_of(key.as_ref()) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General(NO_TLS12.into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_raw(message, key, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// rustls and quinn take no time before 1970, and add to it without looking.
struct Clock(Arc<dyn Net>);

impl Clock {
    fn since_1970(&self) -> Duration {
        let seconds = self.0.wall().clamp(0, i64::from(u32::MAX));
        Duration::from_secs(seconds.unsigned_abs())
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.since_1970()))
    }
}

impl quinn::TimeSource for Clock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.since_1970()
    }
}

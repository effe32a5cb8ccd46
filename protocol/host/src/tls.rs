//! TLS over byte streams, for DICOM and DICOMweb (PS3.15 B.12: RFC 8996 and 9325, "BCP 195"): TLS 1.3
//! and 1.2 with forward secrecy and authenticated ciphers only. Certificates are PEM files by path,
//! read anew for each connection, so that a renewed one needs no restart. The server is always
//! verified; a client where an authority for clients is set.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use karez_store::read_whole;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::Env;
use crate::env::BoxStream;
use crate::limits::{PEM_FILE, STREAM_CONNECT};

/// The authorities that Debian's `ca-certificates` trusts: for a client that names none.
pub const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where the certificates of one end are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The authorities that the peer's certificate must come from.
    pub authorities: Option<PathBuf>,
    /// Our certificate, its chain behind it, and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

impl Files {
    /// Those of a server, from settings in which an empty path is none; nothing without a certificate.
    #[must_use]
    pub fn of_server(certificate: &Path, key: &Path, authorities: &Path) -> Option<Self> {
        let set = |path: &Path| (path != Path::new("")).then(|| path.to_owned());
        let own = (set(certificate)?, key.to_owned());
        Some(Self {
            authorities: set(authorities),
            own: Some(own),
        })
    }
}

/// Why there is no secured stream. The texts hold paths and no secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or holds something else.
    #[error("{what} cannot be used: {why} ({})", path.display())]
    File {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        why: String,
        /// Where it is.
        path: PathBuf,
    },
    /// The two did not agree, or one does not trust the other.
    #[error("TLS failed: {0}")]
    Handshake(String),
}

/// Secures a stream to `at` (`HOST:PORT`), whose certificate must be for that host.
///
/// # Errors
/// [`TlsError`].
pub async fn connect(
    env: &Arc<dyn Env>,
    files: &Files,
    at: &str,
    stream: BoxStream,
) -> Result<BoxStream, TlsError> {
    let config = client(env, files)?;
    let host = at.rsplit_once(':').map_or(at, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|error| handshake(&error))?;
    let secured = TlsConnector::from(Arc::new(config)).connect(name, stream);
    Ok(Box::new(secured.await.map_err(|error| handshake(&error))?))
}

/// Secures a stream that a client has opened. With authorities given, the client must show a
/// certificate of theirs.
///
/// # Errors
/// [`TlsError`].
async fn accept(
    env: &Arc<dyn Env>,
    files: &Files,
    stream: BoxStream,
) -> Result<BoxStream, TlsError> {
    let config = server(env, files)?;
    let secured = TlsAcceptor::from(Arc::new(config)).accept(stream);
    Ok(Box::new(secured.await.map_err(|error| handshake(&error))?))
}

/// The same within [`STREAM_CONNECT`], so that a peer that says nothing holds no place.
///
/// # Errors
/// [`TlsError`].
pub async fn accept_within(
    env: &Arc<dyn Env>,
    files: &Files,
    stream: BoxStream,
) -> Result<BoxStream, TlsError> {
    let accepted = timeout(STREAM_CONNECT, accept(env, files, stream)).await;
    accepted.unwrap_or_else(|_| Err(handshake(&"the peer is silent")))
}

/// Whether the files for a server are there and fit together.
///
/// # Errors
/// [`TlsError::File`].
pub fn check_server(env: &Arc<dyn Env>, files: &Files) -> Result<(), TlsError> {
    server(env, files).map(drop)
}

/// Whether the files for a client are there and fit together.
///
/// # Errors
/// [`TlsError::File`].
pub fn check_client(env: &Arc<dyn Env>, files: &Files) -> Result<(), TlsError> {
    client(env, files).map(drop)
}

fn client(env: &Arc<dyn Env>, files: &Files) -> Result<ClientConfig, TlsError> {
    let system = PathBuf::from(SYSTEM_AUTHORITIES);
    let roots = authorities(env, files.authorities.as_ref().unwrap_or(&system))?;
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Clock(env.clone())));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| handshake(&error))?
        .with_root_certificates(roots);
    match &files.own {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder
            .with_client_auth_cert(certificates(env, chain)?, private(env, key)?)
            .map_err(|error| unusable("the key", key, &error)),
    }
}

fn server(env: &Arc<dyn Env>, files: &Files) -> Result<ServerConfig, TlsError> {
    let Some((chain, key)) = &files.own else {
        return Err(TlsError::Handshake("no certificate is set".into()));
    };
    let clock = Arc::new(Clock(env.clone()));
    let builder = ServerConfig::builder_with_details(provider(), clock)
        .with_safe_default_protocol_versions()
        .map_err(|error| handshake(&error))?;
    let builder = match &files.authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(env, path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            let verifier = verifier.map_err(|e| unusable("the authorities", path, &e))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder
        .with_single_cert(certificates(env, chain)?, private(env, key)?)
        .map_err(|error| unusable("the key", key, &error))
}

fn authorities(env: &Arc<dyn Env>, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // One that is not understood is passed over, as elsewhere: a system's bundle may hold some.
    let (good, _) = roots.add_parsable_certificates(certificates(env, path)?);
    match good {
        0 => Err(unusable("the authorities", path, &"no certificate in it")),
        _ => Ok(roots),
    }
}

fn certificates(env: &Arc<dyn Env>, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(env, "the certificates", path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    all.map_err(|error| unusable("the certificates", path, &error))
}

fn private(env: &Arc<dyn Env>, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(env, "the key", path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| unusable("the key", path, &error))
}

fn read(env: &Arc<dyn Env>, what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let bytes = read_whole(&*env.disk(), path, PEM_FILE);
    let bytes = bytes.map_err(|error| unusable(what, path, &error))?;
    bytes.ok_or_else(|| unusable(what, path, &"it is not there"))
}

fn unusable(what: &'static str, path: &Path, why: &dyn fmt::Display) -> TlsError {
    TlsError::File {
        what,
        why: why.to_string(),
        path: path.to_owned(),
    }
}

fn handshake(why: &dyn fmt::Display) -> TlsError {
    TlsError::Handshake(why.to_string())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The world's clock for the dates in certificates: one that says 1960 counts as 1970.
struct Clock(Arc<dyn Env>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.wall()).unwrap_or(0);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

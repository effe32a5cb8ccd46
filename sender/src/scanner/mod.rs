//! The scanners' way in: an acceptor of C-STORE, C-ECHO and storage commitment (PS3.4 annexes B and J,
//! PS3.7 9.1.1 and 9.1.5).
//!
//! What a scanner sends is never parsed to be taken and never rewritten: the data set's bytes go
//! behind a file meta group of ours straight into an encrypted file, and the scanner is told
//! "stored" only when that and its journal entry are durable.

mod association;
mod instance;
mod known;
mod quote;
mod reports;
mod settings;
mod titles;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use karez_dimse::scp::Config;
use karez_host::env::{BoxListener, BoxStream};
use karez_host::{Env, tls};
use tokio::task::JoinSet;

pub use settings::{CommitOn, Dicom};

pub(crate) use known::Scanners;
pub(crate) use reports::bring;

use crate::daemon::Handle;
use crate::limits::{ASSOCIATIONS_TURNED_AWAY, LISTEN_RETRY};
use titles::Titles;

/// What every association works with.
struct Door {
    handle: Handle,
    scanners: Arc<Scanners>,
    titles: Titles,
    config: Config,
    most: usize,
    tls: Option<tls::Files>,
    env: Arc<dyn Env>,
}

/// Takes associations for ever. A port that cannot be had is shown in the status and tried again.
pub(crate) async fn run(env: Arc<dyn Env>, dicom: Dicom, handle: Handle, scanners: Arc<Scanners>) {
    let Some(at) = dicom.address() else {
        return;
    };
    let door = Arc::new(Door {
        titles: Titles::new(&dicom.ae_title),
        config: dicom.config(),
        most: dicom.associations as usize,
        tls: dicom.tls(),
        handle,
        scanners,
        env,
    });
    loop {
        match door.env.listen_stream(at).await {
            Ok(listener) => listen(&door, listener, at).await,
            Err(error) => door.scanners.port_lost(at, &error),
        }
        door.env.sleep_until(door.env.now() + LISTEN_RETRY).await;
    }
}

/// Takes connections until none comes any more.
async fn listen(door: &Arc<Door>, mut listener: BoxListener, at: SocketAddr) {
    door.scanners.port_open(listener.local_addr().unwrap_or(at));
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = running.join_next() => {}
            taken = listener.accept() => match taken {
                // A scanner that is told why comes again; beyond that, it is not even answered.
                Ok(_) if running.len() >= door.most + ASSOCIATIONS_TURNED_AWAY => {}
                Ok((stream, from)) => {
                    let crowded = running.len() >= door.most;
                    running.spawn(open(door.clone(), stream, from.ip(), crowded));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the port for scanners takes no connection");
                    door.scanners.port_lost(at, &error);
                    // What runs ends in order; the port is opened anew.
                    while running.join_next().await.is_some() {}
                    return;
                }
            },
        }
    }
}

/// Secures a connection where that is wanted, and serves it.
async fn open(door: Arc<Door>, stream: BoxStream, from: IpAddr, crowded: bool) {
    let stream = match &door.tls {
        None => Ok(stream),
        Some(files) => tls::accept_within(&door.env, files, stream).await,
    };
    match stream {
        Ok(stream) => association::serve(door, stream, from, crowded).await,
        Err(error) => tracing::warn!(%error, %from, "a scanner's connection was not taken"),
    }
}

/// Whether it befell a connection and not the port.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

const _: () = assert!(LISTEN_RETRY.as_nanos() > Duration::from_millis(100).as_nanos());

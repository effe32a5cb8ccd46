//! Connections of clinics: each is driven by a task of its own and joined to the engine by a
//! bridge.

use std::sync::Arc;

use karez_host::bridge::bridge;
use karez_host::shutdown::Shutdown;
use karez_quic::{Alpn, Close, Connection, Server, Wake, code, drive};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tracing::{debug, info};

use crate::admit;
use crate::engine::{Mailbox, Message, Opened};
use crate::limits::LAST_WORDS;

/// Serves connections until the shutdown.
pub(crate) async fn serve(
    mut server: Server,
    mailbox: Mailbox,
    bell: Arc<Notify>,
    shutdown: Shutdown,
) {
    let mut tasks = JoinSet::new();
    let mut next = 0;
    loop {
        tokio::select! {
            biased;
            () = shutdown.wait() => break,
            Some(_) = tasks.join_next() => {}
            accepted = server.accept() => {
                let Some(conn) = accepted else { break };
                next += 1;
                tasks.spawn(run(conn, next, mailbox.clone(), bell.clone()));
            }
        }
    }
    server.shutdown(LAST_WORDS).await;
}

async fn run(conn: Connection, id: u64, mailbox: Mailbox, bell: Arc<Notify>) {
    match conn.alpn() {
        Alpn::Join => admit::answer(&conn, &mailbox).await,
        Alpn::Session => session(&conn, id, &mailbox, bell).await,
    }
}

async fn session(conn: &Connection, id: u64, mailbox: &Mailbox, bell: Arc<Notify>) {
    let peer = conn.peer();
    let wake = Wake::new();
    let (port, mut session) = bridge(bell, wake.clone());
    let (closer, closed) = oneshot::channel();
    let opened = Opened {
        peer,
        id,
        port,
        link: conn.handle(),
        closer,
    };
    if mailbox
        .tell(Message::Opened(Box::new(opened)))
        .await
        .is_err()
    {
        return conn.close(&Close::new(code::SHUTDOWN, "the receiver stops"));
    }
    info!(
        clinic = peer.short(),
        connection = id,
        "a clinic is connected"
    );
    tokio::select! {
        biased;
        end = drive(conn, &mut session, &wake) => {
            info!(clinic = peer.short(), connection = id, %end, "a connection ended");
        }
        close = closed => match close {
            Ok(close) => conn.close(&close),
            Err(_) => debug!(connection = id, "the engine let a connection go"),
        },
    }
    // Fails only when the engine has ended as well.
    let _ = mailbox.tell(Message::Closed(peer, id)).await;
}

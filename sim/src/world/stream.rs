//! Byte streams between machines of one world: what TCP is on a hospital's own network.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use karez_host::env::{BoxFuture, BoxListener, BoxStream, Listener};
use tokio::sync::mpsc;

/// Bytes that a stream holds each way.
const PIPE: usize = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: usize = 16;

type Doors = BTreeMap<String, mpsc::Sender<(BoxStream, SocketAddr)>>;

/// Who listens where. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<Doors>>);

impl Streams {
    pub(super) fn connect(
        &self,
        to: &str,
        from: SocketAddr,
    ) -> BoxFuture<'static, io::Result<BoxStream>> {
        let door = self.with(|doors| doors.get(to).cloned());
        Box::pin(async move {
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            let door = door.ok_or_else(refused)?;
            let (ours, theirs) = tokio::io::duplex(PIPE);
            door.send((Box::new(theirs), from))
                .await
                .map_err(|_| refused())?;
            Ok(Box::new(ours) as BoxStream)
        })
    }

    pub(super) fn listen(&self, at: SocketAddr) -> io::Result<BoxListener> {
        let (sender, queue) = mpsc::channel(BACKLOG);
        let taken = self.with(|doors| {
            let old = doors
                .get(&at.to_string())
                .is_some_and(|door| !door.is_closed());
            if !old {
                doors.insert(at.to_string(), sender);
            }
            old
        });
        if taken {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(Box::new(Door { queue, at }))
    }

    fn with<T>(&self, run: impl FnOnce(&mut Doors) -> T) -> T {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Door {
    queue: mpsc::Receiver<(BoxStream, SocketAddr)>,
    at: SocketAddr,
}

impl Listener for Door {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async {
            let next = self.queue.recv().await;
            next.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.at)
    }
}

//! Byte streams within one machine: scanners dial the port of a sender.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use karez_host::env::{BoxFuture, BoxListener, BoxStream, Listener};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

type Arrival = (BoxStream, SocketAddr);

/// The ports that are open.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<BTreeMap<u16, mpsc::UnboundedSender<Arrival>>>>);

struct Port {
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    at: SocketAddr,
}

impl Streams {
    pub fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>> {
        let mut open = self.0.lock().unwrap();
        if open.get(&at.port()).is_some_and(|port| !port.is_closed()) {
            return Box::pin(async { Err(io::ErrorKind::AddrInUse.into()) });
        }
        let (sender, arrivals) = mpsc::unbounded_channel();
        open.insert(at.port(), sender);
        Box::pin(async move { Ok(Box::new(Port { arrivals, at }) as BoxListener) })
    }

    /// Connects from an address, if the port is open.
    pub fn dial(&self, port: u16, from: IpAddr) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let open = self.0.lock().unwrap();
        let sender = open.get(&port).ok_or(io::ErrorKind::ConnectionRefused)?;
        let arrival = (Box::new(far) as BoxStream, SocketAddr::new(from, 40_000));
        let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        sender.send(arrival).map_err(refused)?;
        Ok(near)
    }
}

impl Listener for Port {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Arrival>> {
        Box::pin(async move {
            match self.arrivals.recv().await {
                Some(arrival) => Ok(arrival),
                None => std::future::pending().await,
            }
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.at)
    }
}

//! TCP as byte streams.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::env::{BoxFuture, BoxListener, BoxStream, Listener};
use crate::limits::STREAM_CONNECT;

const BACKLOG: u32 = 64;

pub(super) async fn connect(to: String) -> io::Result<BoxStream> {
    let attempt = TcpStream::connect(&to);
    let stream = timeout(STREAM_CONNECT, attempt)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

pub(super) fn listen(at: SocketAddr) -> io::Result<BoxListener> {
    let socket = match at {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted daemon takes its port back at once.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    Ok(Box::new(Tcp(socket.listen(BACKLOG)?)))
}

struct Tcp(TcpListener);

impl Listener for Tcp {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as BoxStream, from))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

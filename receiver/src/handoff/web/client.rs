//! One HTTP request on a connection of its own, over the world's byte streams.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use karez_host::{Env, tls};
use karez_store::read_whole;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::service::Service;
use crate::limits::{PACS_SILENCE, WEB_SECRET};

/// How a service is reached.
pub(super) struct Client {
    pub(super) env: Arc<dyn Env>,
    pub(super) service: Service,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    #[error("{0}")]
    Tls(#[from] tls::TlsError),
    #[error("the file with the secret cannot be read: {0}")]
    Secret(String),
    #[error("no answer within {} s", PACS_SILENCE.as_secs())]
    Silent,
    #[error("the connection broke off: {0}")]
    Broke(String),
    #[error("the answer is longer than an answer may be")]
    TooLong,
}

/// A body whose length is known before its first byte leaves.
pub(super) struct Pieces {
    from: mpsc::Receiver<Bytes>,
    left: u64,
}

/// An answer whose body is still to come.
pub(super) struct Reply {
    response: Response<Incoming>,
    _line: Line,
}

/// The task that moves a connection's bytes; it ends with its owner.
struct Line(JoinHandle<()>);

impl Client {
    /// Asks for a path below the service's own.
    pub(super) async fn get(&self, path: &str, accept: &str) -> Result<Reply, Fault> {
        let (_, from) = mpsc::channel(1);
        let request = self.request(Method::GET, path, accept)?;
        let request = request.body(Pieces { from, left: 0 });
        let request = request.map_err(|error| Fault::Broke(error.to_string()))?;
        let answered = timeout(PACS_SILENCE, self.exchange(request));
        answered.await.map_err(|_| Fault::Silent)?
    }

    /// A POST of `length` bytes of this kind, to be given piece by piece. It ends when they are given
    /// or `from` is closed before.
    pub(super) fn post(
        &self,
        path: &str,
        (kind, accept): (&str, &str),
        (from, length): (mpsc::Receiver<Bytes>, u64),
    ) -> Result<Request<Pieces>, Fault> {
        let request = self.request(Method::POST, path, accept)?;
        let request = request
            .header(CONTENT_TYPE, kind)
            .header(CONTENT_LENGTH, length);
        let request = request.body(Pieces { from, left: length });
        request.map_err(|error| Fault::Broke(error.to_string()))
    }

    /// Sends a request on a new connection; the answer's head.
    pub(super) async fn exchange(&self, request: Request<Pieces>) -> Result<Reply, Fault> {
        let stream = self.env.connect_stream(&self.service.at).await;
        let mut stream = stream.map_err(|error| Fault::Connect(error.kind()))?;
        if self.service.secure {
            stream = tls::connect(&self.env, &self.service.tls, &self.service.at, stream).await?;
        }
        let broke = |error: hyper::Error| Fault::Broke(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broke)?;
        let line = Line(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a DICOMweb service did not end in good order");
            }
        }));
        let response = sender.send_request(request).await.map_err(broke)?;
        Ok(Reply {
            response,
            _line: line,
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        accept: &str,
    ) -> Result<hyper::http::request::Builder, Fault> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.service.base))
            .header(HOST, &self.service.at)
            .header(USER_AGENT, "karez")
            .header(ACCEPT, accept);
        if let Some(secret) = self.secret()? {
            request = request.header(AUTHORIZATION, secret);
        }
        Ok(request)
    }

    fn secret(&self) -> Result<Option<String>, Fault> {
        let Some(path) = &self.service.auth else {
            return Ok(None);
        };
        let unread = |why: &str| Fault::Secret(format!("{why} ({})", path.display()));
        let bytes = read_whole(&*self.env.disk(), path, WEB_SECRET);
        let bytes = bytes.map_err(|error| unread(&error.to_string()))?;
        let bytes = bytes.ok_or_else(|| unread("it is not there"))?;
        let text = String::from_utf8(bytes).map_err(|_| unread("it is no text"))?;
        Ok(Some(text.trim().to_owned()))
    }
}

impl Reply {
    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// What the body says it is.
    pub(super) fn kind(&self) -> &str {
        let kind = self.response.headers().get(CONTENT_TYPE);
        kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
    }

    /// The next bytes of the body.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let frame = timeout(PACS_SILENCE, self.response.frame()).await;
            match frame.map_err(|_| Fault::Silent)? {
                None => return Ok(None),
                Some(Err(error)) => return Err(Fault::Broke(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// The whole body, of at most so many bytes.
    pub(super) async fn whole(mut self, most: usize) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            if body.len() + piece.len() > most {
                return Err(Fault::TooLong);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.from.poll_recv(context).map(|piece| match piece {
            // Given up before its end: the connection is cut, so that the peer keeps nothing.
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            Some(piece) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Some(Ok(Frame::data(piece)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

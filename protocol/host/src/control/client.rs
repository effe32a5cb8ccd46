//! The command line's end.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::frame::{self, Kind};
use super::{Request, SOCKET, VERSION, socket};
use crate::exit::Failure;
use crate::limits::{CONTROL_BODY, CONTROL_JSON};

/// Why no daemon could be spoken to; each names the socket.
#[derive(Debug)]
pub enum ConnectError {
    /// None runs on this data directory. Some commands then do their work themselves.
    NoDaemon(PathBuf),
    /// This user may not.
    Denied(PathBuf),
    /// Anything else, as the system says it.
    Other(PathBuf, io::Error),
}

impl ConnectError {
    fn failure(&self) -> Failure {
        match self {
            Self::NoDaemon(socket) => Failure::new("no daemon runs on this data directory")
                .at(socket.display())
                .fix("Start it with `run`, or name another directory with `--data`"),
            Self::Denied(socket) => Failure::new("this user may not speak to the daemon")
                .at(socket.display())
                .fix("Use the daemon's user, or join the data directory's group"),
            Self::Other(socket, error) => {
                Failure::new(format!("the daemon cannot be reached: {error}"))
                    .at(socket.display())
                    .fix("Look at the daemon's logs")
            }
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

impl std::error::Error for ConnectError {}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        error.failure()
    }
}

/// A connection to a running daemon.
#[derive(Debug)]
pub struct Client {
    directory: PathBuf,
    stream: Option<UnixStream>,
}

impl Client {
    /// Connects to the daemon that runs on a data directory.
    ///
    /// # Errors
    /// None runs, or this user may not.
    pub async fn connect(directory: &Path) -> Result<Self, ConnectError> {
        Ok(Self {
            stream: Some(open(directory).await?),
            directory: directory.to_owned(),
        })
    }

    /// Asks, and waits for the answer. Events are dropped.
    ///
    /// # Errors
    /// What the daemon says, or that it went away.
    pub async fn call(&mut self, command: &str, arguments: Value) -> Result<Value, Failure> {
        self.call_with(command, arguments, None, &mut |_| {}).await
    }

    /// Asks, streams a body if there is one, hands over each event, and waits for the answer.
    ///
    /// # Errors
    /// What the daemon says, that it went away, or that the body cannot be read.
    pub async fn call_with(
        &mut self,
        command: &str,
        arguments: Value,
        body: Option<&mut (dyn Read + Send)>,
        on_event: &mut (dyn FnMut(Value) + Send),
    ) -> Result<Value, Failure> {
        let request = Request {
            version: VERSION,
            command: command.to_owned(),
            arguments,
            body: body.is_some(),
        };
        let request = serde_json::to_vec(&request).unwrap_or_default();
        if request.len() > CONTROL_JSON {
            return Err(Failure::usage("the request is too long").fix("Give fewer arguments"));
        }
        // Put back only after an exchange that left both ends in step.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => open(&self.directory).await?,
        };
        let (answer, in_step) = exchange(&mut stream, &request, body, on_event).await;
        if in_step {
            self.stream = Some(stream);
        }
        answer
    }
}

async fn open(directory: &Path) -> Result<UnixStream, ConnectError> {
    socket::connect(directory).await.map_err(|error| {
        let socket = directory.join(SOCKET);
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ConnectError::NoDaemon(socket)
            }
            io::ErrorKind::PermissionDenied => ConnectError::Denied(socket),
            _ => ConnectError::Other(socket, error),
        }
    })
}

/// Writes and reads at once, so that a daemon may answer before the body ends and neither waits
/// for the other's full buffer.
async fn exchange(
    stream: &mut UnixStream,
    request: &[u8],
    body: Option<&mut (dyn Read + Send)>,
    on_event: &mut (dyn FnMut(Value) + Send),
) -> (Result<Value, Failure>, bool) {
    let (mut reader, mut writer) = stream.split();
    let mut uploading = true;
    let upload = upload(&mut writer, request, body);
    let answer = answer(&mut reader, on_event);
    tokio::pin!(upload, answer);
    loop {
        tokio::select! {
            answer = &mut answer => {
                let heard = answer.is_ok();
                return (answer.unwrap_or_else(Err), heard && !uploading);
            }
            sent = &mut upload, if uploading => match sent {
                Ok(()) => uploading = false,
                Err(failure) => return (Err(failure), false),
            },
        }
    }
}

async fn upload<W: AsyncWrite + Unpin>(
    writer: &mut W,
    request: &[u8],
    body: Option<&mut (dyn Read + Send)>,
) -> Result<(), Failure> {
    if frame::write(writer, Kind::Request, request).await.is_err() {
        return unheard().await;
    }
    let Some(body) = body else { return Ok(()) };
    let mut piece = vec![0; CONTROL_BODY];
    loop {
        let (kind, length) = match body.read(&mut piece) {
            Ok(0) => (Kind::BodyEnd, 0),
            Ok(length) => (Kind::Body, length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(&error)),
        };
        if frame::write(writer, kind, &piece[..length]).await.is_err() {
            return unheard().await;
        }
        if kind == Kind::BodyEnd {
            return Ok(());
        }
    }
}

/// The daemon no longer reads: what it said is still to be read, so the answer decides.
async fn unheard() -> Result<(), Failure> {
    std::future::pending().await
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(format!(
        "a file could not be read to its end: {}",
        error.kind()
    ))
    .fix("Give it again when it can be read")
}

/// The answer (`Ok`), or how the connection was lost (`Err`).
async fn answer<R: AsyncRead + Unpin>(
    reader: &mut R,
    on_event: &mut (dyn FnMut(Value) + Send),
) -> Result<Result<Value, Failure>, Failure> {
    loop {
        let (kind, payload) = frame::read(reader)
            .await
            .map_err(|_| gone())?
            .ok_or_else(gone)?;
        match kind {
            Kind::Event => on_event(json(&payload)?),
            Kind::Reply => return Ok(Ok(json(&payload)?)),
            Kind::Failure => return Ok(Err(json(&payload)?)),
            Kind::Request | Kind::Body | Kind::BodyEnd => return Err(gone()),
        }
    }
}

fn json<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload).map_err(|_| gone())
}

fn gone() -> Failure {
    Failure::new("the daemon went away before it answered")
        .fix("See with `status` what it has, then give the command again: nothing is sent twice")
}

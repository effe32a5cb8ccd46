//! The daemon's end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::frame::{self, Kind};
use super::{Request, SOCKET, VERSION, socket};
use crate::env::BoxFuture;
use crate::exit::Failure;
use crate::limits::{CONTROL_CONNECTIONS, CONTROL_IDLE, CONTROL_WRITE};
use crate::shutdown::Shutdown;

/// What a daemon does with a request.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. It may be dropped at any await when the client has gone.
    fn handle<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Value, Failure>>;
}

/// One request.
pub struct Call<'a> {
    /// Its name, such as `status`.
    pub command: &'a str,
    /// Its arguments, not yet checked.
    pub arguments: &'a Value,
    /// Who asks.
    pub caller: Caller,
    /// The bytes that come with it; at its end at once when there are none.
    pub body: Body<'a>,
    /// The way back for progress.
    pub events: Events<'a>,
}

/// Who asks, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's number.
    pub uid: u32,
    /// The process, where the kernel says.
    pub pid: Option<i32>,
}

impl Caller {
    /// As the audit log names him.
    #[must_use]
    pub fn name(&self) -> String {
        format!("uid {}", self.uid)
    }
}

/// The client has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command line has gone")]
pub struct Gone;

/// Why a body did not come to its end: what came of it must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command line went away in the middle of a file")]
pub struct BodyError;

/// The body of a request.
pub struct Body<'a> {
    reader: Option<&'a mut OwnedReadHalf>,
    open: &'a mut bool,
}

impl Body<'_> {
    /// The next piece, at most [`CONTROL_BODY`](crate::limits::CONTROL_BODY) bytes; `None` at the
    /// end.
    ///
    /// # Errors
    /// The client went away before the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let reader = match self.reader.as_deref_mut() {
            Some(reader) if *self.open => reader,
            _ => return Ok(None),
        };
        match frame::read(reader).await {
            Ok(Some((Kind::Body, piece))) => Ok(Some(piece.into())),
            Ok(Some((Kind::BodyEnd, _))) => {
                *self.open = false;
                Ok(None)
            }
            _ => Err(BodyError),
        }
    }
}

/// Progress, on its way to the client.
pub struct Events<'a> {
    writer: &'a mut OwnedWriteHalf,
}

impl Events<'_> {
    /// Sends one event.
    ///
    /// # Errors
    /// The client has gone, or does not read.
    pub async fn send<T: Serialize + Sync>(&mut self, event: &T) -> Result<(), Gone> {
        let json = serde_json::to_vec(event).map_err(|_| Gone)?;
        put(self.writer, Kind::Event, &json).await.map_err(|_| Gone)
    }
}

/// Who may speak to a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The daemon's own user (mode 0600).
    Owner,
    /// And the group of the data directory (mode 0660).
    Group,
}

impl Access {
    /// What a directory's own mode means: a group that may enter it may speak.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        const GROUP_ENTERS: u32 = 0o010;
        match rustix::fs::stat(directory) {
            Ok(stat) if stat.st_mode & GROUP_ENTERS != 0 => Self::Group,
            _ => Self::Owner,
        }
    }
}

/// The bound socket.
pub struct Server {
    listener: UnixListener,
    directory: PathBuf,
}

impl Server {
    /// Binds `DIR/control.sock`. The caller holds the data directory's lock, so a socket that is
    /// there is a dead daemon's and is replaced.
    ///
    /// # Errors
    /// The directory cannot be written, or the group cannot be given.
    pub fn bind(directory: &Path, access: Access) -> Result<Self, Failure> {
        let listener = socket::bind(directory, access == Access::Group).map_err(|error| {
            Failure::new(format!("the control socket cannot be made: {error}"))
                .at(directory.join(SOCKET).display())
                .fix("Let the daemon's user own the data directory")
        })?;
        Ok(Self {
            listener,
            directory: directory.to_owned(),
        })
    }

    /// Answers requests until the shutdown, then removes the socket.
    pub async fn serve(self, handler: Arc<dyn Handler>, shutdown: Shutdown) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.wait() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) if connections.len() < CONTROL_CONNECTIONS => {
                        connections.spawn(converse(stream, handler.clone()));
                    }
                    Ok((stream, _)) => refuse(stream),
                    Err(error) => pause(&error).await,
                },
            }
        }
        socket::remove(&self.directory);
    }
}

/// Tells a client that the table is full, without waiting for it: a socket buffer has room.
fn refuse(stream: UnixStream) {
    let failure = Failure::new(format!(
        "{CONTROL_CONNECTIONS} commands are already connected"
    ))
    .fix("Wait until one ends");
    tokio::spawn(async move {
        let (_, mut writer) = stream.into_split();
        let _ = answer(&mut writer, Err(failure)).await;
    });
}

/// Out of descriptors, most likely: others will be closed.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "the control socket accepts nobody for a second");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

async fn converse(stream: UnixStream, handler: Arc<dyn Handler>) {
    let caller = match stream.peer_cred() {
        Ok(peer) => Caller {
            uid: peer.uid(),
            pid: peer.pid(),
        },
        Err(error) => return tracing::warn!(%error, "a command line that the kernel cannot name"),
    };
    let (mut reader, mut writer) = stream.into_split();
    loop {
        let payload = match timeout(CONTROL_IDLE, frame::read(&mut reader)).await {
            Ok(Ok(Some((Kind::Request, payload)))) => payload,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Ok(Some(_)) | Err(_)) => {
                let failure = Failure::new("the daemon was sent what is not a request");
                let _ = answer(&mut writer, Err(failure)).await;
                return;
            }
        };
        let Some(in_step) = exchange(&mut reader, &mut writer, &*handler, caller, &payload).await
        else {
            return;
        };
        if !in_step {
            return;
        }
    }
}

/// One request and its answer. `None` when the client has gone; false when the rest of a body is
/// still on its way, so that nothing can follow.
async fn exchange(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    handler: &dyn Handler,
    caller: Caller,
    payload: &[u8],
) -> Option<bool> {
    let request = match parse(payload) {
        Ok(request) => request,
        Err(failure) => {
            answer(writer, Err(failure)).await.ok()?;
            return Some(false);
        }
    };
    let mut open = request.body;
    let (streamed, idle) = if open {
        (Some(&mut *reader), None)
    } else {
        (None, Some(&mut *reader))
    };
    let call = Call {
        command: &request.command,
        arguments: &request.arguments,
        caller,
        body: Body {
            reader: streamed,
            open: &mut open,
        },
        events: Events { writer },
    };
    let result = tokio::select! {
        result = handler.handle(call) => result,
        () = gone(idle) => return None,
    };
    answer(writer, result).await.ok()?;
    Some(!open)
}

/// Returns when the client of a request without a body hangs up. It has nothing to say before its
/// answer, so any byte counts as hanging up.
async fn gone(idle: Option<&mut OwnedReadHalf>) {
    match idle {
        Some(reader) => drop(frame::read(reader).await),
        None => std::future::pending().await,
    }
}

fn parse(payload: &[u8]) -> Result<Request, Failure> {
    let other_version = || {
        Failure::new("the daemon and the command line are of different versions")
            .fix("Restart the daemon after an upgrade")
    };
    let request: Request = serde_json::from_slice(payload).map_err(|_| other_version())?;
    if request.version == VERSION {
        Ok(request)
    } else {
        Err(other_version())
    }
}

async fn answer(writer: &mut OwnedWriteHalf, result: Result<Value, Failure>) -> io::Result<()> {
    let (kind, json) = match result {
        Ok(value) => (Kind::Reply, serde_json::to_vec(&value)?),
        Err(failure) => (Kind::Failure, serde_json::to_vec(&failure)?),
    };
    match put(writer, kind, &json).await {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let short = Failure::new("the answer is too large for the control socket");
            put(writer, Kind::Failure, &serde_json::to_vec(&short)?).await
        }
        written => written,
    }
}

async fn put(writer: &mut OwnedWriteHalf, kind: Kind, json: &[u8]) -> io::Result<()> {
    let write = frame::write(writer, kind, json);
    timeout(CONTROL_WRITE, write)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

//! The audit log by syslog over TLS: RFC 5424 in the frames of RFC 5425, as DICOM PS3.15 A.6 wants it.
//!
//! Syslog has no acknowledgement but one: a receiver that reads a sender's close_notify answers with
//! its own (RFC 5425, 4.4). So each batch has a connection of its own, and counts as sent when the
//! server has closed in answer to our close. What has no answer is sent again: twice at worst, never not.

mod settings;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use karez_store::{read_whole, write_atomically};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

pub use self::settings::{AuditSettings, SYSLOG, TLS_CA, TLS_CERT, TLS_KEY};

use super::line::Line;
use super::xml::{message, outcome};
use crate::calendar::utc;
use crate::env::{BoxFuture, BoxStream};
use crate::limits::{STREAM_CONNECT, SYSLOG_ANSWER, SYSLOG_LOOK, SYSLOG_REST};
use crate::{Env, Failure, tls};

/// Where stands how far it came: the number of the last line that the server has.
const SENT: &str = "audit-sent";
/// Facility 10, security; severity 5, and 4 of what failed (PS3.15 A.6).
const NOTICE: u8 = 85;
const WARNING: u8 = 84;

/// Some lines, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Frames of RFC 5425, one for each line.
    pub frames: Vec<String>,
    /// The number of the last line.
    pub last: u64,
}

/// Where lines come from.
pub trait Lines: Send + Sync {
    /// The oldest durable lines after `number`; none when there are none yet.
    ///
    /// # Errors
    /// The daemon is stopping, or its disk fails.
    fn after(&self, number: u64) -> BoxFuture<'_, Result<Batch, Failure>>;
}

/// A line as a frame; none for one that a newer version wrote. `source` is who audits, `program` what.
#[must_use]
pub(super) fn frame(source: &str, program: &str, line: &Line) -> Option<String> {
    let (text, note) = (message(source, line)?, line.note.as_ref()?);
    let priority = if outcome(note.event) == 0 {
        NOTICE
    } else {
        WARNING
    };
    // PRINTUSASCII of RFC 5424, at most 255.
    let printed = source
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '-' });
    let host: String = printed.take(255).collect();
    let at = utc(note.wall);
    let whole = format!("<{priority}>1 {at} {host} {program} - DICOM+RFC3881 - \u{feff}{text}");
    Some(format!("{} {whole}", whole.len()))
}

/// Sends lines to the syslog server, if one is set, for ever.
pub async fn run(env: Arc<dyn Env>, dir: PathBuf, settings: AuditSettings, lines: Arc<dyn Lines>) {
    if settings.syslog.is_empty() {
        return;
    }
    let path = dir.join(SENT);
    let mut sent = position(&*env, &path);
    let (mut rest, mut fails) = (SYSLOG_LOOK, false);
    loop {
        let batch = lines.after(sent).await;
        let wait = match batch {
            Ok(batch) if batch.last == sent => SYSLOG_LOOK,
            Ok(batch) => match deliver(&env, &settings, &batch).await {
                Ok(()) => {
                    sent = batch.last;
                    keep(&*env, &path, sent);
                    if fails {
                        tracing::info!(
                            line = sent,
                            "the audit log's syslog server takes lines again"
                        );
                    }
                    (rest, fails) = (SYSLOG_LOOK, false);
                    Duration::ZERO
                }
                Err(error) => {
                    if !fails {
                        tracing::warn!(%error, at = settings.syslog, "the audit log's syslog server \
                            takes no lines: they are kept and sent when it does");
                    }
                    fails = true;
                    rest = (rest * 2).min(SYSLOG_REST);
                    rest
                }
            },
            Err(_) => SYSLOG_LOOK,
        };
        env.sleep_until(env.now() + wait).await;
    }
}

/// One connection: the lines, our close, the server's.
async fn deliver(env: &Arc<dyn Env>, settings: &AuditSettings, batch: &Batch) -> io::Result<()> {
    let connected = timeout(STREAM_CONNECT, connect(env, settings)).await;
    let mut stream = connected.map_err(|_| silent())??;
    let told = async {
        for frame in &batch.frames {
            stream.write_all(frame.as_bytes()).await?;
        }
        stream.flush().await?;
        stream.shutdown().await?;
        let mut bytes = [0; 512];
        loop {
            match stream.read(&mut bytes).await {
                Ok(0) => return Ok(()),
                // Closed without close_notify. Had anything been left unread, it were a reset.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
    };
    timeout(SYSLOG_ANSWER, told).await.map_err(|_| silent())?
}

async fn connect(env: &Arc<dyn Env>, settings: &AuditSettings) -> io::Result<BoxStream> {
    let stream = env.connect_stream(&settings.syslog).await?;
    let secured = tls::connect(env, &settings.files(), &settings.syslog, stream).await;
    secured.map_err(io::Error::other)
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it does not answer")
}

/// The number of the last line that the server has; 0, all again, when that is not known.
fn position(env: &dyn Env, path: &std::path::Path) -> u64 {
    let bytes = read_whole(&*env.disk(), path, 32).ok().flatten();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn keep(env: &dyn Env, path: &std::path::Path, sent: u64) {
    let written = write_atomically(&*env.disk(), path, format!("{sent}\n").as_bytes());
    if let Err(error) = written {
        tracing::warn!(%error, "how far the audit log was sent cannot be kept: after a restart \
            some lines come twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Event, Head, Note};

    #[test]
    fn a_frame_counts_its_octets_and_says_of_a_failure_that_it_is_one() {
        let of = |event| {
            let note = Note::new(0, event).with("clinic Qu\u{e9}tta");
            let (bytes, _) = Line::write(1, Head::default(), &note);
            frame(
                "hub Qu\u{e9}tta",
                "karez-receiver",
                &Line::read(&bytes).unwrap(),
            )
            .unwrap()
        };
        let text = of(Event::Joined);
        let (length, whole) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), whole.len());
        let front =
            "<85>1 1970-01-01T00:00:00Z hub-Qu-tta karez-receiver - DICOM+RFC3881 - \u{feff}<?xml";
        assert!(whole.starts_with(front), "{whole}");
        assert!(of(Event::Lost).contains("<84>1 "));
    }
}

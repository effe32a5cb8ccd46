//! Frames: a length that is checked before anything is allocated, a kind, a payload.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::{CONTROL_BODY, CONTROL_JSON, CONTROL_REPLY};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request = 1,
    Body = 2,
    BodyEnd = 3,
    Event = 4,
    Reply = 5,
    Failure = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let all = [
            Self::Request,
            Self::Body,
            Self::BodyEnd,
            Self::Event,
            Self::Reply,
            Self::Failure,
        ];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }

    const fn limit(self) -> usize {
        match self {
            Self::Request | Self::Event | Self::Failure => CONTROL_JSON,
            Self::Body => CONTROL_BODY,
            Self::BodyEnd => 0,
            Self::Reply => CONTROL_REPLY,
        }
    }
}

/// Reads one frame; `None` at an end between two frames.
pub(super) async fn read<R: AsyncRead + Unpin>(
    from: &mut R,
) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let mut header = [0; 5];
    if from.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut header[1..]).await?;
    let [a, b, c, d, kind] = header;
    let kind = Kind::of(kind).ok_or_else(|| invalid("a frame of unknown kind"))?;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > kind.limit() {
        return Err(invalid("a frame above its limit"));
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await?;
    Ok(Some((kind, payload)))
}

/// Writes one frame.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    to: &mut W,
    kind: Kind,
    payload: &[u8],
) -> io::Result<()> {
    if payload.len() > kind.limit() {
        return Err(invalid("a frame above its limit"));
    }
    let length = u32::try_from(payload.len()).map_err(|_| invalid("a frame above its limit"))?;
    let mut frame = Vec::with_capacity(5 + payload.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.push(kind as u8);
    frame.extend_from_slice(payload);
    to.write_all(&frame).await
}

pub(super) fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn round(bytes: &[u8]) -> io::Result<Option<(Kind, Vec<u8>)>> {
        read(&mut &bytes[..]).await
    }

    #[tokio::test]
    async fn a_frame_reads_back() {
        let mut wire = Vec::new();
        write(&mut wire, Kind::Event, b"{}").await.unwrap();
        assert_eq!(wire, [2, 0, 0, 0, 4, b'{', b'}']);
        assert_eq!(
            round(&wire).await.unwrap(),
            Some((Kind::Event, b"{}".to_vec()))
        );
        assert_eq!(round(&[]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_frame_above_its_limit_is_refused_before_its_payload_is_read() {
        let too_long = u32::try_from(CONTROL_JSON + 1).unwrap().to_le_bytes();
        let header = [&too_long[..], &[Kind::Request as u8]].concat();
        let error = round(&header).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(round(&[0, 0, 0, 0, 9]).await.is_err());
        assert!(round(&[1, 0, 0, 0, 3, 0]).await.is_err());
        let mut wire = Vec::new();
        let large = vec![0; CONTROL_JSON + 1];
        assert!(write(&mut wire, Kind::Request, &large).await.is_err());
        assert!(wire.is_empty());
    }

    #[tokio::test]
    async fn a_torn_frame_is_an_error_not_an_end() {
        for cut in 1..6 {
            let frame = &[2, 0, 0, 0, 4, b'{', b'}'][..cut];
            assert!(round(frame).await.is_err(), "cut at {cut}");
        }
    }
}

//! DIMSE messages over PDUs (PS3.8 annex E): fragments put together, in order, within bounds.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::command::Command;
use crate::error::{Error, Violation};
use crate::limits;
use crate::ul::{PDataValue, PDataValueType, Pdu};
use crate::wire::{Wait, Wire};

/// Headers of a P-DATA-TF PDU with one presentation data value: 6 bytes, then 4 + 2.
const P_DATA_HEADER: usize = 12;
const P_DATA_TF: u8 = 0x04;
const LAST_FRAGMENT: u8 = 0x02;
const COMMAND_FRAGMENT: u8 = 0x01;

/// One association's messages.
pub(crate) struct Link<S> {
    wire: Wire<S>,
    fragments: VecDeque<PDataValue>,
    /// The command set that is coming in, and its context.
    command: Option<(u8, Vec<u8>)>,
    /// A command set that waits to leave together with the data set's first bytes: one packet, not two.
    queued: Vec<u8>,
    writable_pdu: usize,
}

/// What came between messages.
pub(crate) enum Received {
    /// A command set on a presentation context. Its data set, if any, follows.
    Command(u8, Command),
    /// The peer asks for a release.
    ReleaseRequest,
    /// The peer confirms ours.
    ReleaseResponse,
}

/// A part of a data set.
pub(crate) struct Fragment {
    pub(crate) bytes: Bytes,
    pub(crate) last: bool,
}

enum Part {
    Fragment(PDataValue),
    Other(Received),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// `writable_pdu`: the longest PDU to write, without its header.
    pub(crate) fn new(wire: Wire<S>, writable_pdu: u32) -> Self {
        let writable_pdu = usize::try_from(writable_pdu).unwrap_or(usize::MAX);
        Link {
            wire,
            fragments: VecDeque::new(),
            command: None,
            queued: Vec::new(),
            writable_pdu,
        }
    }

    pub(crate) fn wire(&mut self) -> &mut Wire<S> {
        &mut self.wire
    }

    /// The next command set, or a release. Dropped while it waits and called again, it loses nothing.
    pub(crate) async fn receive(&mut self, wait: Wait) -> Result<Received, Error> {
        loop {
            let fragment = match self.part(wait).await? {
                Part::Fragment(fragment) => fragment,
                Part::Other(received) if self.command.is_none() => return Ok(received),
                Part::Other(_) => return Err(self.violated(Violation::UnexpectedPdu).await),
            };
            match self.assemble(&fragment) {
                Ok(None) => {}
                Ok(Some(command)) => {
                    return Ok(Received::Command(fragment.presentation_context_id, command));
                }
                Err(violation) => return Err(self.violated(violation).await),
            }
        }
    }

    /// The next fragment of the data set on `context`, its bytes as they came.
    pub(crate) async fn data(&mut self, context: u8) -> Result<Fragment, Error> {
        let fragment = self.expect_fragment().await?;
        if fragment.value_type != PDataValueType::Data
            || fragment.presentation_context_id != context
        {
            return Err(self.violated(Violation::Interleaved).await);
        }
        Ok(Fragment {
            bytes: Bytes::from(fragment.data),
            last: fragment.is_last,
        })
    }

    /// An identifier.
    pub(crate) async fn identifier(&mut self, context: u8) -> Result<Vec<u8>, Error> {
        self.small(context, limits::IDENTIFIER).await
    }

    /// A whole data set of at most so many bytes.
    pub(crate) async fn small(&mut self, context: u8, most: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        loop {
            let fragment = self.data(context).await?;
            bytes.extend_from_slice(&fragment.bytes);
            if bytes.len() > most {
                return Err(self.violated(Violation::AnswerTooLong).await);
            }
            if fragment.last {
                return Ok(bytes);
            }
        }
    }

    /// Reads the rest of a data set and forgets it.
    pub(crate) async fn discard(&mut self, context: u8) -> Result<(), Error> {
        while !self.data(context).await?.last {}
        Ok(())
    }

    /// Writes a command set without a data set.
    pub(crate) async fn send_command(
        &mut self,
        context: u8,
        command: &Command,
    ) -> Result<(), Error> {
        self.queue(context, COMMAND_FRAGMENT, &command.encode());
        self.flush().await
    }

    /// Writes a command set and its small data set.
    pub(crate) async fn send_with_identifier(
        &mut self,
        context: u8,
        command: &Command,
        identifier: &[u8],
    ) -> Result<(), Error> {
        self.queue(context, COMMAND_FRAGMENT, &command.encode());
        self.queue(context, 0, identifier);
        self.flush().await
    }

    /// Writes a command set, then exactly `length` bytes of `source` as its data set, with one PDU in
    /// memory.
    pub(crate) async fn send_with_data_set<R: AsyncRead + Unpin>(
        &mut self,
        context: u8,
        command: &Command,
        source: &mut R,
        length: u64,
    ) -> Result<(), Error> {
        self.queue(context, COMMAND_FRAGMENT, &command.encode());
        let room = u64::try_from(self.fragment_room()).unwrap_or(u64::MAX);
        let mut left = length;
        loop {
            let size = usize::try_from(left.min(room)).unwrap_or(0);
            left -= left.min(room);
            let last = if left == 0 { LAST_FRAGMENT } else { 0 };
            self.queued.extend(p_data_header(context, last, size));
            let start = self.queued.len();
            self.queued.resize(start + size, 0);
            let fragment = self.queued.get_mut(start..).unwrap_or_default();
            if let Err(error) = source.read_exact(fragment).await {
                return Err(self.wire.fail(Error::Source(error.kind())).await);
            }
            self.flush().await?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Aborts for a violation of the peer's.
    pub(crate) async fn violated(&mut self, violation: Violation) -> Error {
        self.wire.fail(Error::Protocol(violation)).await
    }

    fn queue(&mut self, context: u8, kind: u8, bytes: &[u8]) {
        let mut left = bytes;
        loop {
            let (fragment, rest) = left.split_at(left.len().min(self.fragment_room()));
            let last = if rest.is_empty() { LAST_FRAGMENT } else { 0 };
            self.queued
                .extend(p_data_header(context, kind | last, fragment.len()));
            self.queued.extend_from_slice(fragment);
            if rest.is_empty() {
                return;
            }
            left = rest;
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let written = self.wire.write_bytes(&self.queued).await;
        self.queued.clear();
        written
    }

    /// Bytes of a message in one PDU: even, for peers abort on odd fragments (FIELD T7).
    fn fragment_room(&self) -> usize {
        (self.writable_pdu - 6) & !1
    }

    /// Adds a fragment to the command set that is coming in; gives it out when it is whole.
    fn assemble(&mut self, fragment: &PDataValue) -> Result<Option<Command>, Violation> {
        let context = fragment.presentation_context_id;
        let (begun_on, bytes) = self.command.get_or_insert((context, Vec::new()));
        if fragment.value_type != PDataValueType::Command || *begun_on != context {
            return Err(Violation::Interleaved);
        }
        if fragment.data.is_empty() && !fragment.is_last {
            return Err(Violation::MalformedCommand);
        }
        bytes.extend_from_slice(&fragment.data);
        if bytes.len() > limits::COMMAND {
            return Err(Violation::CommandTooLong);
        }
        if !fragment.is_last {
            return Ok(None);
        }
        let command = Command::decode(bytes)?;
        self.command = None;
        Ok(Some(command))
    }

    async fn expect_fragment(&mut self) -> Result<PDataValue, Error> {
        match self.part(Wait::Idle).await? {
            Part::Fragment(fragment) => Ok(fragment),
            Part::Other(_) => Err(self.violated(Violation::UnexpectedPdu).await),
        }
    }

    async fn part(&mut self, wait: Wait) -> Result<Part, Error> {
        loop {
            if let Some(fragment) = self.fragments.pop_front() {
                return Ok(Part::Fragment(fragment));
            }
            match self.wire.read(wait).await? {
                Pdu::PData { data } if !data.is_empty() => self.fragments.extend(data),
                Pdu::ReleaseRQ => return Ok(Part::Other(Received::ReleaseRequest)),
                Pdu::ReleaseRP => return Ok(Part::Other(Received::ReleaseResponse)),
                _ => return Err(self.violated(Violation::UnexpectedPdu).await),
            }
        }
    }
}

/// `size` is below [`limits::PDU_WRITTEN`].
fn p_data_header(context: u8, control: u8, size: usize) -> [u8; P_DATA_HEADER] {
    let value = u32::try_from(size + 2).unwrap_or(u32::MAX).to_be_bytes();
    let pdu = u32::try_from(size + 6).unwrap_or(u32::MAX).to_be_bytes();
    let [p0, p1, p2, p3] = pdu;
    let [v0, v1, v2, v3] = value;
    [
        P_DATA_TF, 0, p0, p1, p2, p3, v0, v1, v2, v3, context, control,
    ]
}

//! Stored bytes for a rebuild, by way of the engine.

use std::ops::Range;

use karez_protocol::id::SegmentId;
use karez_protocol::session::Link;
use karez_store::{Error, Kind};

use super::RebuildError;
use crate::engine::{Fetch, Fetched, Mailbox, Message};

/// Asks the engine for stored bytes.
#[derive(Clone)]
pub(crate) struct Reader(pub(crate) Mailbox);

impl Reader {
    /// A segment's signed head.
    pub(super) async fn head(&self, segment: SegmentId) -> Result<Vec<u8>, RebuildError> {
        let bytes = self.bytes(Fetch::Head(segment), (segment, 0)).await?;
        one(bytes, (segment, 0))
    }

    /// A record.
    pub(super) async fn record(
        &self,
        segment: SegmentId,
        number: u64,
    ) -> Result<Vec<u8>, RebuildError> {
        let fetch = Fetch::Entries(segment, Kind::Record, number..number + 1);
        one(
            self.bytes(fetch, (segment, number)).await?,
            (segment, number),
        )
    }

    /// The chunks of a part of record `of`.
    pub(super) async fn chunks(
        &self,
        segment: SegmentId,
        of: u64,
        serials: Range<u64>,
    ) -> Result<Vec<Vec<u8>>, RebuildError> {
        let fetch = Fetch::Entries(segment, Kind::Chunk, serials);
        self.bytes(fetch, (segment, of)).await
    }

    /// The links of a record.
    pub(super) async fn links(
        &self,
        segment: SegmentId,
        record: u64,
    ) -> Result<Vec<Link>, RebuildError> {
        let fetch = Fetch::Links(segment, record..record + 1);
        match self.ask(fetch, (segment, record)).await? {
            Fetched::Links(links) => Ok(links),
            Fetched::Bytes(_) => Ok(Vec::new()),
        }
    }

    async fn bytes(
        &self,
        fetch: Fetch,
        place: (SegmentId, u64),
    ) -> Result<Vec<Vec<u8>>, RebuildError> {
        match self.ask(fetch, place).await? {
            Fetched::Bytes(bytes) => Ok(bytes),
            Fetched::Links(_) => Ok(Vec::new()),
        }
    }

    async fn ask(&self, fetch: Fetch, place: (SegmentId, u64)) -> Result<Fetched, RebuildError> {
        let asked = self.0.ask(|answer| Message::Fetch(fetch, answer)).await;
        let answer = asked.map_err(|ended| RebuildError::Later(ended.to_string()))?;
        answer.map_err(|error| match error {
            Error::NoSegment(_) | Error::NoEntry { .. } | Error::Rotten { .. } => {
                RebuildError::Lacks(place.0, place.1)
            }
            other => RebuildError::Later(other.to_string()),
        })
    }
}

fn one(bytes: Vec<Vec<u8>>, place: (SegmentId, u64)) -> Result<Vec<u8>, RebuildError> {
    let first = bytes.into_iter().next();
    first.ok_or(RebuildError::Lacks(place.0, place.1))
}

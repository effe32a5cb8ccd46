//! One clinic as the engine knows it.

use std::collections::BTreeMap;

use karez_host::bridge::Port;
use karez_protocol::id::{ProcessId, SegmentId, StudyId};
use karez_protocol::session::{Link, Sink};
use karez_quic::{Close, LinkHandle};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::instances::Instance;
use super::receipts::{Attested, Fresh};
use crate::limits::SILENT;
use crate::registry::Place;

/// One clinic.
pub(crate) struct Clinic {
    pub(crate) name: String,
    pub(crate) revoked: bool,
    /// What it has delivered.
    pub(crate) sink: Sink,
    /// Its connections, by number.
    pub(crate) live: BTreeMap<u64, Live>,
    pub(crate) heard_at: Option<Instant>,
    /// Instances that are here whole.
    pub(crate) instances: BTreeMap<Place, Instance>,
    /// What receipts have said, or are about to.
    pub(crate) attested: BTreeMap<SegmentId, Attested>,
    /// What receipts are still to say.
    pub(crate) fresh: BTreeMap<(SegmentId, Fresh), super::receipts::Waiting>,
    /// Parts that are elsewhere at this hub, by segment and record.
    pub(crate) links: BTreeMap<(SegmentId, u64), Vec<Link>>,
    /// When two processes of it were last heard at once.
    pub(crate) twins_at: Option<Instant>,
    /// Its quota when it was last looked at; all there is for no limit.
    pub(crate) quota: u64,
    /// It has reached its quota.
    pub(crate) over_quota: bool,
    /// What it had here when it was told so.
    pub(crate) quota_said_at: u64,
    /// It has announced something since its quota was looked at.
    pub(crate) announced: bool,
    /// The last thing from it that could not be taken.
    pub(crate) fault: Option<String>,
}

/// One connection of a clinic.
pub(crate) struct Live {
    pub(crate) port: Port,
    pub(crate) link: LinkHandle,
    pub(crate) closer: Option<oneshot::Sender<Close>>,
    pub(crate) process: Option<ProcessId>,
    /// Another process greeted then: is this one still there?
    pub(crate) doubted_at: Option<Instant>,
}

impl Clinic {
    pub(crate) const fn new(name: String, revoked: bool, sink: Sink) -> Self {
        Self {
            name,
            revoked,
            sink,
            live: BTreeMap::new(),
            heard_at: None,
            instances: BTreeMap::new(),
            attested: BTreeMap::new(),
            fresh: BTreeMap::new(),
            links: BTreeMap::new(),
            twins_at: None,
            quota: u64::MAX,
            over_quota: false,
            quota_said_at: 0,
            announced: false,
            fault: None,
        }
    }

    /// Whether a connection stands on which words are acknowledged.
    pub(crate) fn connected(&self) -> bool {
        let speaks = |live: &Live| live.link.silence().is_none_or(|silence| silence < SILENT);
        self.live.values().any(speaks)
    }

    /// Closes all connections.
    pub(crate) fn cut(&mut self, close: &Close) {
        for live in self.live.values_mut() {
            live.cut(close);
        }
    }

    /// Segments of one study.
    pub(crate) fn segments_of(&self, study: StudyId) -> impl Iterator<Item = SegmentId> + '_ {
        let segments = self.sink.segments();
        segments
            .filter(move |(_, of)| *of == study)
            .map(|(id, _)| id)
    }
}

impl Live {
    pub(crate) fn cut(&mut self, close: &Close) {
        if let Some(closer) = self.closer.take() {
            // The task may have ended by itself.
            let _ = closer.send(close.clone());
        }
    }
}

//! The end of a segment: its key is wiped, and a study that fell quiet is declared complete as of
//! then.

use karez_protocol::id::{SegmentId, StudyId};
use karez_protocol::limits::NAMED_SEGMENTS_MAX;
use karez_protocol::manifest::{Revision, RootHasher};
use karez_protocol::units::Moment;

use super::Engine;
use super::table::{Place, Study};

impl Engine {
    /// Closes the segments of a study that no job has.
    pub(super) fn close_segments(&mut self, id: StudyId) {
        let open = self.tables.studies.get(&id).map(|study| &study.open);
        let open = open.into_iter().flatten().map(|open| open.segment);
        for segment in open.collect::<Vec<_>>() {
            self.close_segment(id, segment);
        }
    }

    /// Closes a segment and wipes its key. An instance in the middle is packed again.
    pub(super) fn close_segment(&mut self, id: StudyId, segment: SegmentId) {
        let Some(study) = self.tables.studies.get_mut(&id) else {
            return;
        };
        let mut idle = study.open.iter().map(|o| o.segment == segment && !o.busy);
        let Some(index) = idle.position(|found| found) else {
            return;
        };
        let open = study.open.remove(index);
        if let Some((order, _)) = open.run {
            self.tables.put(order, Place::Waiting);
        }
        let whole = self.tables.segments.get(&segment).map_or(0, |s| s.whole);
        self.source.cut_segment(segment, whole);
        let held = self.tables.segments.get(&segment);
        if held.is_some_and(|s| !s.instances.is_empty()) {
            return;
        }
        self.tables.remove_segment(segment);
        self.source.close_segment(segment);
        if let Err(error) = self.store.remove_segment(segment) {
            tracing::warn!(%error, "an empty segment could not be removed");
        }
    }

    /// When the next study falls quiet.
    pub(super) fn quiet_at(&self) -> Option<Moment> {
        let quiet = self.shared.settings.study.quiet.duration();
        let growing = self.tables.studies.values().filter(|s| s.is_settling());
        growing.map(|s| s.touched.after(quiet)).min()
    }

    /// Declares studies that have fallen quiet complete as of now, and wipes their keys.
    pub(super) fn close_quiet(&mut self) {
        let now = self.now();
        let quiet = self.shared.settings.study.quiet.duration();
        let studies = self.tables.studies.iter();
        let due: Vec<StudyId> = studies
            .filter(|(_, s)| s.is_settling() && now.since(s.touched) >= quiet)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.close_segments(id);
            self.revise(id);
        }
    }

    fn revise(&mut self, id: StudyId) {
        let Some(study) = self.tables.studies.get_mut(&id) else {
            return;
        };
        study.revised = true;
        let mut root = RootHasher::default();
        let mut segments = Vec::new();
        let newest = study.segments.iter().rev().take(NAMED_SEGMENTS_MAX);
        for segment in newest {
            let records = self.source.records(*segment);
            root.segment(*segment);
            for (number, record) in (0..).zip(records) {
                root.record(number, &record.hash);
            }
            segments.push((*segment, records.len() as u64));
        }
        if segments.is_empty() {
            return;
        }
        let revision = Revision {
            study: id,
            segments,
            root: root.finish(),
        };
        self.source
            .set_revision(id, revision.sign(&self.shared.keys.identity));
    }
}

impl Study {
    /// Whether its next revision is due when it has been quiet for long enough.
    fn is_settling(&self) -> bool {
        let packing = self.open.iter().any(|o| o.busy || o.run.is_some());
        !self.revised && self.waiting.is_empty() && !packing && !self.segments.is_empty()
    }
}

//! What is packed next, and what becomes of it.

use std::io::ErrorKind;
use std::time::Duration;

use karez_host::env::{WorkLost, work};
use karez_imaging::{Level, Packer};
use karez_protocol::id::{Fingerprint, SegmentId, StudyId};
use karez_protocol::manifest::SegmentHead;
use karez_protocol::priority::Class;
use karez_protocol::units::Moment;
use karez_store::Error;

use super::Engine;
use super::entry::signed_bytes;
use super::table::{Open, Place, Segment};
use crate::ingest::{FINGERPRINT_BLOCK, IngestFile};
use crate::limits::{
    OPEN_SEGMENTS, PACK_TRIES, PACKERS, SEGMENT_RECORDS, STEP_BYTES, WARM_SEGMENTS,
};
use crate::outbox::{Output, Run, Sealer, StepError, StepTools};

/// A step's end. The secrets come back with it.
pub(super) struct StepDone {
    study: StudyId,
    order: u64,
    /// From when it was given to a core.
    took: Duration,
    result: Result<Stepped, WorkLost>,
}

type Stepped = (Box<Sealer>, Box<Run>, Result<Output, StepError>);

/// A step's output on its way to the disk.
pub(super) struct Sealed {
    pub(super) study: StudyId,
    pub(super) segment: SegmentId,
    pub(super) order: u64,
    pub(super) output: Output,
    pub(super) sealer: Box<Sealer>,
    pub(super) run: Box<Run>,
    /// All of it was written, and waits for the commit.
    pub(super) written: bool,
}

impl Engine {
    /// Starts as many steps as there is room for, the most urgent first.
    pub(super) fn pack(&mut self) {
        if !self.shared.packs || self.stopping {
            return;
        }
        while !self.resting() && self.jobs + self.sealed.len() < PACKERS {
            let Some(study) = self.next_to_pack() else {
                return;
            };
            if let Err(error) = self.start_step(study) {
                return self.troubled(&error);
            }
        }
    }

    fn next_to_pack(&self) -> Option<StudyId> {
        self.hub_public.as_ref()?;
        let ready = self.tables.studies.iter().filter_map(|(id, study)| {
            let busy = study.open.as_ref().is_some_and(|o| o.busy);
            if busy || study.facts.withdrawn.is_some() {
                return None;
            }
            let begun = study.open.as_ref().and_then(|o| o.run.as_ref());
            let order = begun
                .map(|(order, _)| *order)
                .or(study.waiting.first().copied())?;
            Some(((study.facts.class, order), *id))
        });
        let next: Option<((Class, u64), StudyId)> = ready.min();
        next.map(|(_, id)| id)
    }

    fn start_step(&mut self, id: StudyId) -> Result<(), Error> {
        self.open_segment(id)?;
        let Some((order, mut run)) = self.next_run(id) else {
            return Ok(());
        };
        self.tables.put(order, Place::Packing);
        let now = self.now();
        let open = self.tables.open_mut(id);
        let Some((open, mut sealer)) = open.and_then(|o| o.sealer.take().map(|s| (o, s))) else {
            return Ok(());
        };
        (open.busy, open.used) = (true, now);
        let tools = StepTools {
            env: self.shared.env.clone(),
            keys: self.shared.keys.clone(),
            tags: self.tags.clone(),
        };
        let (env, done) = (self.shared.env.clone(), self.step_sender.clone());
        let length = self.tables.instances.get(&order);
        let length = length.map_or(0, |i| i.accepted.length);
        let cost = length.min(STEP_BYTES as u64);
        self.jobs += 1;
        tokio::spawn(async move {
            let step = move || {
                let output = sealer.step(&mut run, &tools);
                (sealer, run, output)
            };
            let begun = env.now();
            let result = work(&*env, cost, step).await;
            let (study, took) = (id, env.now().saturating_duration_since(begun));
            // The engine may have stopped; what was made is made again after the next start.
            let _ = done
                .send(StepDone {
                    study,
                    order,
                    took,
                    result,
                })
                .await;
        });
        Ok(())
    }

    /// The instance that was begun, else the one that has waited longest.
    fn next_run(&mut self, id: StudyId) -> Option<(u64, Box<Run>)> {
        if let Some(begun) = self.tables.open_mut(id)?.run.take() {
            return Some(begun);
        }
        let order = *self.tables.studies.get(&id)?.waiting.first()?;
        let (level, codecs) = (self.level(), self.codecs);
        if let Some(sealer) = self.tables.open_mut(id)?.sealer.as_mut() {
            sealer.begin(level, codecs);
        }
        let accepted = &self.tables.instances.get(&order)?.accepted;
        match begin(&self.shared, accepted) {
            Ok(run) => Some((order, Box::new(run))),
            Err(error) => {
                let place = self.unread(&error);
                self.tables.put(order, place);
                None
            }
        }
    }

    /// Makes sure that the study has an open segment with room.
    fn open_segment(&mut self, id: StudyId) -> Result<(), Error> {
        let full = |open: &Open| {
            let records = open.sealer.as_ref().map_or(0, |s| s.records());
            open.run.is_none() && records >= SEGMENT_RECORDS
        };
        let study = self.tables.studies.get(&id);
        if study
            .and_then(|s| s.open.as_ref())
            .is_some_and(|open| !full(open))
        {
            return Ok(());
        }
        self.close_segment(id);
        self.close_idlest();
        let Some(public) = &self.hub_public else {
            return Ok(());
        };
        let Some(peer) = self.hub.as_ref().map(|h| h.peer) else {
            return Ok(());
        };
        let (mut name, mut random) = ([0; 16], [0; 32]);
        self.shared.env.entropy(&mut name);
        self.shared.env.entropy(&mut random);
        let segment = SegmentId(name);
        let identity = &self.shared.keys.identity;
        let made = SegmentHead::open_new(identity, peer, public, id, segment, random);
        let Ok((key, head)) = made else {
            self.shared
                .line
                .problem("the hub's encryption key is malformed");
            return Ok(());
        };
        self.store.create_segment(segment, &signed_bytes(&head))?;
        let now = self.now();
        let Some(study) = self.tables.studies.get_mut(&id) else {
            return Ok(());
        };
        let class = (study.facts.class, study.facts.counter);
        let withdrawn = study.facts.withdrawn.is_some();
        self.source.resume_study(now, id, class, withdrawn);
        study.segments.push(segment);
        study.open = Some(Open {
            segment,
            sealer: Some(Box::new(Sealer::new(key, Packer::new(Level::default())))),
            run: None,
            busy: false,
            used: now,
        });
        self.tables.segments.insert(segment, Segment::new(id));
        self.source.open_segment(id, segment);
        Ok(())
    }

    /// Keeps the number of keys in memory bounded, and lets few of them keep what the next
    /// instance can build on.
    fn close_idlest(&mut self) {
        let open = self.tables.studies.iter();
        let open = open.filter_map(|(id, study)| Some((*id, study.open.as_ref()?)));
        let idle = open.filter(|(_, open)| !open.busy && open.run.is_none());
        let mut idle: Vec<(Moment, StudyId)> = idle.map(|(id, open)| (open.used, id)).collect();
        idle.sort_unstable();
        let cold = idle.len().saturating_sub(WARM_SEGMENTS);
        for (_, id) in idle.iter().take(cold) {
            let sealer = self.tables.open_mut(*id).and_then(|o| o.sealer.as_mut());
            if let Some(sealer) = sealer {
                sealer.forget();
            }
        }
        let over = (idle.len() + 1).saturating_sub(OPEN_SEGMENTS);
        for (_, id) in idle.into_iter().take(over) {
            self.close_segment(id);
        }
    }

    pub(super) fn step_done(&mut self, done: StepDone) {
        self.jobs = self.jobs.saturating_sub(1);
        let StepDone {
            study,
            order,
            took,
            result,
        } = done;
        if let Ok((_, _, Ok(output))) = &result {
            self.pace.made(output.bytes, took);
        }
        let segment = self
            .tables
            .studies
            .get(&study)
            .and_then(|s| Some(s.open.as_ref()?.segment));
        let Some(segment) = segment else { return };
        match result {
            Ok((sealer, run, Ok(output))) => self.sealed.push(Sealed {
                study,
                segment,
                order,
                output,
                sealer,
                run,
                written: false,
            }),
            Ok((_, _, Err(StepError::Read(error)))) => {
                let place = self.unread(&error);
                self.abandon(study, order, place);
            }
            Ok((_, _, Err(StepError::Manifest(error)))) => {
                self.abandon(
                    study,
                    order,
                    Place::Lost(format!("it cannot be described: {error}")),
                );
            }
            Err(WorkLost) => self.abandon_by_bug(study, order),
        }
    }

    /// Where an instance is whose ingest file could not be read: lost if it rotted or is not there,
    /// else where it was, for the disk may do better later.
    fn unread(&mut self, error: &std::io::Error) -> Place {
        let text = format!("an ingest file cannot be read: {error}");
        match error.kind() {
            ErrorKind::InvalidData | ErrorKind::NotFound | ErrorKind::UnexpectedEof => {
                Place::Lost(text)
            }
            _ => {
                self.note_trouble(text, false);
                Place::Waiting
            }
        }
    }

    /// A bug came in between: the instance is packed again, a few times.
    pub(super) fn abandon_by_bug(&mut self, study: StudyId, order: u64) {
        let tries = self.tables.instances.get_mut(&order).map_or(0, |i| {
            i.tries += 1;
            i.tries
        });
        let place = match tries {
            0..PACK_TRIES => Place::Waiting,
            _ => Place::Lost("packing it fails by a bug; its bytes are kept".to_owned()),
        };
        self.abandon(study, order, place);
    }

    /// An instance cannot go on in its segment.
    fn abandon(&mut self, study: StudyId, order: u64, place: Place) {
        let study_name = study.short();
        match &place {
            Place::Lost(why) => {
                tracing::error!(study = %study_name, order, why, "packing an instance was given up");
            }
            _ => tracing::warn!(study = %study_name, order, "packing an instance begins anew"),
        }
        if let Some(open) = self
            .tables
            .studies
            .get_mut(&study)
            .and_then(|s| s.open.as_mut())
        {
            open.busy = false;
        }
        self.close_segment(study);
        self.tables.put(order, place);
    }
}

/// Opens an instance's ingest file.
fn begin(shared: &super::Shared, accepted: &super::entry::Accepted) -> std::io::Result<Run> {
    let file = IngestFile::open(&shared.blobs, &accepted.blob, &shared.keys.ingest)?;
    let fingerprint = file.open_beside(FINGERPRINT_BLOCK, &accepted.secret)?;
    let bytes = fingerprint.try_into();
    let bytes = bytes.map_err(|_| std::io::Error::from(ErrorKind::InvalidData))?;
    Ok(Run::new(file, accepted.origin, Fingerprint(bytes)))
}

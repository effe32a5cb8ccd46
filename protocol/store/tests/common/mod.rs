//! A store beside a model of what it promised; both take the same steps, on a disk that fails.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails the test"
)]

pub(crate) mod closed;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use karez_protocol::id::SegmentId;
use karez_store::{Commit, Error, Kind, MemDisk, Recovery, Store};

pub(crate) use script::{Step, payload, script};

pub(crate) const DIR: &str = "/data";
pub(crate) const JOURNALS: [&str; 2] = ["ledger", "receipts"];

type Entries = BTreeMap<(Kind, u64), Vec<u8>>;
type Lines = BTreeMap<u64, Vec<u8>>;

/// What a segment must hold and may hold; `None` in `must` when it need not be there.
#[derive(Clone, Debug, Default)]
struct Promise {
    must: Option<Entries>,
    may: Entries,
}

#[derive(Clone, Debug, Default)]
struct Ledger {
    /// One of these must be contained, with everything proved from its position on.
    must: Vec<(u64, Lines)>,
    may: Vec<(u64, Vec<u8>)>,
    written: u64,
}

pub(crate) struct World {
    pub(crate) disk: MemDisk,
    pub(crate) store: Option<Store>,
    segments: BTreeMap<u8, Promise>,
    ledgers: BTreeMap<usize, Ledger>,
}

pub(crate) fn segment(n: u8) -> SegmentId {
    SegmentId([n; 16])
}

impl World {
    pub(crate) fn new() -> Self {
        let (disk, segments, ledgers) = (MemDisk::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            disk,
            store: None,
            segments,
            ledgers,
        }
    }

    /// Opens the store if it is not open.
    pub(crate) fn open(&mut self) -> Result<Recovery, Error> {
        if self.store.is_some() {
            return Ok(Recovery::default());
        }
        let (store, recovery) = Store::open(Arc::new(self.disk.clone()), Path::new(DIR))?;
        self.store = Some(store);
        Ok(recovery)
    }

    /// The power goes and comes back; then everything promised must be there and clean.
    pub(crate) fn crash(&mut self, seed: u64) {
        self.store = None;
        self.disk.crash(seed);
        let recovery = self.open().unwrap();
        no_loss(&recovery);
        self.check();
        self.store = None;
        let recovery = self.open().unwrap();
        assert!(
            recovery.is_clean(),
            "the second open after a crash: {recovery:?}"
        );
        self.check();
    }

    /// Takes a step; an error is the disk's and must leave every promise standing.
    pub(crate) fn step(&mut self, step: &Step) -> Result<(), Error> {
        if let Step::Reopen = step {
            self.store = None;
        }
        let recovery = self.open()?;
        if recovery
            .segments
            .values()
            .chain(recovery.journals.values())
            .any(|f| f.failed.is_some())
        {
            self.store = None;
            return Err(Error::Uncollected);
        }
        if let Step::Reopen = step {
            self.adopt()?;
        }
        self.apply(step)
    }

    fn apply(&mut self, step: &Step) -> Result<(), Error> {
        let store = self.store.as_mut().unwrap();
        match *step {
            Step::Create(n) => {
                let made = store.create_segment(segment(n), &[n; 100]);
                let promise = self.segments.entry(n).or_default();
                made?;
                promise.must.get_or_insert_default();
            }
            Step::Append(n, kind, number, length) => {
                let bytes = payload(n, kind, number, length);
                if !self.segments.contains_key(&n) || !store.has_segment(segment(n)) {
                    let refused = store.append(segment(n), kind, number, &bytes);
                    assert!(refused.is_err());
                    return Ok(());
                }
                let promise = self.segments.entry(n).or_default();
                if promise
                    .may
                    .get(&(kind, number))
                    .is_some_and(|old| *old != bytes)
                {
                    return Ok(());
                }
                promise.may.insert((kind, number), bytes.clone());
                store.append(segment(n), kind, number, &bytes)?;
            }
            Step::Commit => {
                let commit = store.commit()?;
                self.keep(commit);
            }
            Step::Rewrite(n, modulus) => self.rewrite(n, modulus)?,
            Step::Remove(n) => {
                let removed = store.remove_segment(segment(n));
                let promise = self.segments.entry(n).or_default();
                promise.must = None;
                removed?;
                self.segments.remove(&n);
            }
            Step::Note(n, length) => {
                let ledger = self.ledgers.entry(n).or_default();
                ledger.written += 1;
                let bytes = payload(n as u8, Kind::Note(255), ledger.written, length);
                let written = store.journal_append(JOURNALS[n], &bytes);
                ledger
                    .may
                    .push((*written.as_ref().unwrap_or(&u64::MAX), bytes));
                written?;
            }
            Step::Checkpoint(n, count) => self.checkpoint(n, count)?,
            Step::SaveIndex => store.save_index()?,
            Step::Read(n, kind, number) => match store.read(segment(n), kind, number) {
                Ok(bytes) => assert_eq!(bytes, self.segments[&n].may[&(kind, number)]),
                Err(Error::NoEntry { .. } | Error::NoSegment(_)) => {
                    let must = self.segments.get(&n).and_then(|p| p.must.as_ref());
                    assert!(must.is_none_or(|must| !must.contains_key(&(kind, number))));
                }
                Err(error) => return Err(error),
            },
            Step::Reopen => {}
        }
        Ok(())
    }

    fn rewrite(&mut self, n: u8, modulus: u64) -> Result<(), Error> {
        let store = self.store.as_mut().unwrap();
        let keep = |_, number: u64| number.is_multiple_of(modulus);
        if !store.has_segment(segment(n)) {
            return Ok(());
        }
        let rewritten = store.rewrite_segment(segment(n), &keep);
        let promise = self.segments.entry(n).or_default();
        if let Some(must) = &mut promise.must {
            must.retain(|(_, number), _| number.is_multiple_of(modulus));
        }
        rewritten?;
        // What was kept was durable before.
        promise
            .may
            .retain(|(_, number), _| number.is_multiple_of(modulus));
        promise.must = Some(promise.may.clone())
            .filter(|_| false)
            .or(promise.must.take());
        Ok(())
    }

    fn checkpoint(&mut self, n: usize, count: usize) -> Result<(), Error> {
        let store = self.store.as_mut().unwrap();
        let ledger = self.ledgers.entry(n).or_default();
        ledger.written += count as u64;
        let lines: Vec<Vec<u8>> = (0..count)
            .map(|i| payload(n as u8, Kind::Note(254), ledger.written + i as u64, 20))
            .collect();
        match store.journal_rewrite(JOURNALS[n], &lines) {
            Ok(first) => {
                let lines: Lines = (first..).zip(lines).collect();
                ledger.may = lines.clone().into_iter().collect();
                ledger.must = vec![(0, lines)];
                Ok(())
            }
            Err(error) => {
                // The old or the new; the new one's positions are not known.
                let known = ledger.may.iter().map(|(position, _)| *position);
                let next = known.filter(|p| *p != u64::MAX).max().map_or(0, |p| p + 1);
                ledger
                    .may
                    .extend(lines.into_iter().map(|line| (u64::MAX, line)));
                ledger.must.push((next, Lines::new()));
                Err(error)
            }
        }
    }

    /// Everything that a commit proves is promised.
    fn keep(&mut self, commit: Commit) {
        let names: BTreeMap<SegmentId, u8> =
            self.segments.keys().map(|n| (segment(*n), *n)).collect();
        for stored in commit.entries {
            let Some(promise) = names
                .get(&stored.segment())
                .and_then(|n| self.segments.get_mut(n))
            else {
                continue;
            };
            let name = (stored.kind(), stored.number());
            // A removal or a rewrite may have come after the proof.
            if let (Some(must), Some(bytes)) = (&mut promise.must, promise.may.get(&name)) {
                must.insert(name, bytes.clone());
            }
        }
        for note in commit.notes {
            let n = JOURNALS
                .iter()
                .position(|name| *name == note.journal())
                .unwrap();
            let ledger = self.ledgers.get_mut(&n).unwrap();
            let line = ledger
                .may
                .iter()
                .rev()
                .find(|(position, _)| *position == note.position());
            if let Some((position, bytes)) = line.cloned() {
                if ledger.must.is_empty() {
                    ledger.must.push((0, Lines::new()));
                }
                for (_, must) in ledger.must.iter_mut().filter(|(from, _)| *from <= position) {
                    must.insert(position, bytes.clone());
                }
            }
        }
    }

    /// What a fresh process sees as stored is promised from then on.
    fn adopt(&mut self) -> Result<(), Error> {
        let store = self.store.as_mut().unwrap();
        for (n, promise) in &mut self.segments {
            if store.has_segment(segment(*n)) {
                promise.must = Some(contents(store, segment(*n))?);
            }
        }
        for (n, ledger) in &mut self.ledgers {
            ledger.must = vec![(0, lines(store, JOURNALS[*n])?)];
        }
        Ok(())
    }

    /// Compares the store with what was promised, and takes what it shows as promised.
    pub(crate) fn check(&mut self) {
        let store = self.store.as_mut().unwrap();
        let known: BTreeSet<SegmentId> = self.segments.keys().map(|n| segment(*n)).collect();
        assert!(
            store.segments().all(|id| known.contains(&id)),
            "a segment that is not ours"
        );
        for (n, promise) in &mut self.segments {
            let id = segment(*n);
            let there = store.has_segment(id).then(|| contents(store, id).unwrap());
            match (&promise.must, &there) {
                (Some(must), None) => panic!("segment {n} is lost with {} entries", must.len()),
                (Some(must), Some(there)) => {
                    let lost: Vec<_> = must
                        .iter()
                        .filter(|(k, v)| there.get(k) != Some(v))
                        .map(|(k, _)| k)
                        .collect();
                    assert!(lost.is_empty(), "segment {n} lost {lost:?}");
                }
                (None, _) => {}
            }
            for (name, bytes) in there.iter().flatten() {
                assert_eq!(
                    promise.may.get(name),
                    Some(bytes),
                    "segment {n} made up {name:?}"
                );
            }
            if there.is_some() {
                assert_eq!(store.head(id), Some(&[*n; 100][..]));
            }
            promise.must = there;
        }
        for (n, ledger) in &mut self.ledgers {
            let there = lines(store, JOURNALS[*n]).unwrap();
            let kept = |(_, must): &(u64, Lines)| must.iter().all(|(p, l)| there.get(p) == Some(l));
            assert!(
                ledger.must.is_empty() || ledger.must.iter().any(kept),
                "journal {n} lost lines"
            );
            for line in there.values() {
                assert!(
                    ledger.may.iter().any(|(_, may)| may == line),
                    "journal {n} made up a line"
                );
            }
            ledger.must = vec![(0, there)];
        }
    }
}

/// A crash tears what was not committed; it loses and rots nothing.
fn no_loss(recovery: &Recovery) {
    for found in recovery.segments.values().chain(recovery.journals.values()) {
        assert!(found.failed.is_none(), "{found:?}");
        assert!(
            found.rotten.is_empty() && found.positions.is_empty(),
            "{found:?}"
        );
        assert!(found.damaged.is_empty() && !found.repaired, "{found:?}");
    }
}

/// Everything that a segment shows, each entry read and proved.
pub(crate) fn contents(store: &mut Store, id: SegmentId) -> Result<Entries, Error> {
    let mut entries = Entries::new();
    for kind in [Kind::Record, Kind::Chunk] {
        for number in store.runs(id, kind).into_iter().flatten() {
            entries.insert((kind, number), store.read(id, kind, number)?);
        }
    }
    store.notes(id, &mut |tag, number, bytes| {
        entries.insert((Kind::Note(tag), number), bytes.to_vec());
    })?;
    Ok(entries)
}

/// Everything that a journal shows.
pub(crate) fn lines(store: &mut Store, name: &str) -> Result<Lines, Error> {
    let mut lines = Lines::new();
    let rotten = store.journal_read_all(name, &mut |position, line| {
        assert!(
            lines.insert(position, line.to_vec()).is_none(),
            "a position twice"
        );
    })?;
    assert_eq!(rotten, 0);
    Ok(lines)
}

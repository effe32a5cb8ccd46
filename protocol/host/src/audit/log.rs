//! Appending: lines are chained in memory, written with the next commit of the store, and kept
//! until that commit has held.

use std::collections::{BTreeMap, VecDeque};

use karez_protocol::wire::{decode, encode};
use karez_store::{Error, Store};

use super::line::{Head, Line};
use super::note::{Event, Note};
use super::syslog::{Batch, frame};
use crate::limits::{AUDIT_ANCHORS, AUDIT_FILE_BYTES, AUDIT_FILES, AUDIT_PENDING, SYSLOG_BATCH};

/// Journals of lines are called so, with a number of eight digits behind.
pub(super) const FILES: &str = "audit-";
/// Where the head stands that was durable last: a chain that is shorter has lost its end.
pub(super) const ANCHOR: &str = "audit-head";

/// The end of the chain, and what of it is not durable yet.
#[derive(Default)]
pub struct AuditLog {
    /// The journals' numbers and those of their first lines, the oldest first.
    files: VecDeque<(u64, u64)>,
    /// What a line's number is more than its position in the newest journal; it wraps.
    shift: u64,
    /// With all that waits.
    head: Head,
    /// Without.
    durable: Head,
    /// As it was last written to [`ANCHOR`].
    anchored: Head,
    anchors: usize,
    waiting: VecDeque<(Head, Vec<u8>)>,
    /// Lines that found no room among those that wait.
    missed: u64,
    /// The oldest journal goes when what says so is durable.
    dropping: bool,
    /// When the last line was added.
    wall: i64,
    /// The last line of each event.
    last: BTreeMap<Event, Note>,
}

impl AuditLog {
    /// Finds the end of the chain. What is broken in it stays so and is for [`super::check`] to
    /// say.
    ///
    /// # Errors
    /// The store's.
    pub fn open(store: &mut Store) -> Result<Self, Error> {
        let mut failed = store.failed_journals();
        if let Some(name) = failed.find(|name| name.starts_with(FILES)) {
            let place = karez_store::Place::Journal(name.to_owned());
            return Err(Error::Damaged { place });
        }
        drop(failed);
        let mut log = Self::default();
        let mut next = 1;
        for number in numbers(store) {
            let name = name(number);
            (log.shift, next) = log.learn(store, &name, next)?;
            log.files.push_back((number, log.shift));
        }
        log.head.number = next - 1;
        log.durable = log.head;
        let anchored = &mut log.anchored;
        let mut anchors = 0;
        store.journal_read_all(ANCHOR, &mut |_, bytes| {
            anchors += 1;
            *anchored = decode(bytes).map_or(*anchored, |head| Head::from_bytes(&head));
        })?;
        log.anchors = anchors;
        log.say_dropped();
        Ok(log)
    }

    /// Reads one journal; what line numbers are more than its positions, and the next number.
    fn learn(&mut self, store: &mut Store, name: &str, next: u64) -> Result<(u64, u64), Error> {
        let mut shift = None;
        store.journal_read_all(name, &mut |position, bytes| {
            let Some(line) = Line::read(bytes) else {
                return;
            };
            shift = Some(line.number.wrapping_sub(position));
            self.head = line.head;
            if let Some(note) = line.note {
                self.last.insert(note.event, note);
            }
        })?;
        let shift = shift.unwrap_or(next);
        let extent = store.journal_extent(name);
        let next = extent.map_or(0, |extent| extent.next);
        Ok((shift, shift.wrapping_add(next)))
    }

    /// The end of the chain, with the lines that wait.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Whether lines wait for a commit.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The last line about an event.
    #[must_use]
    pub fn last(&self, event: Event) -> Option<&Note> {
        self.last.get(&event)
    }

    /// Durable lines after `after` for a syslog server, the oldest first, at most
    /// [`SYSLOG_BATCH`]; from the oldest on when the log does not come so far, as after a restore.
    ///
    /// # Errors
    /// The store's.
    pub fn batch(
        &self,
        store: &mut Store,
        (source, program): (&str, &str),
        after: u64,
    ) -> Result<Batch, Error> {
        let (durable, none) = (self.durable.number, Vec::new());
        if after == durable {
            return Ok(Batch {
                frames: none,
                last: after,
            });
        }
        let mut batch = Batch {
            frames: none,
            last: if after > durable { 0 } else { after },
        };
        // Journals whose lines are all sent are not read again.
        let next = batch.last + 1;
        let begins = self.files.iter().rposition(|(_, first)| *first <= next);
        let mut seen = 0;
        for (number, _) in self.files.iter().skip(begins.unwrap_or(0)) {
            store.journal_read_all(&name(*number), &mut |_, bytes| {
                let line =
                    Line::read(bytes).filter(|l| l.number > batch.last && l.number <= durable);
                if let Some(line) = line.filter(|_| seen < SYSLOG_BATCH) {
                    (seen, batch.last) = (seen + 1, line.number);
                    batch.frames.extend(frame(source, program, &line));
                }
            })?;
            if seen == SYSLOG_BATCH {
                break;
            }
        }
        Ok(batch)
    }

    /// Adds a line to the chain. It is durable after [`AuditLog::append`] and a commit.
    pub fn add(&mut self, note: &Note) {
        if self.waiting.len() >= AUDIT_PENDING {
            self.missed += 1;
            return;
        }
        if self.missed > 0 {
            let missed = Note::new(note.wall, Event::Missed).counting(self.missed);
            self.missed = 0;
            self.chain(&missed);
        }
        self.last.insert(note.event, note.clone());
        self.wall = note.wall;
        self.chain(note);
    }

    fn chain(&mut self, note: &Note) {
        let (bytes, head) = Line::write(self.head.number + 1, self.head, note);
        self.waiting.push_back((head, bytes));
        self.head = head;
    }

    /// Writes what waits. Call it before each commit, and [`AuditLog::settle`] after it.
    ///
    /// # Errors
    /// The store's; what was not written waits on.
    pub fn append(&mut self, store: &mut Store) -> Result<(), Error> {
        self.turn_over(store);
        let Some((newest, _)) = self.files.back() else {
            return Ok(());
        };
        let name = name(*newest);
        let written = store.journal_extent(&name).map_or(0, |extent| extent.next);
        for (head, bytes) in &self.waiting {
            if head.number.wrapping_sub(self.shift) >= written {
                store.journal_append(&name, bytes)?;
            }
        }
        if self.durable.number > self.anchored.number {
            self.anchor(store)?;
        }
        Ok(())
    }

    /// After a commit, whether it held or not: what is durable no longer waits.
    pub fn settle(&mut self, store: &mut Store) {
        let Some((newest, _)) = self.files.back() else {
            return;
        };
        let extent = store.journal_extent(&name(*newest));
        let durable = extent.map_or(0, |extent| extent.durable);
        while let Some((head, _)) = self.waiting.front() {
            if head.number.wrapping_sub(self.shift) >= durable {
                return;
            }
            self.durable = *head;
            self.waiting.pop_front();
        }
        if self.dropping && self.files.len() > AUDIT_FILES {
            self.dropping = false;
            if let Some((oldest, _)) = self.files.pop_front() {
                // It comes back with the next start, and is removed with the next turn.
                let _ = store.remove_journal(&name(oldest));
            }
        }
    }

    /// Makes the last lines and their anchor durable, at the end of a process.
    ///
    /// # Errors
    /// The store's.
    pub fn close(&mut self, store: &mut Store) -> Result<(), Error> {
        for _ in 0..2 {
            self.append(store)?;
            let committed = store.commit().map(drop);
            self.settle(store);
            committed?;
        }
        Ok(())
    }

    /// Begins a new journal when there is none, or the newest has become long and nothing in it
    /// waits.
    fn turn_over(&mut self, store: &Store) {
        if self.waiting.is_empty() {
            return;
        }
        let newest = self.files.back().map(|(number, _)| *number);
        let extent = newest.and_then(|newest| store.journal_extent(&name(newest)));
        let settled = extent.is_some_and(|e| e.next == e.durable && e.bytes >= AUDIT_FILE_BYTES);
        if newest.is_some() && !settled {
            return;
        }
        let Some((first, _)) = self.waiting.front() else {
            return;
        };
        self.shift = first.number;
        let number = newest.map_or(1, |newest| newest + 1);
        self.files.push_back((number, first.number));
        self.say_dropped();
    }

    /// When there are more journals than are kept, says of the oldest that it goes.
    fn say_dropped(&mut self) {
        self.dropping = self.files.len() > AUDIT_FILES;
        if let Some((_, first)) = self.files.get(1).copied().filter(|_| self.dropping) {
            let note = Note::new(self.wall, Event::Dropped);
            self.chain(&note.counting(first.saturating_sub(1)));
        }
    }

    fn anchor(&mut self, store: &mut Store) -> Result<(), Error> {
        let entry = encode(&self.durable.to_bytes());
        if self.anchors > AUDIT_ANCHORS {
            store.journal_rewrite(ANCHOR, [entry])?;
            self.anchors = 1;
        } else {
            store.journal_append(ANCHOR, &entry)?;
            self.anchors += 1;
        }
        self.anchored = self.durable;
        Ok(())
    }
}

/// The numbers of the journals that hold lines, ascending.
pub(super) fn numbers(store: &Store) -> Vec<u64> {
    let digits = |name: &str| name.strip_prefix(FILES)?.parse().ok();
    let mut numbers: Vec<u64> = store.journals().filter_map(digits).collect();
    numbers.sort_unstable();
    numbers
}

/// What the journal of this number is called.
pub(super) fn name(number: u64) -> String {
    format!("{FILES}{number:08}")
}

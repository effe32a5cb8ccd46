//! A small model of custody, explored to its end: "the source frees space only after a receipt
//! that names it", and what follows from it. One instance on its way from a clinic over a hub to
//! an archive; messages are lost, doubled and overtaken at will; both sides lose power; the hub's
//! disk rots; either side is restored from an older copy. Every state that can be reached is
//! looked at. Then each rule is broken in turn, and the model must find the state in which that
//! hurts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The bytes that were sealed: a restored clinic seals others under the same numbers.
type Version = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    /// All sealed bytes of the instance.
    Bytes(Version),
    /// "I hold it": a have-set.
    Have(Version),
    /// STORED, over the root of this version, for this clinic or for another.
    Stored { root: Version, ours: bool },
    /// VERIFIED.
    Verified(Version),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// The scanner was answered: from here on the instance must never be lost.
    accepted: bool,
    ingest: bool,
    /// Sealed and written; durable or not.
    written: bool,
    spool: Option<Version>,
    /// The clinic's journal has a receipt over this version.
    receipt: Option<Version>,
    /// The space of this version was freed.
    freed: Option<Version>,
    /// A receipt that came and is not yet durable.
    heard: Option<Version>,
    /// The clinic was restored, and sealed anew.
    restored: bool,
    hub_memory: Option<Version>,
    hub_disk: Option<Version>,
    /// The ledger says that the archive has it.
    ledger: bool,
    /// A receipt that the hub has signed, and whether that is durable.
    signed: Option<Version>,
    signed_durably: bool,
    /// What the archive has, and how often it was given it.
    archive: Option<Version>,
    given: u8,
    /// Things that went wrong: bounded, so that the model is finite.
    mishaps: u8,
    air: BTreeSet<Message>,
}

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mutant {
    None,
    FreeOnHave,
    FreeOnVerified,
    FreeBeforeJournal,
    IngestGoesBeforeSync,
    RootNotCompared,
    OthersReceiptTaken,
    ReceiptBeforeHandOff,
    GivenWithoutAsking,
}

const MUTANTS: [Mutant; 8] = [
    Mutant::FreeOnHave,
    Mutant::FreeOnVerified,
    Mutant::FreeBeforeJournal,
    Mutant::IngestGoesBeforeSync,
    Mutant::RootNotCompared,
    Mutant::OthersReceiptTaken,
    Mutant::ReceiptBeforeHandOff,
    Mutant::GivenWithoutAsking,
];

/// Mishaps in one life; a third takes minutes (`tests/long.sh`).
fn mishaps_max() -> u8 {
    if std::env::var_os("KAREZ_LONG").is_some() {
        3
    } else {
        2
    }
}

impl State {
    /// What must hold in every state; else what is wrong.
    fn wrong(&self) -> Option<&'static str> {
        let somewhere = self.ingest || self.spool.is_some() || self.archive.is_some();
        if self.accepted && !somewhere {
            return Some("an accepted instance is nowhere");
        }
        if self.freed.is_some() && self.receipt != self.freed {
            return Some("space was freed and no durable receipt names what was there");
        }
        if self.freed.is_some() && self.archive.is_none() {
            return Some("space was freed and the archive does not have it");
        }
        if self.given > 1 {
            return Some("the archive was given it twice");
        }
        None
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    fn says(&mut self, message: Message) {
        self.air.insert(message);
    }

    fn version(&self) -> Version {
        u8::from(self.restored)
    }

    fn next(&self, mutant: Mutant) -> Vec<Self> {
        let mut all = Vec::new();
        self.clinic_works(mutant, &mut all);
        self.hub_works(mutant, &mut all);
        self.messages_arrive(mutant, &mut all);
        if self.mishaps < mishaps_max() {
            self.mishaps(&mut all);
        }
        all
    }

    fn clinic_works(&self, mutant: Mutant, all: &mut Vec<Self>) {
        let version = self.version();
        if !self.accepted {
            all.push(self.with(|s| (s.accepted, s.ingest) = (true, true)));
        }
        if self.ingest && !self.written && self.spool.is_none() {
            all.push(self.with(|s| s.written = true));
        }
        if self.written {
            all.push(self.with(|s| (s.written, s.spool) = (false, Some(version))));
        }
        let sealed = self.spool.is_some() || mutant == Mutant::IngestGoesBeforeSync && self.written;
        if self.ingest && sealed {
            all.push(self.with(|s| s.ingest = false));
        }
        if let Some(version) = self.spool {
            all.push(self.with(|s| s.says(Message::Bytes(version))));
        }
        if let Some(version) = self.heard {
            all.push(self.with(|s| (s.heard, s.receipt) = (None, Some(version))));
        }
        let named = self.receipt == self.spool || mutant == Mutant::RootNotCompared;
        let released = self.receipt.is_some() && named;
        let early = mutant == Mutant::FreeBeforeJournal && self.heard.is_some();
        if self.spool.is_some() && (released || early) {
            all.push(self.with(|s| (s.freed, s.spool) = (s.spool, None)));
        }
    }

    fn hub_works(&self, mutant: Mutant, all: &mut Vec<Self>) {
        if let Some(version) = self.hub_memory {
            all.push(self.with(|s| {
                if s.hub_disk != Some(version) {
                    // Other records: their hand-off is open, whatever was given before.
                    (s.ledger, s.signed, s.signed_durably) = (false, None, false);
                }
                (s.hub_memory, s.hub_disk) = (None, Some(version));
            }));
        }
        let Some(version) = self.hub_disk else {
            return;
        };
        all.push(self.with(|s| s.says(Message::Have(version))));
        all.push(self.with(|s| s.says(Message::Verified(version))));
        if !self.ledger {
            let asks = mutant != Mutant::GivenWithoutAsking;
            // The archive is asked first; what it has is not given again.
            let has = asks && self.archive.is_some();
            all.push(self.with(|s| {
                s.ledger = true;
                if !has {
                    (s.archive, s.given) = (Some(version), s.given + 1);
                }
            }));
        }
        let early = mutant == Mutant::ReceiptBeforeHandOff;
        if self.ledger || early {
            all.push(self.with(|s| (s.signed, s.signed_durably) = (Some(version), false)));
        }
        if let Some(root) = self.signed {
            all.push(self.with(|s| s.signed_durably = true));
            if self.signed_durably {
                let message = Message::Stored { root, ours: true };
                all.push(self.with(|s| s.says(message)));
            }
        }
    }

    /// A message arrives, and may arrive again.
    fn messages_arrive(&self, mutant: Mutant, all: &mut Vec<Self>) {
        for message in &self.air {
            match *message {
                Message::Bytes(version) if self.hub_disk != Some(version) => {
                    all.push(self.with(|s| s.hub_memory = Some(version)));
                }
                Message::Have(version) if mutant == Mutant::FreeOnHave => {
                    all.push(self.hears(version));
                }
                Message::Verified(version) if mutant == Mutant::FreeOnVerified => {
                    all.push(self.hears(version));
                }
                Message::Stored { root, ours } => {
                    let fits = self.spool == Some(root) || mutant == Mutant::RootNotCompared;
                    let taken = ours || mutant == Mutant::OthersReceiptTaken;
                    if fits && taken {
                        all.push(self.hears(root));
                    }
                }
                _ => {}
            }
        }
    }

    fn hears(&self, version: Version) -> Self {
        self.with(|s| s.heard = Some(version))
    }

    fn mishaps(&self, all: &mut Vec<Self>) {
        let bad = |change: &dyn Fn(&mut Self)| {
            self.with(|s| {
                s.mishaps += 1;
                change(s);
            })
        };
        // Power cuts: what was not synced is gone.
        all.push(bad(&|s| (s.written, s.heard) = (false, None)));
        all.push(bad(&|s| {
            s.hub_memory = None;
            if !s.signed_durably {
                s.signed = None;
            }
        }));
        // The hub's disk rots, or its day-old copy is restored: it asks again.
        all.push(bad(&|s| s.hub_disk = None));
        all.push(bad(&|s| {
            (s.hub_memory, s.hub_disk, s.ledger) = (None, None, false);
            (s.signed, s.signed_durably) = (None, false);
        }));
        // The clinic is restored to before it sealed: the scanner's file is there again.
        if self.accepted && !self.restored && self.freed.is_none() {
            all.push(bad(&|s| {
                (s.restored, s.ingest, s.spool) = (true, true, None);
                (s.receipt, s.heard, s.written) = (None, None, false);
            }));
        }
        // A receipt for another clinic about the same numbers strays here.
        let stray = Message::Stored {
            root: self.version(),
            ours: false,
        };
        all.push(bad(&|s| s.says(stray)));
        // Everything on the air is lost.
        all.push(bad(&|s| s.air.clear()));
    }
}

/// Looks at every state that can be reached; how many there are, or the way to the first that is
/// wrong.
fn explore(mutant: Mutant) -> Result<usize, (String, usize)> {
    let start = State::default();
    let mut came_from: BTreeMap<State, Option<State>> = BTreeMap::new();
    came_from.insert(start.clone(), None);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        if let Some(wrong) = state.wrong() {
            let mut steps = 0;
            let mut at = &state;
            while let Some(Some(before)) = came_from.get(at) {
                (at, steps) = (before, steps + 1);
            }
            return Err((wrong.to_owned(), steps));
        }
        for next in state.next(mutant) {
            if !came_from.contains_key(&next) {
                came_from.insert(next.clone(), Some(state.clone()));
                queue.push_back(next);
            }
        }
    }
    Ok(came_from.len())
}

#[test]
fn no_state_that_can_be_reached_loses_or_doubles_an_instance() {
    let states = explore(Mutant::None).unwrap_or_else(|(wrong, steps)| {
        panic!("after {steps} steps: {wrong}");
    });
    println!("{states} states");
    assert!(states > 10_000, "the model does something: {states}");
}

#[test]
fn each_broken_rule_is_found() {
    for mutant in MUTANTS {
        match explore(mutant) {
            Err((wrong, steps)) => println!("{mutant:?}: after {steps} steps {wrong}"),
            Ok(states) => panic!("{mutant:?} hurts in none of {states} states"),
        }
    }
}

#[test]
fn from_every_state_there_is_a_way_to_the_archive_and_to_freed_space() {
    let mut number: BTreeMap<State, usize> = BTreeMap::new();
    let mut all = vec![State::default()];
    number.insert(State::default(), 0);
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut at = 0;
    while at < all.len() {
        for next in all[at].next(Mutant::None) {
            let known = *number.entry(next.clone()).or_insert_with(|| {
                all.push(next);
                before.push(Vec::new());
                all.len() - 1
            });
            before[known].push(at);
        }
        at += 1;
    }
    let is_end = |s: &State| s.freed.is_some() && s.archive.is_some();
    let mut good: Vec<bool> = all.iter().map(is_end).collect();
    let mut queue: Vec<usize> = (0..all.len()).filter(|n| good[*n]).collect();
    while let Some(state) = queue.pop() {
        for earlier in &before[state] {
            if !std::mem::replace(&mut good[*earlier], true) {
                queue.push(*earlier);
            }
        }
    }
    let stuck = good.iter().position(|good| !good);
    assert!(
        stuck.is_none(),
        "no way on from {:?}",
        stuck.map(|n| &all[n])
    );
    println!("{} states, each with a way to the end", all.len());
}

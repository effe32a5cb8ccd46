//! What events do to the machines of a world.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use karez_dimse::stub::Behaviour;
use karez_dimse::{Status, Uid};
use karez_protocol::priority::Class;
use karez_store::{Disk, EntryKind, Fault, MemDisk};
use tokio::time::sleep;

use super::plan::{Event, Misdeed, Who};
use super::play::{RETRY, Step, World};
use crate::run::Opaque;
use crate::run::clinic::give;
use crate::seed::Seed;
use crate::world::Machine;

/// A fault of the disk is followed by the end of the power.
const DYING: Duration = Duration::from_secs(2);

impl World {
    /// Lets an event happen; what follows from it, and after how long.
    pub(super) fn event(&mut self, event: Event) -> Vec<(Duration, Step)> {
        let after = |ms: u64, step| vec![(Duration::from_millis(ms), step)];
        match event {
            Event::HandIn {
                clinic,
                study,
                number,
                bytes,
                class,
            } => {
                self.hand_in((clinic, study, number), bytes, class);
            }
            Event::Kill { who, off_ms } => return self.cut(who, off_ms),
            Event::BackUp => self.backup = Some(self.hub.machine.disk().copy()),
            Event::Restore { off_ms } => return self.restore(off_ms),
            Event::Changed { .. } => self.hand_in_changed(event),
            Event::ClockTo { who, wall_s } => self.machine(who, |m| m.set_clock(wall_s)),
            Event::RotAtHub { pick, bit } => self.rot(pick, bit),
            Event::Clock { clinic, off_s } => {
                if let Some(node) = self.nodes.get(clinic) {
                    node.clinic.machine.set_clock_off(off_s);
                }
            }
            // It is in the line's calendar.
            Event::LineDown { .. } => {}
            Event::Archive { how, for_ms } => {
                let all = self.model.state().uids();
                self.hub.pacs.behave(|b| *b = misbehave(how, all));
                return after(for_ms, Step::Archive);
            }
            _ => return self.disk_event(event),
        }
        Vec::new()
    }

    /// What befalls disks.
    fn disk_event(&self, event: Event) -> Vec<(Duration, Step)> {
        let after = |ms: u64, step| vec![(Duration::from_millis(ms), step)];
        match event {
            Event::KillAtCall { who, calls, off_ms } => {
                if let Some(disk) = self.disk(who) {
                    disk.kill_at_call(calls.max(1));
                }
                return vec![(DYING, Step::Cut(who, off_ms))];
            }
            Event::KillAtSync {
                who,
                syncs,
                within_ms,
                off_ms,
            } => {
                if let Some(disk) = self.disk(who) {
                    disk.kill_at_sync(syncs.max(1));
                }
                return after(within_ms, Step::Cut(who, off_ms));
            }
            Event::NoRoom { who, calls } => {
                if let Some(disk) = self.disk(who) {
                    disk.fail_at(calls.max(1), Fault::Full, false);
                }
            }
            Event::ReadOnly { who, for_ms } => {
                if let Some(disk) = self.disk(who) {
                    disk.set_read_only(true);
                }
                return after(for_ms, Step::Writable(who));
            }
            Event::DiskFault { who, calls } => {
                if let Some(disk) = self.disk(who) {
                    disk.fail_at(calls.max(1), Fault::Io, false);
                }
            }
            Event::DiskFull { who, for_ms } => {
                if let Some(disk) = self.disk(who) {
                    let used = disk.space(Path::new("/")).map_or(0, |s| s.total - s.free);
                    disk.set_capacity(Some(used + 20_000));
                    return after(for_ms, Step::Room(who));
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Looks at a machine, if it is one of this world.
    fn machine(&self, who: Who, look: impl FnOnce(&Machine)) {
        match who {
            Who::Hub => look(&self.hub.machine),
            Who::Clinic(index) => {
                if let Some(node) = self.nodes.get(index) {
                    look(&node.clinic.machine);
                }
            }
        }
    }

    /// The hub's power goes, and its disk is the copy that was taken last.
    fn restore(&mut self, off_ms: u64) -> Vec<(Duration, Step)> {
        let Some(backup) = self.backup.take() else {
            return Vec::new();
        };
        let next = self.cut(Who::Hub, off_ms);
        self.hub.machine.disk().restore(&backup);
        self.restored = true;
        next
    }

    pub(super) fn disk(&self, who: Who) -> Option<MemDisk> {
        match who {
            Who::Hub => Some(self.hub.machine.disk().clone()),
            Who::Clinic(index) => Some(self.nodes.get(index)?.clinic.machine.disk().clone()),
        }
    }

    /// The power goes; it comes back by itself. A machine that is off comes back when it was to,
    /// with a disk that works again.
    pub(super) fn cut(&mut self, who: Who, off_ms: u64) -> Vec<(Duration, Step)> {
        self.kills += 1;
        let torn = self.seed.child("torn").nth(self.kills).dice().bits();
        let was_on = match who {
            Who::Hub => {
                let was_on = self.hub.handle().is_some();
                self.hub.kill(torn);
                was_on
            }
            Who::Clinic(index) => self.nodes.get_mut(index).is_some_and(|node| {
                node.clinic.kill(self.kills);
                node.sender.take().is_some()
            }),
        };
        match was_on {
            true => vec![(Duration::from_millis(off_ms.max(1000)), Step::Power(who))],
            false => Vec::new(),
        }
    }

    /// The power is back. What does not start tries again, as under a service manager.
    pub(super) async fn power(&mut self, who: Who) -> Vec<(Duration, Step)> {
        let started = match who {
            Who::Hub => self.hub.start().await,
            Who::Clinic(index) => match self.nodes.get_mut(index) {
                Some(node) => node.start(),
                None => Ok(()),
            },
        };
        match started {
            Ok(()) => Vec::new(),
            Err(failure) => {
                self.ear.say(&format!("== does not start: {failure}"));
                vec![(RETRY, Step::Power(who))]
            }
        }
    }

    /// Lets a modality hand an instance in until it is taken.
    fn hand_in(&mut self, (clinic, study, number): (usize, u64, u64), bytes: u64, class: u8) {
        let (Some(node), Some(known)) = (
            self.nodes.get(clinic),
            self.studies.get(&(clinic, study)).copied(),
        ) else {
            return;
        };
        let made = Opaque::new(self.study_seed(clinic, study), number, bytes);
        let (window, model, air) = (
            node.clinic.window.clone(),
            self.model.clone(),
            self.air.clone(),
        );
        let refused = self.refused.clone();
        let class = match class {
            0 => Class::Stat,
            1 => Class::Urgent,
            2 => Class::Routine,
            _ => Class::Bulk,
        };
        self.tasks.spawn(async move {
            let length = made.file.len() as u64;
            model
                .state()
                .offered(known, &made.uid, made.fingerprint, length);
            loop {
                let handle = window.lock().ok().and_then(|handle| handle.clone());
                if let Some(handle) = handle {
                    if let Ok(ticket) = give(&handle, &made.file, class).await {
                        let now = air.elapsed();
                        return model.state().accepted(now, &made.uid, ticket.order);
                    }
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                sleep(RETRY).await;
            }
        });
    }

    /// Lets a modality hand in other bytes of an image, once that is accepted.
    fn hand_in_changed(&mut self, event: Event) {
        let Event::Changed {
            by,
            clinic,
            study,
            number,
            bytes,
        } = event
        else {
            return;
        };
        let Some(node) = self.nodes.get(by) else {
            return;
        };
        let made = Opaque::new(self.study_seed(clinic, study), number, bytes).changed();
        let (window, model) = (node.clinic.window.clone(), self.model.clone());
        self.tasks.spawn(async move {
            while !model.state().is_accepted(&made.uid) {
                sleep(RETRY).await;
            }
            model.state().changed(&made.uid, made.fingerprint);
            loop {
                let handle = window.lock().ok().and_then(|handle| handle.clone());
                if let Some(handle) = handle
                    && let Ok(ticket) = give(&handle, &made.file, Class::Routine).await
                {
                    return model.state().accepted_changed(by, ticket.order);
                }
                sleep(RETRY).await;
            }
        });
    }

    fn study_seed(&self, clinic: usize, study: u64) -> Seed {
        self.seed.child("study").nth(clinic as u64).nth(study)
    }

    /// A bit of one of the hub's packs rots.
    fn rot(&self, pick: u64, bit: u64) {
        let disk = self.hub.machine.disk();
        let mut packs = Vec::new();
        packs_below(disk, Path::new("/hub"), &mut packs);
        let picked = pick.checked_rem(packs.len() as u64).unwrap_or(0);
        let Some(path) = usize::try_from(picked).ok().and_then(|n| packs.get(n)) else {
            return;
        };
        let length = disk.len(path).ok().flatten().unwrap_or(0);
        if let Some(bit) = bit.checked_rem(length * 8) {
            // An empty pack has no bit.
            let _ = disk.rot(path, bit);
        }
    }
}

fn misbehave(how: Misdeed, all: Vec<Uid>) -> Behaviour {
    let mut b = Behaviour::default();
    match how {
        Misdeed::Down => b.down = true,
        Misdeed::Slow => b.delay = Duration::from_secs(10),
        Misdeed::Full => b.answer = Some(Status::OUT_OF_RESOURCES),
        Misdeed::Refuses => b.answer = Some(Status::CANNOT_UNDERSTAND),
        Misdeed::CutsBeforeAnswer => b.cuts = true,
        Misdeed::Lies => b.lies = Some(Status::PROCESSING_FAILURE),
        Misdeed::Aborts => b.abort_on = all.into_iter().collect(),
    }
    b
}

fn packs_below(disk: &MemDisk, dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in disk.entries(dir).unwrap_or_default() {
        let path = dir.join(&entry.name);
        if entry.kind == EntryKind::Directory {
            packs_below(disk, &path, into);
        } else if path.extension().is_some_and(|e| e == "pack") {
            into.push(path);
        }
    }
}

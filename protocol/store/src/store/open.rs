//! Opening a data directory: the lock, what a crash left, every file.

use std::path::Path;
use std::sync::Arc;

use karez_protocol::id::SegmentId;

use super::journals::Journal;
use super::{Commit, Dirs, Options, Store, Target};
use crate::disk::Disk;
use crate::error::{Error, Place};
use crate::files::Files;
use crate::pack::Pack;
use crate::recover::{Found, Recovery};

impl Store {
    /// Opens a data directory, made if missing, and makes every file in it whole.
    ///
    /// The store locks its own directory: where a daemon has locked its data directory, the store
    /// lives in a directory below it. One file that cannot be read does not stop the others: it is listed as failed.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Newer`]; [`Error::Io`] and its kin for the directory itself.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Self, Recovery), Error> {
        Self::open_with(disk, dir, Options::default())
    }

    /// [`Store::open`] with options.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
    ) -> Result<(Self, Recovery), Error> {
        let dirs = Dirs::under(dir);
        dirs.make(disk.as_ref())?;
        let lock = disk.lock(&dir.join("lock")).map_err(|e| match e.kind() {
            std::io::ErrorKind::WouldBlock => Error::Locked,
            _ => Error::io("lock", Place::Directory, e),
        })?;
        let mut recovery = Recovery::default();
        let packs = dirs.tidy(disk.as_ref(), &mut recovery)?;
        let mut store = Self {
            files: Files::new(disk),
            dirs,
            packs: [].into(),
            journals: [].into(),
            failed: packs.into_iter().collect(),
            dirty: [].into(),
            uncommitted: 0,
            done: Commit::default(),
            options,
            _lock: lock,
        };
        store.open_failed(&mut recovery)?;
        Ok((store, recovery))
    }

    /// Tries again to open what could not be opened before.
    ///
    /// # Errors
    /// [`Error::Newer`].
    pub fn open_again(&mut self) -> Result<Recovery, Error> {
        let mut recovery = Recovery::default();
        self.open_failed(&mut recovery)?;
        Ok(recovery)
    }

    fn open_failed(&mut self, recovery: &mut Recovery) -> Result<(), Error> {
        for target in std::mem::take(&mut self.failed) {
            let mut found = Found::default();
            match self.open_one(&target, &mut found) {
                Err(error @ Error::Newer { .. }) => return Err(error),
                Err(error) => {
                    found.failed = Some(error);
                    self.failed.insert(target.clone());
                }
                Ok(()) => {}
            }
            if found.is_silent() {
                continue;
            }
            match target {
                Target::Pack(id) => drop(recovery.segments.insert(id, found)),
                Target::Journal(name) => drop(recovery.journals.insert(name, found)),
            }
        }
        Ok(())
    }

    fn open_one(&mut self, target: &Target, found: &mut Found) -> Result<(), Error> {
        match target {
            Target::Pack(id) => {
                let pack = Pack::open(&mut self.files, &self.dirs.packs, *id, found)?;
                self.packs.insert(*id, pack);
            }
            Target::Journal(name) => {
                let journal = Journal::open(&mut self.files, &self.dirs.journals, name, found)?;
                self.journals.insert(name.clone(), journal);
            }
        }
        Ok(())
    }
}

impl Dirs {
    fn under(root: &Path) -> Self {
        let (packs, journals) = (root.join("packs"), root.join("journals"));
        Self {
            root: root.to_owned(),
            packs,
            journals,
        }
    }

    fn make(&self, disk: &dyn Disk) -> Result<(), Error> {
        let made = [&self.root, &self.packs, &self.journals];
        let made = made
            .into_iter()
            .try_for_each(|dir| disk.create_dir_all(dir));
        made.map_err(|e| Error::io("create", Place::Directory, e))
    }

    /// Removes what a crash left unfinished, makes the names that are seen durable, and lists the
    /// files of the store.
    fn tidy(&self, disk: &dyn Disk, recovery: &mut Recovery) -> Result<Vec<Target>, Error> {
        let mut targets = Vec::new();
        for dir in [&self.packs, &self.journals] {
            let names = disk
                .list(dir)
                .map_err(|e| Error::io("list", Place::Directory, e))?;
            for name in &names {
                match target(name) {
                    Some(target) => targets.push(target),
                    None if is_left_over(name, &names) => {
                        let removed = disk.remove(&dir.join(name));
                        removed.map_err(|e| Error::io("tidy", Place::Directory, e))?;
                        recovery.leftovers += 1;
                    }
                    None => {}
                }
            }
            disk.sync_dir(dir)
                .map_err(|e| Error::io("sync", Place::Directory, e))?;
        }
        Ok(targets)
    }
}

fn target(name: &str) -> Option<Target> {
    if let Some(id) = name.strip_suffix(".pack") {
        return SegmentId::parse(id).map(Target::Pack);
    }
    let name = name.strip_suffix(".journal")?;
    super::journals::is_name(name).then(|| Target::Journal(name.to_owned()))
}

fn is_left_over(name: &str, all: &[String]) -> bool {
    let orphan = |id: &str| all.binary_search(&format!("{id}.pack")).is_err();
    name.ends_with(".new") || name.strip_suffix(".index").is_some_and(orphan)
}

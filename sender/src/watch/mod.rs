//! Watched folders: other programs put files there, and what is whole and quiet is taken.
//!
//! A file is taken when its size and time have stood still for a while, so that it does not
//! matter how slowly it was copied or whether it was renamed into place (FIELD T6). Folders are
//! polled: that works on every file system, network ones among them. They are read by a thread of
//! their own, because a network share may hang.

mod away;
mod file;
mod folder;
mod settings;
mod walk;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_host::env::Engine as EngineThread;
use karez_host::{Env, Failure};
use karez_protocol::id::Fingerprint;
use karez_store::{Disk, Stamp};
use tokio::sync::watch;

pub use settings::Watch;

use crate::daemon::Handle;
use crate::engine::Mark;
use crate::limits::{MARKS, MARKS_SLACK, WATCH_STOP};
use crate::status::{Parked, WatchStatus};
use file::Outcome;
use folder::{Folder, Step};
use settings::After;
use walk::Listing;

/// How the folders stand, for the status.
pub(crate) type Shown = Arc<Mutex<Vec<WatchStatus>>>;

/// The watcher at work; it ends with this.
pub(crate) struct Watching {
    env: Arc<dyn Env>,
    stop: watch::Sender<()>,
    engine: EngineThread,
}

struct Watcher {
    env: Arc<dyn Env>,
    disk: Arc<dyn Disk>,
    handle: Handle,
    after: After,
    poll: Duration,
    folders: Vec<Folder>,
    /// What no folder is looked through for: our own files, and where files are moved to.
    spared: Vec<PathBuf>,
    /// Files that were taken and stay where they are.
    marks: BTreeSet<Mark>,
    shown: Shown,
    stop: watch::Receiver<()>,
}

/// What in the folders needs a person.
pub(crate) fn parked(folders: &[WatchStatus]) -> impl Iterator<Item = Parked> {
    let some = |count: u64, what: &str, folder: &str, reason: &str, actions: [&str; 2]| {
        (count > 0).then(|| Parked {
            item: format!("{count} {what} in {folder}"),
            reason: reason.to_owned(),
            owner: "clinic".to_owned(),
            actions: actions.map(str::to_owned).to_vec(),
        })
    };
    let of = move |f: &WatchStatus| {
        [
            some(
                f.empty,
                "empty files",
                &f.folder,
                "there is nothing in them",
                ["copy them again", "remove them"],
            ),
            some(
                f.not_dicom,
                "files",
                &f.folder,
                "they are not DICOM",
                ["remove them", "send them with `karez-sender send`"],
            ),
        ]
    };
    let all: Vec<_> = folders.iter().flat_map(of).flatten().collect();
    all.into_iter()
}

impl Watching {
    /// Begins to watch; nothing is started when there are no folders.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(
        env: Arc<dyn Env>,
        dir: &Path,
        settings: &Watch,
        handle: Handle,
        shown: Shown,
    ) -> io::Result<Option<Self>> {
        let Some(after) = settings.after().filter(|_| !settings.folders.is_empty()) else {
            return Ok(None);
        };
        let (stop, stopped) = watch::channel(());
        let quiet = settings.quiet.duration();
        let folders = settings.folders.iter().map(PathBuf::from);
        let folders: Vec<Folder> = folders.map(|path| Folder::new(path, quiet)).collect();
        let targets = folders.iter().filter_map(|f| after.target(&f.path));
        let watcher = Watcher {
            disk: env.disk(),
            spared: targets.chain([dir.to_owned()]).collect(),
            poll: settings.poll.duration(),
            env: env.clone(),
            marks: BTreeSet::new(),
            stop: stopped,
            handle,
            after,
            folders,
            shown,
        };
        let engine = env.spawn_engine("watch", Box::pin(watcher.run()))?;
        Ok(Some(Self { env, stop, engine }))
    }

    /// Ends it, and waits a little: not for a share that hangs.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        let patience = self.env.sleep_until(self.env.now() + WATCH_STOP);
        tokio::select! {
            biased;
            _ = self.engine.join() => {}
            () = patience => {}
        }
    }
}

impl Watcher {
    async fn run(mut self) {
        // Fails only when the sender stops.
        let Ok(marks) = self.handle.marks().await else {
            return;
        };
        self.marks = marks;
        self.forget_marks().await;
        while !self.stopping() {
            let began = self.env.now();
            for number in 0..self.folders.len() {
                self.look(number).await;
            }
            let took = self.env.now().saturating_duration_since(began);
            // Looking costs at most a tenth of the time.
            let next = self.env.now() + self.poll.max(took * 9);
            tokio::select! {
                biased;
                () = self.env.sleep_until(next) => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    fn stopping(&self) -> bool {
        self.stop.has_changed().is_err()
    }

    /// Looks through one folder and takes what is ready.
    async fn look(&mut self, number: usize) {
        let root = self.folders[number].path.clone();
        let mut listing = walk::list(&*self.disk, &root, &self.spared);
        self.folders[number].forget_gone(&listing);
        let mut left_over = 0;
        for (path, stamp) in std::mem::take(&mut listing.files) {
            if self.stopping() {
                return;
            }
            if self.marks.contains(&self.mark_of(&path, stamp)) {
                left_over += u64::from(self.after != After::Keep);
                continue;
            }
            let now = self.env.now();
            match self.folders[number].step(&*self.disk, &path, stamp, now) {
                Step::Nothing => continue,
                Step::Take { whole } => self.take(number, &path, stamp, whole).await,
                Step::PutAway => self.put_away(number, &path, stamp),
            }
            self.show(number, &listing, left_over);
        }
        self.show(number, &listing, left_over);
    }

    async fn take(&mut self, number: usize, path: &Path, stamp: Stamp, whole: bool) {
        let stop = self.stop.clone();
        let stopping = move || stop.has_changed().is_err();
        let room = self.room_for_marks().await;
        let taken = match room {
            Ok(()) => file::take(&*self.disk, &self.handle, (path, stamp), stopping).await,
            Err(failure) => Err(failure),
        };
        let now = self.env.now();
        let folder = &mut self.folders[number];
        match taken {
            Ok(Outcome::Taken) => {
                tracing::trace!(?path, "a file was taken");
                folder.took(path, whole);
                self.settle(number, path, stamp).await;
            }
            Ok(Outcome::Changed) => folder.changed(path),
            Ok(Outcome::Stopped) => {}
            Err(failure) => folder.failed(path, now, &failure),
        }
    }

    /// A file is accepted: it is remembered, or put away.
    async fn settle(&mut self, number: usize, path: &Path, stamp: Stamp) {
        if self.after != After::Keep {
            return self.put_away(number, path, stamp);
        }
        let mark = self.mark_of(path, stamp);
        self.marks.insert(mark);
        if let Err(error) = self.handle.mark(mark).await {
            tracing::warn!(%error, "a file may be taken again after a restart; the hub will find it to be the same");
        }
    }

    fn put_away(&mut self, number: usize, path: &Path, stamp: Stamp) {
        let folder = &mut self.folders[number];
        let file = (path, stamp);
        match away::put_away(&*self.disk, &folder.path, file, &self.after) {
            Ok(()) => folder.put_away(path),
            Err(error) => {
                let cause = format!("a file that was taken cannot be put away: {error}");
                let failure = Failure::new(cause).fix("Let the daemon's user write in the folder");
                folder.stuck(path, self.env.now(), &failure);
            }
        }
    }

    async fn room_for_marks(&mut self) -> Result<(), Failure> {
        if self.after != After::Keep || self.marks.len() < MARKS {
            return Ok(());
        }
        self.forget_marks().await;
        match self.marks.len() < MARKS {
            true => Ok(()),
            false => Err(Failure::new("more files are kept than can be remembered")
                .fix("Take out of the folders what was sent long ago")),
        }
    }

    /// Forgets marks of files that are gone, when there are many. A folder that is not there now,
    /// such as a share that is off, would come back with all its files.
    async fn forget_marks(&mut self) {
        if self.marks.len() < MARKS_SLACK {
            return;
        }
        let listings = self.folders.iter();
        let listings: Vec<_> = listings
            .map(|f| walk::list(&*self.disk, &f.path, &self.spared))
            .collect();
        let sound = |l: &Listing| l.problem.is_none() && !l.files.is_empty();
        if !listings.iter().all(sound) {
            return;
        }
        let files = listings.iter().flat_map(|l| &l.files);
        let there: BTreeSet<Mark> = files.map(|(path, at)| self.mark_of(path, *at)).collect();
        let live: BTreeSet<Mark> = self.marks.intersection(&there).copied().collect();
        if self.marks.len() - live.len() < MARKS_SLACK {
            return;
        }
        if self.handle.keep_marks(live.clone()).await.is_ok() {
            self.marks = live;
        }
    }

    fn mark_of(&self, path: &Path, stamp: Stamp) -> Mark {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"karez watched file");
        hasher.update(&stamp.len.to_le_bytes());
        hasher.update(&stamp.modified.to_le_bytes());
        hasher.update(path.as_os_str().as_encoded_bytes());
        self.handle
            .index_key(&Fingerprint(*hasher.finalize().as_bytes()))
    }

    fn show(&self, number: usize, listing: &Listing, left_over: u64) {
        let folder = &self.folders[number];
        let mut status = folder.status(&folder.path.display().to_string(), self.env.now());
        status.unfinished = listing.unfinished;
        status.not_put_away += left_over;
        if let Some(problem) = &listing.problem {
            status.problem.clone_from(problem);
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() <= number {
            shown.resize(number + 1, WatchStatus::default());
        }
        shown[number] = status;
    }
}

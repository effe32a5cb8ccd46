//! The folder target: `PATH/CLINIC/STUDY/FINGERPRINT.dcm`. A file is there whole or not at all,
//! and its name says nothing of the patient.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karez_host::Env;
use karez_host::env::{BoxFuture, work};
use karez_protocol::manifest::Proof;
use karez_store::{Disk, File, OpenMode};

use super::{Ability, Delivery, Item, Look, Target, TargetError};
use crate::limits::READ_BACK;

/// Stands in a folder that is a target, so that a disk that is not mounted is not taken for an
/// empty one.
const MARKER: &str = ".karez-target";

/// Files below a folder.
pub(crate) struct Folder {
    env: Arc<dyn Env>,
    root: PathBuf,
}

impl Folder {
    /// The target at `root`.
    #[must_use]
    pub(crate) fn new(env: Arc<dyn Env>, root: PathBuf) -> Self {
        Self { env, root }
    }

    /// Makes the folder and marks it as a target.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn prepare(disk: &dyn Disk, root: &Path) -> io::Result<()> {
        disk.create_dir_all(root)?;
        let marker = root.join(MARKER);
        if disk.len(&marker)?.is_some() {
            return Ok(());
        }
        disk.open(&marker, OpenMode::CreateNew)?.sync()?;
        disk.sync_dir(root)
    }

    fn path(&self, item: &Item) -> PathBuf {
        let study = self.root.join(&item.clinic).join(item.study.short());
        study.join(format!("{}.dcm", item.fingerprint))
    }

    /// Runs a step that waits for the disk where that disturbs nobody.
    async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&dyn Disk) -> io::Result<T> + Send + 'static,
    ) -> Result<T, TargetError> {
        on_disk(&self.env, step).await
    }
}

impl Target for Folder {
    fn look<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Result<Look, TargetError>> {
        Box::pin(async move {
            let (root, path) = (self.root.clone(), self.path(item));
            let file = self
                .step(move |disk| {
                    marked(disk, &root)?;
                    open_if_there(disk, &path)
                })
                .await?;
            match file {
                None => Ok(Look::Absent),
                Some(file) => self.compare(file, item).await,
            }
        })
    }

    fn begin<'a>(
        &'a self,
        item: &'a Item,
    ) -> BoxFuture<'a, Result<Box<dyn Delivery>, TargetError>> {
        Box::pin(async move {
            let (root, path) = (self.root.clone(), self.path(item));
            let temporary = path.with_extension("part");
            let opened = (path.clone(), temporary.clone());
            let file = self
                .step(move |disk| {
                    marked(disk, &root)?;
                    open_new(disk, &opened.0, &opened.1)
                })
                .await?;
            let delivery: Box<dyn Delivery> = Box::new(FolderDelivery {
                env: self.env.clone(),
                file: Some(file),
                written: 0,
                path,
                temporary,
            });
            Ok(delivery)
        })
    }

    fn test(&self) -> BoxFuture<'_, Vec<Ability>> {
        Box::pin(async move {
            let root = self.root.clone();
            let there = self.step(move |disk| marked(disk, &root)).await;
            let root = self.root.clone();
            let writable = self.step(move |disk| try_write(disk, &root)).await;
            let ability = |name, result: Result<(), TargetError>| Ability {
                name,
                fault: result.err().map(|e| e.to_string()),
                note: None,
            };
            vec![ability("folder", there), ability("write", writable)]
        })
    }
}

impl Folder {
    /// Reads a file back and compares it by its fingerprint.
    async fn compare(&self, file: Box<dyn File>, item: &Item) -> Result<Look, TargetError> {
        let mut hasher = blake3::Hasher::new();
        let (mut file, mut at) = (file, 0);
        loop {
            let read;
            (file, hasher, read) = self
                .step(move |_| {
                    let left = file.len()?.saturating_sub(at);
                    let mut buffer = vec![0; left.min(READ_BACK as u64) as usize];
                    file.read_at(at, &mut buffer)?;
                    hasher.update(&buffer);
                    Ok((file, hasher, buffer.len()))
                })
                .await?;
            at += read as u64;
            if read == 0 {
                break;
            }
        }
        let same = hasher.finalize().as_bytes() == item.fingerprint.as_bytes();
        Ok(if same {
            Look::Same(Proof::ReadBack)
        } else {
            Look::Other("a file of this name is there with other bytes".into())
        })
    }
}

struct FolderDelivery {
    env: Arc<dyn Env>,
    /// Away while a piece is written.
    file: Option<Box<dyn File>>,
    written: u64,
    path: PathBuf,
    temporary: PathBuf,
}

impl Delivery for FolderDelivery {
    fn write(&mut self, piece: Vec<u8>) -> BoxFuture<'_, Result<(), TargetError>> {
        Box::pin(async move {
            let file = self.file.take().ok_or_else(broken_off)?;
            let (at, length) = (self.written, piece.len() as u64);
            let step = move |_: &dyn Disk| file.write_at(at, &piece).map(|()| file);
            self.file = Some(on_disk(&self.env, step).await?);
            self.written += length;
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<Proof, TargetError>> {
        Box::pin(async move {
            let file = self.file.take().ok_or_else(broken_off)?;
            let (path, temporary) = (self.path.clone(), self.temporary.clone());
            let step = move |disk: &dyn Disk| {
                file.sync()?;
                disk.rename(&temporary, &path)?;
                disk.sync_dir(path.parent().unwrap_or(Path::new("/")))
            };
            on_disk(&self.env, step).await?;
            Ok(Proof::Status)
        })
    }
}

async fn on_disk<T: Send + 'static>(
    env: &Arc<dyn Env>,
    step: impl FnOnce(&dyn Disk) -> io::Result<T> + Send + 'static,
) -> Result<T, TargetError> {
    let disk = env.disk();
    let done = work(&**env, 0, move || step(&*disk)).await;
    let done = done.map_err(|lost| TargetError::Down(lost.to_string()))?;
    done.map_err(|error| TargetError::Down(explain(&error)))
}

fn marked(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    match disk.len(&root.join(MARKER))? {
        Some(_) => Ok(()),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("it lacks its {MARKER}"),
        )),
    }
}

fn open_if_there(disk: &dyn Disk, path: &Path) -> io::Result<Option<Box<dyn File>>> {
    match disk.open(path, OpenMode::Read) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// What an earlier attempt left unfinished goes.
fn open_new(disk: &dyn Disk, path: &Path, temporary: &Path) -> io::Result<Box<dyn File>> {
    disk.create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    match disk.remove(temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    disk.open(temporary, OpenMode::CreateNew)
}

fn try_write(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    let path = root.join(".karez-test.part");
    let file = open_new(disk, &path.with_extension("dcm"), &path)?;
    let written = file.write_at(0, b"karez").and_then(|()| file.sync());
    disk.remove(&path)?;
    written
}

fn broken_off() -> TargetError {
    TargetError::Down("an earlier write to the folder failed".into())
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "the folder is not there, or is not the one that was added: is its disk mounted?".into()
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the folder's disk is full: make room there".into()
        }
        io::ErrorKind::PermissionDenied => {
            "the hub's user may not write into the folder: give it the right to".into()
        }
        _ => format!("the folder's disk failed: {error}"),
    }
}

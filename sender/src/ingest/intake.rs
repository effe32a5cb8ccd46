//! One instance on its way in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use karez_host::env::work;
use karez_host::units::Size;
use karez_host::{Env, Failure, status};
use karez_imaging::{InstanceInfo, plan};
use karez_protocol::id::{Fingerprint, StudyId};
use karez_protocol::manifest::Origin;
use karez_protocol::priority::Class;
use karez_protocol::seal::{BLOCK_PLAIN, FileKey, SealError};
use karez_store::{Blob, Blobs};
use tokio::sync::{mpsc, oneshot};

use super::said::{Said, sop_name};
use super::{FINGERPRINT_BLOCK, IngestFile};
use crate::engine::{Command, Ticket};
use crate::keys::Keys;
use crate::limits::{BLOCKS_MAX, INTAKE_BATCH, PEEK};
use crate::settings::Settings;

/// What every intake needs.
pub(crate) struct IntakeTools {
    pub(crate) env: Arc<dyn Env>,
    pub(crate) dir: PathBuf,
    pub(crate) blobs: Blobs,
    pub(crate) keys: Arc<Keys>,
    pub(crate) settings: Arc<RwLock<Arc<Settings>>>,
    /// Bytes accepted and not yet sealed: they will need room a second time.
    pub(crate) unsealed: Arc<AtomicU64>,
    pub(crate) engine: mpsc::Sender<Command>,
}

impl IntakeTools {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What whoever hands an instance in says of it.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Groups instances that name no study, such as the folder of a file. Only its keyed hash is
    /// kept.
    pub folder: Vec<u8>,
    /// The class asked for.
    pub class: Option<Class>,
}

/// An instance on its way in. Dropped before [`Intake::finish`], it leaves nothing.
pub struct Intake {
    tools: Arc<IntakeTools>,
    given: Given,
    scanner: String,
    /// Where it comes from, for the audit log.
    source: String,
    origin: Origin,
    /// Taken out while a job has it.
    writer: Option<Box<Writer>>,
    buffer: Vec<u8>,
    /// Room was last looked at when this much had come.
    looked_at: u64,
    received: u64,
}

/// An instance whose bytes are durable, to be entered in the journal.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) blob: String,
    pub(crate) index_key: [u8; 16],
    pub(crate) study: StudyId,
    pub(crate) length: u64,
    pub(crate) origin: Origin,
    /// The fingerprint, sealed under the file's key.
    pub(crate) secret: Vec<u8>,
    /// The class asked for.
    pub(crate) asked: Option<Class>,
    /// The class that the rules give.
    pub(crate) ruled: Option<Class>,
    /// Whether it makes sense to its end, as far as it is DICOM.
    pub(crate) whole: bool,
    /// What people are shown.
    pub(crate) said: Said,
    /// A keyed hash of its SOP class and instance; zeros when it names none.
    pub(crate) name: [u8; 16],
    /// Where it came from, for the audit log.
    pub(crate) source: String,
}

struct Writer {
    blobs: Blobs,
    name: String,
    blob: Blob,
    key: FileKey,
    next: u32,
    hasher: blake3::Hasher,
    peek: Vec<u8>,
    length: u64,
    /// The journal names it, or will: dropping it leaves it there.
    kept: bool,
}

impl Intake {
    /// Opens a new one. Until its end is durable it is nobody's.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub(crate) fn open(
        tools: Arc<IntakeTools>,
        given: Given,
        source: String,
    ) -> Result<Self, Failure> {
        let mut intake = Self {
            tools,
            given,
            scanner: String::new(),
            source,
            origin: Origin::File,
            writer: None,
            buffer: Vec::new(),
            looked_at: 0,
            received: 0,
        };
        intake.look_for_room()?;
        intake.writer = Some(Box::new(Writer::open(&intake.tools)?));
        Ok(intake)
    }

    /// Says that the first bytes are a file meta group of ours of this length, before a data set
    /// that came over C-STORE.
    pub(crate) fn behind_meta(&mut self, meta: u32) {
        self.origin = Origin::Dimse { meta };
    }

    /// Says which scanner sends it.
    pub(crate) fn sent_by_scanner(&mut self, title: &str) {
        title.clone_into(&mut self.scanner);
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The disk is full or fails; the instance is not accepted then.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.received += bytes.len() as u64;
        for piece in bytes.chunks(INTAKE_BATCH) {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() > INTAKE_BATCH {
                self.look_for_room()?;
                let rest = self.buffer.split_off(INTAKE_BATCH);
                let full = std::mem::replace(&mut self.buffer, rest);
                self.run(move |writer| writer.blocks(&full, false)).await?;
            }
        }
        Ok(())
    }

    /// Ends the instance; when this returns, it is accepted for good.
    ///
    /// # Errors
    /// It is empty, or the disk is full or fails: the instance is not accepted then.
    pub async fn finish(mut self) -> Result<Ticket, Failure> {
        if self.received == 0 {
            return Err(Failure::new("the file is empty").fix("There is nothing to send"));
        }
        let rest = std::mem::take(&mut self.buffer);
        let (keys, settings) = (self.tools.keys.clone(), self.tools.settings());
        let given = self.given.clone();
        let given = (given, std::mem::take(&mut self.scanner));
        let close = move |writer: &mut Writer| {
            let (given, scanner) = (&given.0, given.1.clone());
            writer.close(&rest, &keys, &settings, (given, scanner))
        };
        let mut arrived = self.run(close).await?;
        arrived.origin = self.origin;
        arrived.source = self.source.clone();
        let (reply, answer) = oneshot::channel();
        let stopping = || Failure::new("the daemon is stopping").fix("Give the file again later");
        let command = Command::Accept { arrived, reply };
        // From here on the engine decides: it removes the file if it does not take it.
        if let Some(writer) = &mut self.writer {
            writer.kept = true;
        }
        if self.tools.engine.send(command).await.is_err() {
            if let Some(writer) = &mut self.writer {
                writer.kept = false;
            }
            return Err(stopping());
        }
        answer.await.map_err(|_| stopping())?
    }

    /// Runs a job on the writer, off the reactor.
    async fn run<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Writer) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let lost = || Failure::new("the file could not be taken in because of a bug");
        let mut writer = self.writer.take().ok_or_else(lost)?;
        let run = move || {
            let result = job(&mut writer);
            (writer, result)
        };
        let (writer, result) = work(&*self.tools.env, INTAKE_BATCH as u64, run)
            .await
            .map_err(|_| lost())?;
        self.writer = Some(writer);
        result
    }

    fn look_for_room(&mut self) -> Result<(), Failure> {
        if self.looked_at > 0 && self.received - self.looked_at < 8 * INTAKE_BATCH as u64 {
            return Ok(());
        }
        self.looked_at = self.received.max(1);
        let settings = self.tools.settings();
        let spool = &settings.spool;
        let keep = match self.given.class {
            Some(Class::Stat) => spool.keep_free_stat,
            _ => spool.keep_free,
        };
        let room = self.tools.env.disk().space(&self.tools.dir);
        let room = room.map_err(|e| Failure::new(format!("the disk cannot be asked: {e}")))?;
        let promised = self.tools.unsealed.load(Ordering::Relaxed) + self.received;
        if room.free.saturating_sub(promised) >= keep.0 {
            return Ok(());
        }
        Err(disk_full(room.free, promised, keep))
    }
}

fn disk_full(free: u64, promised: u64, keep: Size) -> Failure {
    Failure::new(format!(
        "disk full: {} free, {} promised to what waits to be sealed, {keep} kept free",
        status::bytes(free),
        status::bytes(promised)
    ))
    .fix("Free space, or wait until the hub has stored more; nothing accepted is lost")
}

impl Writer {
    fn open(tools: &IntakeTools) -> Result<Self, Failure> {
        let (mut name, mut random) = ([0; 16], [0; 48]);
        tools.env.entropy(&mut name);
        tools.env.entropy(&mut random);
        let name = karez_protocol::id::hex(&name);
        let (key, header) = tools.keys.ingest.new_file(random).map_err(unsealable)?;
        let mut blob = tools.blobs.create(&name).map_err(refused)?;
        let written = blob.append(&header);
        let writer = Self {
            blobs: tools.blobs.clone(),
            name,
            blob,
            key,
            next: 0,
            hasher: blake3::Hasher::new(),
            peek: Vec::new(),
            length: 0,
            kept: false,
        };
        written.map_err(refused)?;
        Ok(writer)
    }

    /// Seals and writes whole blocks, or, at the end, what is left.
    fn blocks(&mut self, plain: &[u8], end: bool) -> Result<(), Failure> {
        self.hasher.update(plain);
        self.length += plain.len() as u64;
        let room = PEEK.saturating_sub(self.peek.len()).min(plain.len());
        self.peek.extend_from_slice(&plain[..room]);
        let mut blocks = plain.chunks(BLOCK_PLAIN).peekable();
        while let Some(block) = blocks.next() {
            if self.next >= BLOCKS_MAX {
                return Err(Failure::new("the file is longer than any that can be sent"));
            }
            let last = end && blocks.peek().is_none();
            let sealed = self
                .key
                .seal_block(self.next, last, block)
                .map_err(unsealable)?;
            self.blob.append(&sealed).map_err(refused)?;
            self.next += 1;
        }
        Ok(())
    }

    fn close(
        &mut self,
        rest: &[u8],
        keys: &Keys,
        settings: &Settings,
        (given, scanner): (&Given, String),
    ) -> Result<Arrived, Failure> {
        self.blocks(rest, true)?;
        self.blob.sync().map_err(refused)?;
        let (info, whole) = self.look(keys)?;
        let fingerprint = Fingerprint(*self.hasher.finalize().as_bytes());
        let secret = self
            .key
            .seal_block(FINGERPRINT_BLOCK, false, fingerprint.as_bytes());
        let study = match &info.study_uid {
            Some(uid) if !uid.is_empty() => keys.clinic.study(uid.as_bytes()),
            _ => keys.clinic.study(&[b"dir\0", &given.folder[..]].concat()),
        };
        Ok(Arrived {
            blob: self.name.clone(),
            index_key: keys.clinic.index_key(&fingerprint),
            study,
            length: self.length,
            origin: Origin::File,
            secret: secret.map_err(unsealable)?,
            asked: given.class,
            ruled: settings.class_of(&info),
            whole,
            name: sop_name(keys, &info),
            said: Said::by(&info, scanner),
            source: String::new(),
        })
    }

    /// What the instance says of itself, and whether it makes sense to its end.
    fn look(&self, keys: &Keys) -> Result<(InstanceInfo, bool), Failure> {
        let unreadable = |e: std::io::Error| {
            Failure::new(format!("what was just written cannot be read: {e}"))
                .fix("Check the disk and its cable")
        };
        let all_seen = self.length <= self.peek.len() as u64;
        let plan = match all_seen {
            true => plan(&self.peek),
            false => {
                IngestFile::open(&self.blobs, &self.name, &keys.ingest).and_then(|file| plan(&file))
            }
        };
        let plan = plan.map_err(unreadable)?;
        let strange = plan.head.raw_len() == 0;
        Ok((plan.info.clone(), strange || plan.info.whole))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.kept {
            // What stays is removed at the next start: no journal names it.
            let _ = self.blobs.remove(&self.name);
        }
    }
}

fn refused(error: karez_store::Error) -> Failure {
    let failure = Failure::from(error);
    Failure {
        cause: format!("the instance was not accepted: {}", failure.cause),
        ..failure
    }
}

fn unsealable(error: SealError) -> Failure {
    Failure::new(format!("the instance could not be sealed: {error}"))
}

//! A small PACS in memory, for tests: C-ECHO, C-STORE, C-FIND by UID, storage commitment, misbehaviour.

mod found;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::commitment::{Reason, Report, Transaction};
use crate::error::{ContextRefusal, Error};
use crate::identifier::{Identifier, Level};
use crate::scp::{Association, Config, Find, Peer, Policy, Request, Store};
use crate::uid::{STORAGE_COMMITMENT, VERIFICATION};
use crate::{Status, Uid};
use found::uid_in;

const PIPE: usize = 256 << 10;
const HEAD: usize = 64 << 10;
const STUDY: [u8; 4] = [0x20, 0, 0x0D, 0];
const SERIES: [u8; 4] = [0x20, 0, 0x0E, 0];

/// What the PACS does wrong. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// No connection comes up.
    pub down: bool,
    /// Time from an instance's last byte to the answer.
    pub delay: Duration,
    /// Answer to every instance, which is then not stored.
    pub answer: Option<Status>,
    /// Answers to some instances, which are then not stored.
    pub answers: BTreeMap<Uid, Status>,
    /// Bytes of data sets that it holds before it says A700.
    pub room: Option<u64>,
    /// SOP classes whose contexts it refuses.
    pub refused_classes: BTreeSet<Uid>,
    /// Transfer syntaxes that it refuses.
    pub refused_syntaxes: BTreeSet<Uid>,
    /// Instances on which it aborts the association.
    pub abort_on: BTreeSet<Uid>,
    /// Instances that it stores, and then cuts the connection before the answer.
    pub cut_before_answer: BTreeSet<Uid>,
    /// It takes requests for storage commitment.
    pub commits: bool,
    /// It breaks off when it is asked for storage commitment, as Orthanc does for an AE title that it
    /// does not know.
    pub knows_nobody: bool,
    /// The same for every instance.
    pub cuts: bool,
    /// It stores, and answers this all the same.
    pub lies: Option<Status>,
    /// It cannot be asked: C-FIND is refused.
    pub mute: bool,
    /// The last instance of a UID stays, not the first. Orthanc keeps the first and says 0000.
    pub replaces: bool,
}

/// An instance in the PACS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// SOP class.
    pub sop_class: Uid,
    /// Transfer syntax of the data set.
    pub transfer_syntax: Uid,
    /// The study, when its UID was found in the first 64 KiB.
    pub study: Uid,
    /// The series, likewise.
    pub series: Uid,
    /// Bytes of the data set.
    pub length: u64,
    /// BLAKE3 of the data set.
    pub fingerprint: [u8; 32],
    /// The data set, when the PACS keeps it.
    pub bytes: Option<Vec<u8>>,
    /// What the sender called itself.
    pub calling: String,
    /// A fragment came with an odd length.
    pub odd_fragments: bool,
}

/// Told of each instance that was received to its end, and what is answered.
pub type Witness = Box<dyn FnMut(&Uid, &Held, Status) + Send>;

#[derive(Default)]
struct State {
    witness: Option<Witness>,
    behaviour: Behaviour,
    held: BTreeMap<Uid, Held>,
    /// Bytes of data sets taken.
    used: u64,
    order: Vec<Uid>,
    associations: u32,
    transactions: Vec<Transaction>,
}

impl State {
    fn judge(&self, instance: &Uid, held: &Held) -> Status {
        let fixed = self.behaviour.answers.get(instance).copied();
        if let Some(status) = fixed.or(self.behaviour.answer) {
            return status;
        }
        let full = |room| self.used + held.length > room;
        if self.behaviour.room.is_some_and(full) {
            return Status::OUT_OF_RESOURCES;
        }
        Status::SUCCESS
    }
}

/// The PACS; clones are the same one.
#[derive(Clone)]
pub struct Pacs {
    state: Arc<Mutex<State>>,
    config: Config,
    keeps_bytes: bool,
}

impl Pacs {
    /// An empty one. It keeps whole data sets, or their fingerprints only.
    pub fn new(keeps_bytes: bool) -> Self {
        Pacs {
            state: Arc::default(),
            config: Config::default(),
            keeps_bytes,
        }
    }

    /// With timeouts and PDU length of its own.
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Changes how it behaves, from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.lock().behaviour);
    }

    /// Has each instance told of from now on.
    pub fn on_received(&self, witness: Witness) {
        self.lock().witness = Some(witness);
    }

    /// What it holds, by SOP Instance UID.
    pub fn held(&self) -> BTreeMap<Uid, Held> {
        self.lock().held.clone()
    }

    /// SOP Instance UIDs in the order in which they were received to their end, repeats included,
    /// whatever was answered.
    pub fn received(&self) -> Vec<Uid> {
        self.lock().order.clone()
    }

    /// Associations accepted so far.
    pub fn associations(&self) -> u32 {
        self.lock().associations
    }

    /// The requests for storage commitment so far.
    pub fn transactions(&self) -> Vec<Transaction> {
        self.lock().transactions.clone()
    }

    /// What it has to say to one now.
    pub fn report_on(&self, transaction: &Transaction) -> Report {
        let state = self.lock();
        let has = |uid: &Uid| state.held.contains_key(uid);
        let (there, missing): (Vec<_>, Vec<_>) = transaction
            .references
            .iter()
            .cloned()
            .partition(|one| has(&one.sop_instance));
        let why = Reason::NO_SUCH_OBJECT;
        Report {
            uid: transaction.uid.clone(),
            committed: there,
            failed: missing.into_iter().map(|one| (one, why)).collect(),
        }
    }

    /// Forgets an instance, as when a person deletes it.
    pub fn delete(&self, instance: &Uid) {
        self.lock().held.remove(instance);
    }

    /// A connection to it in memory, served by a task of its own.
    ///
    /// # Errors
    /// Connection refused while it is down.
    pub fn connect(&self) -> io::Result<DuplexStream> {
        if self.lock().behaviour.down {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = duplex(PIPE);
        let pacs = self.clone();
        tokio::spawn(async move { pacs.serve(theirs).await });
        Ok(ours)
    }

    /// Serves connections until it is dropped, then cuts them.
    ///
    /// # Errors
    /// The listener's.
    pub async fn listen(&self, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            while connections.try_join_next().is_some() {}
            if !self.lock().behaviour.down {
                let pacs = self.clone();
                connections.spawn(async move { pacs.serve(stream).await });
            }
        }
    }

    /// Serves one connection to its end.
    ///
    /// # Errors
    /// What ended it, when it was not a release.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<(), Error> {
        let mut association = Association::accept(stream, &self.config, self).await?;
        self.lock().associations += 1;
        loop {
            match association.next().await? {
                Request::Echo | Request::Refused(..) => {}
                Request::Commit(heard) => {
                    if self.lock().behaviour.knows_nobody {
                        return Ok(());
                    }
                    self.lock().transactions.push(heard.said.clone());
                    heard.answer(Status::SUCCESS).await?;
                }
                Request::Report(heard) => heard.answer(Status::UNRECOGNIZED_OPERATION).await?,
                Request::Released => return Ok(()),
                Request::Find(find) => self.search(find).await?,
                Request::Store(store) => {
                    if !self.take(store).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes one instance; false when the association is to be dropped.
    async fn take<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut store: Store<'_, S>,
    ) -> Result<bool, Error> {
        let instance = store.announced().sop_instance.clone();
        let behaviour = self.lock().behaviour.clone();
        if behaviour.abort_on.contains(&instance) {
            store.abort().await;
            return Ok(false);
        }
        let held = self.receive(&mut store).await?;
        sleep(behaviour.delay).await;
        let status = self.keep(&instance, held);
        if behaviour.cuts || behaviour.cut_before_answer.contains(&instance) {
            return Ok(false);
        }
        store.answer(behaviour.lies.unwrap_or(status)).await?;
        Ok(true)
    }

    async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        store: &mut Store<'_, S>,
    ) -> Result<Held, Error> {
        let mut hasher = blake3::Hasher::new();
        let mut head = Vec::new();
        let mut bytes = self.keeps_bytes.then(Vec::new);
        while let Some(fragment) = store.data().await? {
            hasher.update(&fragment);
            let wanted = HEAD.saturating_sub(head.len()).min(fragment.len());
            head.extend_from_slice(fragment.get(..wanted).unwrap_or_default());
            if let Some(bytes) = &mut bytes {
                bytes.extend_from_slice(&fragment);
            }
        }
        Ok(Held {
            sop_class: store.announced().sop_class.clone(),
            transfer_syntax: store.announced().context.transfer_syntax.clone(),
            study: uid_in(&head, STUDY),
            series: uid_in(&head, SERIES),
            length: store.received(),
            fingerprint: *hasher.finalize().as_bytes(),
            bytes,
            calling: store.peer().calling.as_str().to_owned(),
            odd_fragments: store.odd_fragments(),
        })
    }

    fn keep(&self, instance: &Uid, held: Held) -> Status {
        let mut state = self.lock();
        state.order.push(instance.clone());
        let status = state.judge(instance, &held);
        if let Some(mut witness) = state.witness.take() {
            witness(instance, &held, status);
            state.witness = Some(witness);
        }
        let first = !state.held.contains_key(instance);
        if status == Status::SUCCESS && (first || state.behaviour.replaces) {
            state.used += held.length;
            let before = state.held.insert(instance.clone(), held);
            state.used -= before.map_or(0, |held| held.length);
        }
        status
    }

    async fn search<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut find: Find<'_, S>,
    ) -> Result<(), Error> {
        for answer in self.matches(&find.question) {
            find.matched(&answer).await?;
        }
        find.finish(Status::SUCCESS).await
    }

    fn matches(&self, question: &Identifier) -> Vec<Identifier> {
        let state = self.lock();
        let hits: Vec<_> = state
            .held
            .iter()
            .filter(|(uid, held)| fits(question, uid, held))
            .collect();
        match question.level() {
            Some(Level::Image) => hits.iter().map(|(uid, held)| image(uid, held)).collect(),
            Some(level) => count(question, level, hits.len()),
            None => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policy for Pacs {
    fn takes(&self, transfer_syntax: &Uid) -> bool {
        let refused = &self.lock().behaviour.refused_syntaxes;
        !refused.contains(transfer_syntax)
    }

    fn allow(&self, _: &Peer, abstract_syntax: &Uid) -> Result<(), ContextRefusal> {
        let behaviour = &self.lock().behaviour;
        let known = abstract_syntax.as_str() == VERIFICATION
            || abstract_syntax.may_be_storage()
            || (abstract_syntax.as_str() == STORAGE_COMMITMENT && behaviour.commits)
            || (abstract_syntax.is_find() && !behaviour.mute);
        if known && !behaviour.refused_classes.contains(abstract_syntax) {
            Ok(())
        } else {
            Err(ContextRefusal::SopClass)
        }
    }
}

fn fits(question: &Identifier, uid: &Uid, held: &Held) -> bool {
    let wanted = |asked: Option<Uid>, have: &Uid| asked.is_none_or(|asked| asked == *have);
    wanted(question.sop_instance(), uid)
        && wanted(question.study_uid(), &held.study)
        && wanted(question.series_uid(), &held.series)
}

fn image(uid: &Uid, held: &Held) -> Identifier {
    let mut answer = Identifier::image(&held.study, &held.series, uid);
    answer.set_uid(crate::Tag(0x0008, 0x0016), &held.sop_class);
    answer
}

fn count(question: &Identifier, level: Level, hits: usize) -> Vec<Identifier> {
    if hits == 0 {
        return Vec::new();
    }
    let mut answer = question.clone();
    match level {
        Level::Series => answer.set_series_instances(hits),
        Level::Study | Level::Image => answer.set_study_instances(hits),
    }
    vec![answer]
}

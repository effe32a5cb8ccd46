//! Questions on a silent link and their answers (see [`karez_protocol::link::probe`]).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use karez_protocol::link::probe::{ProbeKey, QUESTION_LEN, Tag, answer_nonce, question_tag};
use quinn::AsyncUdpSocket;
use quinn::udp::Transmit;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::kick::Jitter;
use crate::server::Admit;
use crate::steer::{Memory, lock};

/// Questions that may still be answered.
const OPEN_MAX: usize = 64;
/// A clinic is answered once in this time.
const ANSWER_EVERY: Duration = Duration::from_secs(1);
/// Clinics whose last answer is remembered; beyond, nobody is answered.
const CLINICS_MAX: usize = 8192;

/// Who asks: over one socket, about one connection.
pub(crate) struct Prober {
    tag: Tag,
    key: KeyPlace,
    /// The first half of all its nonces; by it a hub knows whose answer it is.
    id: u32,
    state: Mutex<Asked>,
    news: Arc<Notify>,
}

enum KeyPlace {
    /// Where a hub's message will put it, at a clinic.
    Told(Memory),
    /// Made here, at a hub.
    Own(ProbeKey),
}

struct Asked {
    open: VecDeque<[u8; 8]>,
    nonces: Jitter,
    answered: Option<Instant>,
}

impl Prober {
    /// A clinic's, with the key that the hub tells.
    pub(crate) fn new(tag: Tag, memory: Memory, seed: u64) -> Arc<Self> {
        Self::with(tag, KeyPlace::Told(memory), 0, seed)
    }

    fn with(tag: Tag, key: KeyPlace, id: u32, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            tag,
            key,
            id,
            state: Mutex::new(Asked {
                open: VecDeque::new(),
                nonces: Jitter(seed),
                answered: None,
            }),
            news: Arc::default(),
        })
    }

    /// Answers a question of the hub.
    fn answer(&self, datagram: &[u8], from: SocketAddr, socket: &dyn AsyncUdpSocket) {
        if question_tag(datagram) != Some(self.tag) {
            return;
        }
        let Some(key) = self.key() else { return };
        if let Some(nonce) = key.check_question(datagram) {
            drop(socket.try_send(&transmit(from, &key.answer(nonce))));
            // That it came through says as much as an answer.
            self.state().answered = Some(Instant::now());
            self.news.notify_one();
        }
    }

    /// Whether a hub is who asks.
    pub(crate) const fn is_hub(&self) -> bool {
        matches!(self.key, KeyPlace::Own(_))
    }

    /// Whether the key is known.
    pub(crate) fn can_ask(&self) -> bool {
        self.key().is_some()
    }

    /// Sends a question, if the key is known.
    pub(crate) fn ask(&self, socket: &dyn AsyncUdpSocket, remote: SocketAddr) {
        let Some(key) = self.key() else { return };
        let nonce = {
            let mut state = self.state();
            let random = state.nonces.bits() & 0xffff_ffff_0000_0000;
            let nonce = (random | u64::from(self.id)).to_le_bytes();
            if state.open.len() >= OPEN_MAX {
                state.open.pop_front();
            }
            state.open.push_back(nonce);
            nonce
        };
        let question = key.question(self.tag, nonce);
        // Nobody hears a question that was not sent either; the next one is due soon.
        drop(socket.try_send(&transmit(remote, &question)));
    }

    /// Looks at a datagram that came.
    pub(crate) fn hear(&self, datagram: &[u8]) {
        if answer_nonce(datagram).is_none() {
            return;
        }
        let Some(nonce) = self.key().and_then(|key| key.check_answer(datagram)) else {
            return;
        };
        let mut state = self.state();
        if state.open.contains(&nonce) {
            state.open.clear();
            state.answered = Some(Instant::now());
            self.news.notify_one();
        }
    }

    /// When the last answer came.
    pub(crate) fn answered(&self) -> Option<Instant> {
        self.state().answered
    }

    /// The next answer.
    pub(crate) fn news(&self) -> OwnedNotified {
        self.news.clone().notified_owned()
    }

    fn key(&self) -> Option<ProbeKey> {
        match &self.key {
            KeyPlace::Told(memory) => lock(memory).probe.clone(),
            KeyPlace::Own(key) => Some(key.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, Asked> {
        lock(&self.state)
    }
}

/// The hub's side: answers its clinics, and nobody else; hears their answers.
pub(crate) struct Responder {
    secret: Zeroizing<[u8; 32]>,
    admit: Arc<dyn Admit>,
    last: Mutex<BTreeMap<Tag, Instant>>,
    askers: Mutex<BTreeMap<u32, Weak<Prober>>>,
}

impl Responder {
    pub(crate) fn new(secret: Zeroizing<[u8; 32]>, admit: Arc<dyn Admit>) -> Self {
        Self {
            secret,
            admit,
            last: Mutex::default(),
            askers: Mutex::default(),
        }
    }

    /// Asks a clinic about one connection.
    pub(crate) fn prober(&self, tag: Tag, seed: u64) -> Arc<Prober> {
        let mut askers = lock(&self.askers);
        // As many as there are connections; the dead go when a newcomer finds them.
        askers.retain(|_, asker| asker.strong_count() > 0);
        let id = askers
            .last_key_value()
            .map_or(0, |(id, _)| *id)
            .wrapping_add(1);
        let prober = Prober::with(tag, KeyPlace::Own(self.key(tag)), id, seed);
        askers.insert(id, Arc::downgrade(&prober));
        prober
    }

    /// What a clinic must be told to be answered.
    pub(crate) fn key(&self, tag: Tag) -> ProbeKey {
        ProbeKey::derive(&self.secret, tag)
    }

    /// Answers a datagram that is a question and deserves it.
    pub(crate) fn hear(&self, datagram: &[u8], from: SocketAddr, socket: &dyn AsyncUdpSocket) {
        if let Some(id) = answer_nonce(datagram) {
            let [a, b, c, d, ..] = id;
            let id = u32::from_le_bytes([a, b, c, d]);
            let asker = lock(&self.askers).get(&id).and_then(Weak::upgrade);
            return asker.map_or((), |asker| asker.hear(datagram));
        }
        let Some(tag) = question_tag(datagram) else {
            return;
        };
        let key = self.key(tag);
        let Some(nonce) = key.check_question(datagram) else {
            return;
        };
        if self.admit.answers(&tag) && self.is_due(tag) {
            // A lost answer is asked for again.
            drop(socket.try_send(&transmit(from, &key.answer(nonce))));
        }
    }

    fn is_due(&self, tag: Tag) -> bool {
        let now = Instant::now();
        let mut last = lock(&self.last);
        if last.len() >= CLINICS_MAX {
            last.retain(|_, at| *at + ANSWER_EVERY > now);
        }
        let recent = last.get(&tag).is_some_and(|at| *at + ANSWER_EVERY > now);
        if recent || last.len() >= CLINICS_MAX {
            return false;
        }
        last.insert(tag, now);
        true
    }
}

/// Whose datagrams a socket looks at.
pub(crate) enum Ear {
    Clinic(Arc<Prober>),
    Hub(Arc<Responder>),
}

impl Ear {
    /// Looks at what came; a batch holds datagrams of `stride` bytes.
    pub(crate) fn hear(
        &self,
        batch: &[u8],
        stride: usize,
        from: SocketAddr,
        socket: &dyn AsyncUdpSocket,
    ) {
        for datagram in batch.chunks(stride.max(1)) {
            if datagram.len() <= QUESTION_LEN {
                match self {
                    Self::Clinic(prober) => {
                        prober.hear(datagram);
                        prober.answer(datagram, from, socket);
                    }
                    Self::Hub(responder) => responder.hear(datagram, from, socket),
                }
            }
        }
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ear")
    }
}

fn transmit(destination: SocketAddr, contents: &[u8]) -> Transmit<'_> {
    Transmit {
        destination,
        ecn: None,
        contents,
        segment_size: None,
        src_ip: None,
    }
}

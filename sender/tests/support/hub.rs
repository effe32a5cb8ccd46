//! A hub of the core's `Sink` and a real store, which rebuilds what it gets and signs for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use karez_protocol::id::{Epoch, HubKeyId, PeerId, ProcessId, SegmentId, StudyId};
use karez_protocol::invitation::Invitation;
use karez_protocol::manifest::{NamedRecords, Proof, Receipt, ReceiptKind, RootHasher};
use karez_protocol::resume::{RunSet, What};
use karez_protocol::seal::{HubKeys, HubSeed, Identity, Signed};
use karez_protocol::session::{Lane, Sink, SinkEvent};
use karez_protocol::units::Moment;
use karez_protocol::wire::{Frame, Hello, Joined, Refusal};
use karez_quic::{Admission, Admit, Alpn, Connection, LinkConfig, Server};
use karez_store::{Kind, MemDisk, Store};
use tokio::time::Instant;

use super::net::World;

const TOKEN: [u8; 16] = [5; 16];

#[derive(Clone)]
pub struct Hub {
    pub state: Arc<Mutex<State>>,
    peer: PeerId,
}

pub struct State {
    pub(super) identity: Identity,
    pub(super) keys: Arc<HubKeys>,
    pub(super) sinks: BTreeMap<PeerId, Sink>,
    pub(super) stores: BTreeMap<PeerId, Store>,
    start: Instant,
    /// Whether it signs for what it has.
    pub signs: bool,
    /// The kinds of receipts that it gives.
    pub kinds: Vec<ReceiptKind>,
    /// Every rebuilt instance, in order.
    pub rebuilt: Vec<(StudyId, Vec<u8>)>,
    /// How each came in, in the same order.
    pub origins: Vec<karez_protocol::manifest::Origin>,
    pub chunks_taken: u64,
    pub chunks_twice: u64,
    pub revised: Vec<(StudyId, Vec<(SegmentId, u64)>)>,
    pub classes: Vec<(StudyId, karez_protocol::priority::Class)>,
    pub gone: Vec<(SegmentId, RunSet)>,
    pub revoked: bool,
    pub speaks: (u8, u8),
    /// The codecs that it says it reads, when it next says anything; none: it says nothing.
    pub reads: Vec<u8>,
    pub hellos: Vec<Hello>,
    /// Studies in the order in which their first chunks came.
    pub order: Vec<StudyId>,
    pub(super) receipts: Vec<(PeerId, Receipt, Signed)>,
}

struct Doors(Arc<Mutex<State>>);

impl Admit for Doors {
    fn admit(&self, peer: &PeerId, alpn: Alpn) -> Admission {
        let state = self.0.lock().unwrap();
        match alpn {
            Alpn::Join => Admission::Welcome,
            Alpn::Session if state.revoked => Admission::Revoked,
            Alpn::Session if state.sinks.contains_key(peer) => Admission::Welcome,
            Alpn::Session => Admission::Unknown,
        }
    }
}

impl Hub {
    /// A hub on machine 1.
    pub fn new() -> Self {
        let seed = HubSeed::new([7; 32]);
        let identity = seed.identity();
        let peer = identity.peer();
        let state = State {
            identity,
            keys: Arc::new(seed.keys(HubKeyId(0))),
            sinks: BTreeMap::new(),
            stores: BTreeMap::new(),
            start: Instant::now(),
            signs: true,
            kinds: vec![ReceiptKind::Verified, ReceiptKind::Stored],
            rebuilt: Vec::new(),
            origins: Vec::new(),
            chunks_taken: 0,
            chunks_twice: 0,
            revised: Vec::new(),
            classes: Vec::new(),
            gone: Vec::new(),
            revoked: false,
            speaks: (1, 1),
            reads: Vec::new(),
            hellos: Vec::new(),
            order: Vec::new(),
            receipts: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            peer,
        }
    }

    pub fn invitation(&self) -> String {
        let invitation = Invitation {
            hub: self.peer,
            token: TOKEN,
            addresses: vec!["10.0.0.1:4433".to_owned()],
        };
        invitation.to_line().unwrap()
    }

    /// Listens until the task is aborted.
    pub fn serve(&self, net: &World) -> tokio::task::JoinHandle<()> {
        let identity = self.state.lock().unwrap().identity.secret();
        let identity = karez_quic::Identity::from_seed(&identity);
        let at = "10.0.0.1:4433".parse().unwrap();
        let doors = Arc::new(Doors(self.state.clone()));
        let config = LinkConfig::default();
        let mut server = Server::bind(&net.machine(1), at, &identity, &config, doors).unwrap();
        let hub = self.clone();
        tokio::spawn(async move {
            let mut talks = tokio::task::JoinSet::new();
            loop {
                let connection = server.accept().await.unwrap();
                let hub = hub.clone();
                match connection.alpn() {
                    Alpn::Join => talks.spawn(async move { hub.join(&connection).await }),
                    Alpn::Session => talks.spawn(async move { hub.talk(&connection).await }),
                };
            }
        })
    }

    /// The hub's memory goes, its disk stays: another epoch.
    pub fn restart(&self) {
        self.state.lock().unwrap().restore();
    }

    pub fn rebuilt(&self) -> usize {
        self.state.lock().unwrap().rebuilt.len()
    }

    /// The keys of all segments, as the hub derives them.
    pub fn segment_keys(&self) -> Vec<[u8; 32]> {
        let state = self.state.lock().unwrap();
        let sinks = state.sinks.values();
        sinks
            .flat_map(|sink| sink.segments().filter_map(|(id, _)| sink.key(id)))
            .map(|key| *key.expose_for_search())
            .collect()
    }

    async fn join(&self, connection: &Connection) {
        let Ok((_, bytes)) = connection.recv().await else {
            return;
        };
        let Ok(Frame::Join(join)) = Frame::from_bytes(&bytes) else {
            return;
        };
        let answer = {
            let mut state = self.state.lock().unwrap();
            if join.token == TOKEN {
                state.enrol(connection.peer());
                Frame::Joined(Joined {
                    name: "clinic one".to_owned(),
                    keys: state.keys.newest().sign(&state.identity),
                })
            } else {
                Frame::Refused(Refusal {
                    code: Refusal::TOKEN,
                    text: "the token is unknown".to_owned(),
                })
            }
        };
        let _ = connection
            .send(Lane::Control, answer.to_bytes().into())
            .await;
        connection.finish(Duration::from_secs(20)).await;
    }

    async fn talk(&self, connection: &Connection) {
        let clinic = connection.peer();
        let hello = self.state.lock().unwrap().hello(clinic);
        let _ = connection
            .send(Lane::Control, hello.to_bytes().into())
            .await;
        loop {
            let frames = self.state.lock().unwrap().frames(clinic);
            for frame in frames {
                if connection
                    .send(Lane::Control, frame.to_bytes().into())
                    .await
                    .is_err()
                {
                    return self.state.lock().unwrap().cut(clinic);
                }
            }
            tokio::select! {
                received = connection.recv() => match received {
                    Ok((_, bytes)) => self.state.lock().unwrap().take(clinic, &bytes),
                    Err(_) => return self.state.lock().unwrap().cut(clinic),
                },
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    self.state.lock().unwrap().tick(clinic);
                }
            }
        }
    }
}

impl State {
    pub(super) fn now(&self) -> Moment {
        Moment(Instant::now() - self.start)
    }

    pub(super) fn epoch(&self) -> Epoch {
        let mut epoch = [0; 8];
        epoch.copy_from_slice(
            &blake3::hash(&(Instant::now() - self.start).as_nanos().to_le_bytes()).as_bytes()[..8],
        );
        Epoch(epoch)
    }

    fn enrol(&mut self, clinic: PeerId) {
        if self.sinks.contains_key(&clinic) {
            return;
        }
        let (me, keys, epoch) = (self.identity.peer(), self.keys.clone(), self.epoch());
        self.sinks
            .insert(clinic, Sink::new(me, clinic, keys, epoch));
        let opened = Store::open(Arc::new(MemDisk::new()), Path::new("/hub"));
        self.stores.insert(clinic, opened.unwrap().0);
    }

    fn hello(&self, clinic: PeerId) -> Frame {
        Frame::Hello(Hello {
            oldest: self.speaks.0,
            newest: self.speaks.1,
            process: ProcessId([1; 8]),
            epoch: self.sinks[&clinic].epoch(),
            hub_key: HubKeyId(0),
            agent: "test hub".to_owned(),
        })
    }

    fn take(&mut self, clinic: PeerId, bytes: &[u8]) {
        let frame = Frame::from_bytes(bytes).unwrap();
        if let Frame::Hello(hello) = frame {
            return self.hellos.push(hello);
        }
        if let Frame::Chunk {
            segment, serial, ..
        } = &frame
        {
            self.chunks_taken += 1;
            self.chunks_twice +=
                u64::from(self.stores[&clinic].contains(*segment, Kind::Chunk, *serial));
            let study = self.sinks[&clinic].segments().find(|(id, _)| id == segment);
            if let Some((_, study)) = study.filter(|(_, s)| !self.order.contains(s)) {
                self.order.push(study);
            }
        }
        let now = self.now();
        self.sinks
            .get_mut(&clinic)
            .unwrap()
            .handle_frame(now, frame)
            .unwrap();
        self.collect(clinic);
    }

    pub(super) fn collect(&mut self, clinic: PeerId) {
        let now = self.now();
        while let Some(event) = self.sinks.get_mut(&clinic).unwrap().poll_event() {
            match event {
                SinkEvent::Persist {
                    segment,
                    what,
                    bytes,
                } => {
                    let store = self.stores.get_mut(&clinic).unwrap();
                    match what {
                        What::Head => store.create_segment(segment, &bytes).unwrap(),
                        What::Record(n) => store.append(segment, Kind::Record, n, &bytes).unwrap(),
                        What::Chunk(n) => store.append(segment, Kind::Chunk, n, &bytes).unwrap(),
                        What::Note(tag, n) => {
                            store.append(segment, Kind::Note(tag), n, &bytes).unwrap();
                        }
                    }
                    for stored in store.commit().unwrap().entries {
                        self.sinks
                            .get_mut(&clinic)
                            .unwrap()
                            .stored(now, stored.into());
                    }
                }
                SinkEvent::Instance {
                    study,
                    segment,
                    first,
                    end,
                } => {
                    self.instance(clinic, study, segment, first..end);
                }
                SinkEvent::Class(study, class) => self.classes.push((study, class)),
                SinkEvent::Revised(study, segments) => self.revised.push((study, segments)),
                SinkEvent::Gone {
                    segment, records, ..
                } => self.gone.push((segment, records)),
            }
        }
    }

    fn instance(
        &mut self,
        clinic: PeerId,
        study: StudyId,
        segment: SegmentId,
        records: std::ops::Range<u64>,
    ) {
        let known = |r: &Receipt| {
            let named = r.records.iter().find(|n| n.segment == segment);
            named.is_some_and(|n| n.set().covers(&records))
        };
        if self
            .receipts
            .iter()
            .any(|(of, r, _)| *of == clinic && known(r))
        {
            return;
        }
        let raw = self.rebuild(clinic, segment, records.clone());
        self.rebuilt.push((study, raw));
        if self.signs {
            for kind in self.kinds.clone() {
                self.attest(clinic, study, segment, records.clone(), kind);
            }
        }
    }

    pub fn attest(
        &mut self,
        clinic: PeerId,
        study: StudyId,
        segment: SegmentId,
        records: std::ops::Range<u64>,
        kind: ReceiptKind,
    ) {
        let mut root = RootHasher::default();
        root.segment(segment);
        let store = self.stores.get_mut(&clinic).unwrap();
        for number in records.clone() {
            let hash = store.hash(segment, Kind::Record, number).unwrap().unwrap();
            root.record(number, &hash);
        }
        let receipt = Receipt {
            kind,
            proof: Proof::Status,
            hub_key: HubKeyId(0),
            clinic,
            study,
            records: vec![NamedRecords::of(segment, &[records].into_iter().collect())],
            root: root.finish(),
            reason: if kind == ReceiptKind::Parked {
                "on purpose".to_owned()
            } else {
                String::new()
            },
            audit: [0; 32],
        };
        let signed = receipt.sign(&self.identity);
        self.sinks
            .get_mut(&clinic)
            .unwrap()
            .add_receipt(&receipt, &signed);
        self.receipts.push((clinic, receipt, signed));
    }

    fn frames(&mut self, clinic: PeerId) -> Vec<Frame> {
        let sink = self.sinks.get_mut(&clinic).unwrap();
        let reads = Some(std::mem::take(&mut self.reads)).filter(|r| !r.is_empty());
        let said = std::iter::from_fn(|| sink.poll_transmit());
        reads.map(Frame::Reads).into_iter().chain(said).collect()
    }

    fn tick(&mut self, clinic: PeerId) {
        let now = self.now();
        self.sinks.get_mut(&clinic).unwrap().handle_timeout(now);
    }

    fn cut(&mut self, clinic: PeerId) {
        self.sinks.get_mut(&clinic).unwrap().disconnected();
    }
}

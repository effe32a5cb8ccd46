//! A source and a sink with stores of their own and a link between them that does as it is told.

mod clinic;
mod hub;

use std::collections::VecDeque;
use std::time::Duration;

use karez_protocol::session::Lane;
use karez_protocol::units::Moment;
use karez_protocol::wire::Frame;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use clinic::Clinic;
use hub::Hub;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// So many frames are sent or delivered.
    Deliver(usize),
    /// An instance is accepted and packed; the same `content` gives the same raw parts.
    Accept {
        parts: u8,
        content: u8,
    },
    /// The hub's store syncs.
    Sync,
    /// Seconds pass.
    Wait(u64),
    Cut,
    Connect,
    /// The clinic's process is killed and started again.
    RestartSource,
    /// The hub's process is killed before its next sync and started again.
    KillSink,
    /// The next frame arrives twice.
    Repeat,
    /// A chunk at the hub is found rotten.
    Rot(u8),
    Full,
    Free,
    Prioritise(u8),
    /// The next chunk is altered on the way.
    Flip,
}

pub(crate) struct World {
    now: Moment,
    rng: ChaCha8Rng,
    clinic: Clinic,
    hub: Hub,
    up: VecDeque<(Lane, Frame)>,
    down: VecDeque<Frame>,
    connected: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let hub = Hub::new(&mut rng);
        let clinic = Clinic::new(hub.peer(), hub.public());
        let mut hub = hub;
        hub.enrol(clinic.peer(), &mut rng);
        Self {
            now: Moment(Duration::ZERO),
            rng,
            clinic,
            hub,
            up: VecDeque::new(),
            down: VecDeque::new(),
            connected: false,
        }
    }

    /// The clinic offers every part that this other one has sent.
    pub(crate) fn offers_what(&mut self, other: &Self) {
        self.clinic.offers_what(&other.clinic);
    }

    pub(crate) fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Deliver(n) => {
                for _ in 0..n {
                    self.step();
                }
            }
            Fault::Accept { parts, content } => {
                let random = self.random();
                self.clinic.accept(self.now, parts, content, random);
            }
            Fault::Sync => self.hub.sync(self.now),
            Fault::Wait(seconds) => self.wait(seconds),
            Fault::Cut => self.cut(),
            Fault::Connect => self.connect(),
            Fault::RestartSource => {
                self.cut();
                self.clinic.restart(self.now);
            }
            Fault::KillSink => {
                self.cut();
                self.hub.kill(self.now, &mut self.rng);
            }
            Fault::Repeat => {
                if let Some(frame) = self.up.front().cloned() {
                    self.up.push_front(frame);
                }
            }
            Fault::Rot(pick) => self.hub.rot(pick, &mut self.rng),
            Fault::Full => self.hub.full(true),
            Fault::Free => self.hub.full(false),
            Fault::Prioritise(pick) => self.clinic.prioritise(pick),
            Fault::Flip => {
                let chunk = self.up.iter_mut().find_map(|(_, frame)| match frame {
                    Frame::Chunk { sealed, .. } => Some(sealed),
                    _ => None,
                });
                if let Some(byte) = chunk.and_then(|sealed| sealed.first_mut()) {
                    *byte ^= 1;
                }
            }
        }
    }

    /// Ends all faults and lets the two run until nothing moves, time passing in between.
    pub(crate) fn heal(&mut self) {
        self.hub.full(false);
        self.cut();
        self.connect();
        for _ in 0..200 {
            let mut moved = 0;
            while self.step() {
                moved += 1;
                assert!(moved < 100_000, "the two talk for ever");
                if moved % 7 == 0 {
                    self.hub.sync(self.now);
                }
            }
            self.hub.sync(self.now);
            self.wait(3);
            if moved == 0
                && self.clinic.all_released()
                && self.up.is_empty()
                && self.down.is_empty()
            {
                return;
            }
        }
        panic!("no completion: {}", self.clinic.describe());
    }

    pub(crate) fn check(&self) {
        self.hub.check(&self.clinic.store);
    }

    pub(crate) fn check_complete(&self) {
        self.check();
        assert!(self.clinic.all_released(), "{}", self.clinic.describe());
        assert_eq!(
            self.hub.instances_told(),
            self.clinic.instances(),
            "each instance once"
        );
        self.hub.check_rebuilt(&self.clinic.store);
    }

    /// Chunks that reached the hub though they were durable there.
    pub(crate) fn arrived_twice(&self) -> usize {
        self.hub.arrived_twice
    }

    pub(crate) fn chunks_sent(&self) -> usize {
        self.clinic.chunks_sent
    }

    /// One frame is sent, or delivered in one direction. Lanes may overtake each other.
    fn step(&mut self) -> bool {
        if !self.connected {
            return false;
        }
        self.down.extend(self.hub.frames());
        let choice = self.rng.next_u32() % 3;
        for turn in 0..3 {
            let moved = match (choice + turn) % 3 {
                0 => self.send(),
                1 => self.deliver_up(),
                _ => self.deliver_down(),
            };
            if moved {
                return true;
            }
        }
        false
    }

    fn send(&mut self) -> bool {
        if self.up.len() > 12 {
            return false;
        }
        let next = self.clinic.next(self.now);
        let sent = next.is_some();
        self.up.extend(next);
        sent
    }

    fn deliver_up(&mut self) -> bool {
        let Some((first, _)) = self.up.front() else {
            return false;
        };
        let first = *first;
        let other = self.up.iter().position(|(lane, _)| *lane != first);
        let overtakes = self.rng.next_u32().is_multiple_of(4);
        let index = other.filter(|_| overtakes).unwrap_or(0);
        if let Some((_, frame)) = self.up.remove(index) {
            self.hub.take(self.now, frame);
        }
        true
    }

    fn deliver_down(&mut self) -> bool {
        let Some(frame) = self.down.pop_front() else {
            return false;
        };
        self.clinic.hear(frame);
        true
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.clinic.source.handle_timeout(self.now);
        self.hub.timeout(self.now);
    }

    fn connect(&mut self) {
        if !self.connected {
            self.connected = true;
            self.clinic.source.connected(self.now);
            self.clinic.source.hear_epoch(self.hub.epoch());
        }
    }

    fn cut(&mut self) {
        if self.connected {
            self.connected = false;
            self.up.clear();
            self.down.clear();
            self.clinic.source.disconnected();
            self.hub.disconnected();
        }
    }

    fn random(&mut self) -> [u8; 32] {
        let mut random = [0; 32];
        self.rng.fill_bytes(&mut random);
        random
    }
}

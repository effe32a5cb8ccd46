//! Carries packets between the two devices through the link, in real time.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tun_rs::SyncDevice;

use super::packet::{damage, flow};
use crate::link::{Counters, Direction, Link, Way};

/// Packets between a reader and the pump; the device's own queue stands behind it.
const CHANNEL: usize = 1024;
/// How long the pump sleeps at most: it looks for the end of a command in between.
const TICK: Duration = Duration::from_millis(10);
/// How long what is in flight may take to arrive when a command has ended.
const LINGER: Duration = Duration::from_secs(3);
/// Longest packet that a device may hand over.
const LARGEST: usize = 65_536;

struct Read {
    at: Instant,
    direction: Direction,
    packet: Vec<u8>,
}

pub(super) struct Pump {
    link: Link<Vec<u8>>,
    epoch: Instant,
    start: Duration,
    last: Duration,
    packets: Receiver<Read>,
    clinic: Arc<SyncDevice>,
    hub: Arc<SyncDevice>,
}

impl Pump {
    /// Starts reading both devices; the link's time begins at `start`.
    pub(super) fn start(
        link: Link<Vec<u8>>,
        start: Duration,
        clinic: Arc<SyncDevice>,
        hub: Arc<SyncDevice>,
    ) -> Self {
        let (sender, packets) = sync_channel(CHANNEL);
        read_into(sender.clone(), Arc::clone(&clinic), Direction::Up);
        read_into(sender, Arc::clone(&hub), Direction::Down);
        Self {
            link,
            epoch: Instant::now(),
            start,
            last: start,
            packets,
            clinic,
            hub,
        }
    }

    /// Carries packets until `done`, for `limit` at most.
    pub(super) fn run(
        &mut self,
        limit: Duration,
        mut done: impl FnMut() -> bool,
    ) -> io::Result<()> {
        let until = self.now().saturating_add(limit);
        let mut look_at = self.now();
        while self.now() < until {
            if self.now() >= look_at {
                if done() {
                    break;
                }
                look_at = self.now() + TICK;
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Lets what is in flight arrive.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let until = self.now() + LINGER;
        while self.link.next_event().is_some() && self.now() < until {
            self.turn()?;
        }
        Ok(())
    }

    /// The time that passed and what was counted.
    pub(super) fn results(&self) -> (Duration, Counters, Counters) {
        let count = |direction| self.link.counters(direction).clone();
        (
            self.epoch.elapsed(),
            count(Direction::Up),
            count(Direction::Down),
        )
    }

    fn now(&self) -> Duration {
        self.start + self.epoch.elapsed()
    }

    /// Delivers what is due, then waits for a packet or the next delivery.
    fn turn(&mut self) -> io::Result<()> {
        while let Some(mut delivery) = self.link.poll(self.now()) {
            if let Some(flip) = delivery.flip {
                damage(&mut delivery.packet, flip);
            }
            let device = match delivery.direction {
                Direction::Up => &self.hub,
                Direction::Down => &self.clinic,
            };
            device.send(&delivery.packet)?;
        }
        let now = self.now();
        let wait = self
            .link
            .next_event()
            .map_or(TICK, |at| at.saturating_sub(now).min(TICK));
        match self.packets.recv_timeout(wait) {
            Ok(read) => {
                self.offer(read);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("both devices closed")),
        }
    }

    fn offer(&mut self, read: Read) {
        let Some(flow) = flow(&read.packet, read.direction) else {
            return;
        };
        // Two readers: their times may cross by microseconds, the link's must not.
        let at = (self.start + read.at.saturating_duration_since(self.epoch)).max(self.last);
        self.last = at;
        let way = match read.direction {
            Direction::Up => Way::Up(flow),
            Direction::Down => self.link.way_back(at, flow),
        };
        let bytes = read.packet.len();
        self.link.send(at, way, read.packet, bytes);
    }
}

/// Reads a device until it is closed or nobody listens.
fn read_into(sender: SyncSender<Read>, device: Arc<SyncDevice>, direction: Direction) {
    thread::spawn(move || {
        let mut buffer = vec![0; LARGEST];
        while let Ok(length) = device.recv(&mut buffer) {
            let packet = buffer.get(..length).unwrap_or_default().to_vec();
            if sender
                .send(Read {
                    at: Instant::now(),
                    direction,
                    packet,
                })
                .is_err()
            {
                return;
            }
        }
    });
}

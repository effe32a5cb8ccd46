//! Connections: what clinics say, and what they are told.

use bytes::Bytes;
use karez_imaging::Codecs;
use karez_protocol::id::PeerId;
use karez_protocol::resume::What;
use karez_protocol::wire::{Frame, HEAD_OF_FRAME, Hello, NEWEST_VERSION, WireError};
use karez_quic::{Close, Lane, code};
use karez_store::Kind;
use tracing::{debug, info, warn};

use super::clinic::Live;
use super::{Engine, Opened};
use crate::limits::FRAMES_A_TURN;
use crate::registry::Entry;

/// What this program calls itself.
const AGENT: &str = concat!("karez-receiver ", env!("CARGO_PKG_VERSION"));
/// The code of a refusal for a wire version, among the daemons' own.
const BAD_VERSION: u32 = 16;

impl Engine {
    pub(super) fn opened(&mut self, opened: Opened) {
        let (now, keys) = (self.now(), self.keys_frame());
        let mut live = Live {
            port: opened.port,
            link: opened.link,
            closer: Some(opened.closer),
            process: None,
            doubted_at: None,
        };
        let Some(clinic) = self.clinics.get_mut(&opened.peer).filter(|c| !c.revoked) else {
            return live.cut(&Close::new(code::REVOKED, "this key was revoked"));
        };
        let hello = Frame::Hello(Hello {
            oldest: HEAD_OF_FRAME,
            newest: NEWEST_VERSION,
            process: self.process,
            epoch: clinic.sink.epoch(),
            hub_key: self.keys.ring.newest_id(),
            agent: AGENT.into(),
        });
        let busy = clinic
            .sink
            .full()
            .map(|reason| Frame::Busy(reason.to_owned()));
        for frame in [hello, keys].into_iter().chain(busy) {
            live.port.push(Lane::Control, Bytes::from(frame.to_bytes()));
        }
        clinic.live.insert(opened.id, live);
        clinic.heard_at = Some(now);
        clinic.sink.ask_for_open();
    }

    /// The hub's public key. A peer that is there acknowledges it, whatever it makes of it.
    pub(super) fn keys_frame(&self) -> Frame {
        Frame::Keys(self.keys.ring.newest().sign(&self.keys.identity))
    }

    pub(super) fn closed(&mut self, peer: PeerId, id: u64) {
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        if clinic.live.remove(&id).is_some() && clinic.live.is_empty() {
            clinic.sink.disconnected();
        }
    }

    /// Takes in what has come, a frame from each connection in turn; whether there may be more.
    pub(super) fn hear_all(&mut self) -> bool {
        let lines = |(peer, clinic): (&PeerId, &super::Clinic)| {
            let peer = *peer;
            clinic
                .live
                .keys()
                .map(move |id| (peer, *id))
                .collect::<Vec<_>>()
        };
        let mut lines: Vec<_> = self.clinics.iter().flat_map(lines).collect();
        let mut budget = FRAMES_A_TURN;
        while !lines.is_empty() {
            let mut spoke = Vec::new();
            for (peer, id) in lines {
                if budget == 0 {
                    return true;
                }
                if self.hear_one(peer, id) {
                    budget -= 1;
                    spoke.push((peer, id));
                }
            }
            lines = spoke;
        }
        false
    }

    /// One frame of one connection, if there is one and its answers have room.
    fn hear_one(&mut self, peer: PeerId, id: u64) -> bool {
        let now = self.now();
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return false;
        };
        let Some(live) = clinic.live.get_mut(&id) else {
            return false;
        };
        if !live.port.room(Lane::Control) {
            return false;
        }
        let Some((_, bytes)) = live.port.take() else {
            return false;
        };
        clinic.heard_at = Some(now);
        match Frame::from_bytes(&bytes) {
            Ok(Frame::Hello(hello)) => self.greeted(peer, id, &hello),
            Ok(frame) => self.hear(peer, frame),
            Err(error @ WireError::Unknown(_)) => debug!(%error, "passed over"),
            Err(error) => {
                warn!(clinic = peer.short(), %error, "a frame is refused");
                live.cut(&Close::new(code::BAD_FRAME, &error.to_string()));
            }
        }
        self.collect(peer);
        true
    }

    fn hear(&mut self, peer: PeerId, frame: Frame) {
        let now = self.moment();
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        let chunk = match &frame {
            Frame::Chunk {
                segment,
                serial,
                sealed,
            } => Some((*segment, *serial, sealed.len() as u64)),
            _ => None,
        };
        if let Some((segment, serial, length)) = chunk {
            let here = self.store.contains(segment, Kind::Chunk, serial)
                || self.writing.contains_key(&(segment, What::Chunk(serial)))
                || clinic.sink.went(segment, serial);
            if here {
                *self.resent.entry(peer).or_default() += length;
            }
        }
        clinic.announced |= matches!(frame, Frame::Record { .. } | Frame::Head(_));
        let priority = match &frame {
            Frame::Priority {
                study,
                class,
                counter,
            } => Some((*study, *class, *counter)),
            _ => None,
        };
        if let Err(error) = clinic.sink.handle_frame(now, frame) {
            if error.retry() == karez_protocol::Retry::Later {
                debug!(%error, "a frame is asked for again");
            } else {
                warn!(%error, "a frame is not taken");
                clinic.fault = Some(error.to_string());
            }
        } else if let Some((study, class, counter)) = priority {
            let known = self.registry.classes.get(&(peer, study));
            if known.is_none_or(|(_, last)| *last < counter) {
                self.stage(Entry::Class {
                    clinic: peer,
                    study,
                    class,
                    counter,
                });
            }
        }
    }

    fn greeted(&mut self, peer: PeerId, id: u64, hello: &Hello) {
        let ours = Hello {
            oldest: HEAD_OF_FRAME,
            newest: NEWEST_VERSION,
            ..hello.clone()
        };
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        let Some(live) = clinic.live.get_mut(&id) else {
            return;
        };
        if let Err(refusal) = ours.meet(hello) {
            warn!(clinic = peer.short(), refusal.text, "a clinic is refused");
            clinic.fault = Some(refusal.text.clone());
            return live.cut(&Close::new(BAD_VERSION, &refusal.text));
        }
        if hello.newest >= NEWEST_VERSION {
            let reads = Frame::Reads(Codecs::KNOWN.numbers());
            live.port.push(Lane::Control, Bytes::from(reads.to_bytes()));
        }
        live.process = Some(hello.process);
        let process = hello.process.short();
        let agent: String = hello
            .agent
            .chars()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
            .take(40)
            .collect();
        info!(clinic = peer.short(), process, agent, "a clinic greets");
        clinic.fault = None;
        self.doubt_others(peer, hello.process);
    }

    /// Says what is to be said, to every connection of a clinic that takes it. A connection that
    /// does not misses it: its clinic asks again.
    pub(super) fn tell_all(&mut self) {
        let now = self.moment();
        for clinic in self.clinics.values_mut() {
            clinic.sink.handle_timeout(now);
            while clinic
                .live
                .values()
                .any(|live| live.port.room(Lane::Control))
            {
                let Some(frame) = clinic.sink.poll_transmit() else {
                    break;
                };
                let bytes = Bytes::from(frame.to_bytes());
                let free = clinic.live.values().filter(|l| l.port.room(Lane::Control));
                free.for_each(|live| live.port.push(Lane::Control, bytes.clone()));
            }
        }
    }
}

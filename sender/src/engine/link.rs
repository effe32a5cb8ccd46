//! The connection to the hub as the engine sees it, and what comes over it.

use std::time::Duration;

use karez_host::bridge::Port;
use karez_imaging::Codecs;
use karez_protocol::id::{Epoch, HubKeyId};
use karez_protocol::seal::{HubPublic, Signed};
use karez_protocol::session::{Lane, SourceError};
use karez_protocol::units::Moment;
use karez_protocol::wire::{Frame, HEAD_OF_FRAME, Hello, NEWEST_VERSION, WireError};
use karez_quic::{Close, LinkHandle, LinkMemory, SessionEnd, code};

use super::Engine;
use super::account::Sent;
use super::entry::Costs;
use crate::hub::HubInfo;
use crate::limits::{COSTS_STEP, FRAMES_PER_TURN};
use crate::uplink::News;

/// The link, its figures and its accounts.
#[derive(Default)]
pub(super) struct Link {
    pub(super) live: Option<Live>,
    /// The cause of the hub's refusal to take more now.
    pub(super) busy: Option<String>,
    /// When the hub was last heard.
    pub(super) heard: Option<Moment>,
    /// Bits per second, when there was something to send last.
    pub(super) rate: u64,
    /// The costs of earlier processes and connections.
    pub(super) earlier: Costs,
    /// As they were last written down.
    pub(super) written: Costs,
    /// What was sent and is not yet known to have arrived.
    pub(super) sent: Sent,
    /// What is known of the link, as it was last written down.
    pub(super) known: LinkMemory,
    /// What is spent, as it was last written down.
    pub(super) spent: Option<Vec<u8>>,
}

/// A connection.
pub(super) struct Live {
    pub(super) port: Port,
    pub(super) handle: LinkHandle,
    /// The hub has said `Hello`.
    pub(super) greeted: bool,
    sampled: (Moment, u64),
    down_packets: u64,
}

/// How often the rate is measured.
const SAMPLE: Duration = Duration::from_secs(2);

impl Engine {
    /// Notices that a connection has come or gone.
    pub(super) fn look_at_line(&mut self) {
        for news in self.shared.line.news() {
            match news {
                News::Down => self.line_down(),
                News::Up(port, handle) => self.line_up(port, handle),
            }
        }
        self.measure();
    }

    fn line_up(&mut self, port: Port, handle: LinkHandle) {
        let now = self.now();
        let hello = Hello {
            oldest: HEAD_OF_FRAME,
            newest: NEWEST_VERSION,
            process: self.process,
            epoch: Epoch([0; 8]),
            hub_key: self
                .hub
                .as_ref()
                .and_then(HubInfo::public)
                .map_or(HubKeyId(0), |p| p.id),
            agent: concat!("karez-sender ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        port.push(Lane::Control, Frame::Hello(hello).to_bytes().into());
        self.link.live = Some(Live {
            port,
            handle,
            greeted: false,
            sampled: (now, 0),
            down_packets: 0,
        });
        self.begin_accounts();
        self.source.connected(now);
    }

    fn line_down(&mut self) {
        self.link.earlier = self.costs();
        if self.link.live.take().is_some() {
            self.source.disconnected();
        }
        self.link.busy = None;
        for segment in self.tables.segments.values_mut() {
            segment.told_gone = false;
        }
    }

    fn measure(&mut self) {
        let now = self.now();
        let Some(live) = &mut self.link.live else {
            return;
        };
        let (at, bytes) = live.sampled;
        let span = now.since(at);
        if span < SAMPLE {
            return;
        }
        let stats = live.handle.stats();
        if stats.down_packets > live.down_packets {
            live.down_packets = stats.down_packets;
            self.link.heard = Some(now);
        }
        live.sampled = (now, stats.up_bytes);
        let bits = stats.up_bytes.saturating_sub(bytes).saturating_mul(8);
        let rate = u128::from(bits) * 1000 / span.as_millis().max(1);
        if self.source.owes() {
            self.link.rate = u64::try_from(rate).unwrap_or(u64::MAX);
        }
        let costs = self.costs();
        if costs.up.saturating_sub(self.link.written.up) > COSTS_STEP {
            self.write_costs();
            self.write_link();
            self.sync();
        }
    }

    /// Takes in what came, up to a bound: the rest rings again.
    pub(super) fn take_frames(&mut self) {
        for _ in 0..FRAMES_PER_TURN {
            let Some(live) = &self.link.live else { return };
            let Some((_, bytes)) = live.port.take() else {
                return;
            };
            self.link.heard = Some(self.now());
            match Frame::from_bytes(&bytes) {
                Ok(frame) => self.take(frame),
                Err(error @ WireError::Unknown(_)) => tracing::debug!(%error, "passed over"),
                Err(error) => self.hang_up(&error.to_string()),
            }
        }
        self.shared.bell.notify_one();
    }

    fn take(&mut self, frame: Frame) {
        let taken = match frame {
            Frame::Hello(hello) => return self.greet(&hello),
            Frame::Keys(signed) => return self.take_keys(signed),
            Frame::Reads(codecs) => {
                self.codecs = Codecs::of(&codecs);
                return;
            }
            Frame::Have(have) => {
                let heard = self.source.handle_frame(Frame::Have(have.clone()));
                self.count_arrived(&have);
                self.look_for_lost(&have);
                heard
            }
            frame => self.source.handle_frame(frame),
        };
        match taken {
            Ok(()) => {}
            // Of segments that are evicted here, or receipts for what another copy of this
            // clinic sent.
            Err(error @ (SourceError::UnknownSegment(_) | SourceError::UnknownStudy(_))) => {
                tracing::debug!(%error, "the hub speaks of what is not here");
            }
            Err(error @ (SourceError::Root | SourceError::Receipt(_) | SourceError::Gap(_))) => {
                tracing::warn!(%error, "a word of the hub was not taken");
            }
            Err(error @ (SourceError::BadHave(_) | SourceError::Unexpected)) => {
                self.hang_up(&error.to_string());
            }
        }
    }

    fn greet(&mut self, hello: &Hello) {
        let ours = Hello {
            oldest: HEAD_OF_FRAME,
            newest: NEWEST_VERSION,
            ..hello.clone()
        };
        if let Err(refusal) = ours.meet(hello) {
            self.shared.line.problem(&refusal.text);
            return self.hang_up(&refusal.text);
        }
        if hello.newest < NEWEST_VERSION {
            self.codecs = Codecs::FIRST;
        }
        if let Some(live) = &mut self.link.live {
            live.greeted = true;
        }
        self.shared.line.problem("");
        self.source.hear_epoch(hello.epoch);
    }

    fn take_keys(&mut self, signed: Signed) {
        let Some(hub) = &self.hub else { return };
        let known = self.hub_public.as_ref().map(|p| p.id);
        match HubPublic::read(&hub.peer, &signed) {
            Ok(public) if known.is_none_or(|k| public.id > k) => {
                let mut info = hub.clone();
                info.keys = Some(signed);
                if let Err(failure) = self.set_hub(info) {
                    tracing::warn!(%failure, "the hub's new key could not be kept");
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the hub's key does not hold"),
        }
    }

    fn hang_up(&mut self, why: &str) {
        tracing::warn!(why, "hanging up on the hub");
        if let Some(live) = &self.link.live {
            live.port.end(SessionEnd(Close::new(code::BAD_FRAME, why)));
        }
    }
}

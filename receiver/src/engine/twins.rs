//! Two processes of one clinic. When a second one greets, the first has ended, and its
//! connection is let go, or it still acknowledges what it is sent, and they are twins.

use bytes::Bytes;
use karez_protocol::id::{PeerId, ProcessId};
use karez_quic::{Close, Lane, code};
use tokio::time::Instant;
use tracing::warn;

use super::Engine;
use crate::limits::{DOUBT, STALE};

impl Engine {
    /// A process greets: connections of others are sent something that they must acknowledge.
    pub(super) fn doubt_others(&mut self, peer: PeerId, process: ProcessId) {
        let now = self.now();
        let frame = Bytes::from(self.keys_frame().to_bytes());
        let Some(clinic) = self.clinics.get_mut(&peer) else {
            return;
        };
        let others = |live: &&mut super::Live| live.process.is_some_and(|p| p != process);
        for live in clinic.live.values_mut().filter(others) {
            live.port.push(Lane::Control, frame.clone());
            live.doubted_at = Some(now);
        }
    }

    /// Judges connections that were doubted.
    pub(super) fn judge_doubted(&mut self) {
        let now = self.now();
        for (peer, clinic) in &mut self.clinics {
            for live in clinic.live.values_mut() {
                let Some(since) = live.doubted_at.filter(|at| *at + DOUBT <= now) else {
                    continue;
                };
                if live.link.silence().is_none() {
                    warn!(
                        clinic = peer.short(),
                        "two processes of one clinic are at work"
                    );
                    clinic.twins_at = Some(now);
                    live.doubted_at = None;
                } else if since + STALE <= now {
                    live.doubted_at = None;
                    let reason = "a newer process of this clinic is here";
                    live.cut(&Close::new(code::REPLACED, reason));
                }
            }
        }
    }

    /// When to judge.
    pub(super) fn doubts_due_at(&self, now: Instant) -> Option<Instant> {
        let live = self.clinics.values().flat_map(|c| c.live.values());
        let doubted = live.filter_map(|live| live.doubted_at);
        doubted.map(|at| (at + DOUBT).max(now + DOUBT / 3)).min()
    }
}

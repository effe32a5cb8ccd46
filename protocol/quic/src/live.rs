//! A server's live connections: a few per identity, all of them cut when a key is revoked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karez_protocol::id::PeerId;
use tokio::time::Instant;

use crate::end::{Close, code};
use crate::steer::Steer;
use crate::tls::Alpn;

/// Connections of one identity at once: its links, and one that an outage has made stale. A fifth
/// takes the place of the one that has been silent longest, so that a clinic whose connections
/// were cut without a word can always come back.
pub const CONNECTIONS_PER_PEER: usize = 4;
/// Enrolments at once, by whatever keys.
const JOINS: usize = 64;

/// All live connections of a server.
#[derive(Default)]
pub(crate) struct Live(Mutex<Table>);

#[derive(Default)]
struct Table {
    next: u64,
    peers: BTreeMap<PeerId, Vec<Entry>>,
}

struct Entry {
    id: u64,
    alpn: Alpn,
    since: Instant,
    conn: quinn::Connection,
    steer: Arc<Steer>,
}

impl Live {
    /// Enters a connection; `None` when there are too many enrolments.
    pub(crate) fn enter(
        self: &Arc<Self>,
        peer: PeerId,
        alpn: Alpn,
        (conn, steer): (&quinn::Connection, &Arc<Steer>),
    ) -> Option<Member> {
        let mut table = self.table();
        if alpn == Alpn::Join && table.joins() >= JOINS {
            return None;
        }
        let id = table.next;
        table.next += 1;
        let entries = table.peers.entry(peer).or_default();
        if entries.len() >= CONNECTIONS_PER_PEER {
            evict_stalest(entries);
        }
        entries.push(Entry {
            id,
            alpn,
            since: Instant::now(),
            conn: conn.clone(),
            steer: steer.clone(),
        });
        Some(Member {
            live: self.clone(),
            peer,
            id,
        })
    }

    /// Closes every connection of `peer`; how many there were.
    pub(crate) fn close_peer(&self, peer: &PeerId, close: &Close) -> usize {
        let entries = self.table().peers.remove(peer).unwrap_or_default();
        for entry in &entries {
            close.apply(&entry.conn);
        }
        entries.len()
    }

    fn leave(&self, peer: &PeerId, id: u64) {
        let mut table = self.table();
        if let Some(entries) = table.peers.get_mut(peer) {
            entries.retain(|entry| entry.id != id);
            if entries.is_empty() {
                table.peers.remove(peer);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn joins(&self) -> usize {
        let entries = self.peers.values().flatten();
        entries.filter(|entry| entry.alpn == Alpn::Join).count()
    }
}

fn evict_stalest(entries: &mut Vec<Entry>) {
    let now = Instant::now();
    let silence = |entry: &Entry| entry.steer.unheard(now.into_std());
    let stalest = (0..entries.len()).max_by_key(|i| {
        let entry = &entries[*i];
        silence(entry).unwrap_or_else(|| now - entry.since)
    });
    if let Some(index) = stalest {
        let entry = entries.remove(index);
        Close::new(
            code::REPLACED,
            "a newer connection of this key took its place",
        )
        .apply(&entry.conn);
    }
}

/// A place among the live connections, left when dropped.
pub(crate) struct Member {
    live: Arc<Live>,
    peer: PeerId,
    id: u64,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.live.leave(&self.peer, self.id);
    }
}

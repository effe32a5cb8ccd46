//! What is kept of requests for storage commitment: sealed, since it names images.

use std::collections::BTreeMap;

use karez_dimse::commitment::Transaction;
use karez_host::Failure;
use karez_protocol::seal::{FILE_HEADER, SealError};
use karez_protocol::wire::{decode, encode};

use super::{Asked, Name, Wanted};
use crate::engine::Engine;
use crate::engine::entry::{COMMITMENT, PAST};
use crate::limits::{COMMITMENT_PIECE, JOURNAL_SLACK, PAST_PER_ENTRY};

/// An entry of [`COMMITMENT`]: its request, how many more entries that has, and a sealed piece of
/// it; no piece when the request is answered.
type EntryTuple = (u64, u32, Option<Vec<u8>>);
/// A piece: the scanner, its address, a transaction with some of the references.
type PieceTuple = (String, String, Vec<u8>);

impl Engine {
    /// Journals a request; the place of its last piece.
    pub(super) fn write_request(&mut self, id: u64, asked: &Asked) -> Result<u64, Failure> {
        let mut position = 0;
        for entry in self.request_entries(id, asked)? {
            position = self.journal(COMMITMENT, &entry)?;
        }
        Ok(position)
    }

    fn request_entries(&self, id: u64, asked: &Asked) -> Result<Vec<Vec<u8>>, Failure> {
        let pieces: Vec<_> = asked
            .transaction
            .references
            .chunks(COMMITMENT_PIECE)
            .collect();
        let left = (0..pieces.len() as u32).rev();
        let all = pieces.iter().zip(left).map(|(piece, left)| {
            let transaction = Transaction {
                uid: asked.transaction.uid.clone(),
                references: piece.to_vec(),
            };
            let tuple: PieceTuple = (
                asked.scanner.clone(),
                asked.address.to_string(),
                transaction.encode(),
            );
            let entry: EntryTuple = (id, left, Some(self.seal_piece(&encode(&tuple))?));
            Ok(encode(&entry))
        });
        let all: Result<Vec<_>, SealError> = all.collect();
        all.map_err(|_| Failure::new("the request cannot be kept"))
    }

    fn seal_piece(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut random = [0; 48];
        self.shared.env.entropy(&mut random);
        let (key, header) = self.shared.keys.ingest.new_file(random)?;
        Ok([&header[..], &key.seal_block(0, true, plain)?].concat())
    }

    fn open_piece(&self, sealed: &[u8]) -> Option<Asked> {
        let (header, block) = sealed.split_first_chunk::<FILE_HEADER>()?;
        let key = self.shared.keys.ingest.open_file(header).ok()?;
        let plain = key.open_block(0, true, block).ok()?;
        let (scanner, address, transaction) = decode::<PieceTuple>(&plain).ok()?;
        Some(Asked {
            scanner,
            address: address.parse().ok()?,
            transaction: Transaction::decode(&transaction).ok()?,
        })
    }

    /// Brings back what an earlier process was asked.
    pub(in crate::engine) fn restore_commitments(&mut self) -> Result<(), Failure> {
        let mut names = Vec::new();
        self.read(PAST, &mut |bytes| names.extend(bytes.as_chunks::<16>().0))?;
        for name in names {
            self.commitments.past.add(name);
        }
        let mut requests: BTreeMap<u64, (bool, Vec<Vec<u8>>)> = BTreeMap::new();
        let mut next = 0;
        self.read(COMMITMENT, &mut |bytes| {
            let Ok((id, left, piece)) = decode::<EntryTuple>(bytes) else {
                return;
            };
            next = next.max(id + 1);
            match piece {
                None => drop(requests.remove(&id)),
                Some(piece) => {
                    let request = requests.entry(id).or_default();
                    request.0 = left == 0;
                    request.1.push(piece);
                }
            }
        })?;
        self.commitments.next = next;
        for (id, (_, pieces)) in requests.into_iter().filter(|(_, (whole, _))| *whole) {
            let read: Option<Vec<Asked>> = pieces.iter().map(|p| self.open_piece(p)).collect();
            let joined = read.and_then(|pieces| pieces.into_iter().reduce(Asked::and));
            match joined {
                Some(asked) => self.enter_commitment(id, asked),
                None => tracing::warn!("a request for storage commitment cannot be read any more"),
            }
        }
        Ok(())
    }

    /// Notes that a request was answered.
    pub(super) fn write_answered(&mut self, id: u64) {
        let entry: EntryTuple = (id, 0, None);
        // What the disk does not take now is answered once more after a restart.
        let _ = self.journal(COMMITMENT, &encode(&entry));
    }

    /// Keeps the names of what is about to be removed; whether the disk took them.
    pub(in crate::engine) fn remember(&mut self, orders: &[u64]) -> bool {
        let here = |order| self.tables.instances.get(order);
        let names = orders.iter().filter_map(here).map(|i| i.accepted.name);
        let names: Vec<Name> = names.filter(|name| *name != Name::default()).collect();
        for name in &names {
            self.commitments.past.add(*name);
        }
        let mut entries = names.chunks(PAST_PER_ENTRY);
        entries.all(|names| self.journal(PAST, names.as_flattened()).is_ok())
    }

    /// Writes the two journals anew when they have become much longer than what they say.
    pub(in crate::engine) fn shorten_commitments(&mut self) {
        let entries = |this: &Self, name| this.journal_entries.get(name).copied().unwrap_or(0);
        let past = &self.commitments.past;
        if entries(self, PAST) > past.order.len() / PAST_PER_ENTRY + JOURNAL_SLACK {
            let all: Vec<Name> = past.order.iter().copied().collect();
            let live = all.chunks(PAST_PER_ENTRY);
            let live = live.map(|names| names.as_flattened().to_vec()).collect();
            self.rewrite(PAST, live);
        }
        let pieces = |wanted: &Wanted| wanted.count / COMMITMENT_PIECE + 1;
        let live: usize = self.commitments.open.values().map(pieces).sum();
        if entries(self, COMMITMENT) > 2 * live + JOURNAL_SLACK {
            let open = &self.commitments.open;
            let asked = open.iter().map(|(id, wanted)| (*id, wanted.asked()));
            let live: Result<Vec<_>, Failure> = asked
                .map(|(id, asked)| self.request_entries(id, &asked))
                .collect();
            if let Ok(live) = live {
                self.rewrite(COMMITMENT, live.concat());
            }
        }
    }
}

//! What the hub durably knows besides the packs: clinics, invitations, targets, receipts, the
//! ledger of hand-offs. It is what its journals say, replayed.

mod entry;

use std::collections::{BTreeMap, BTreeSet};

use karez_host::Failure;
use karez_protocol::id::{PeerId, SegmentId, StudyId};
use karez_protocol::manifest::Receipt;
use karez_protocol::priority::Class;
use karez_protocol::seal::Signed;
use karez_protocol::wire::{decode, encode};
use karez_store::Store;

pub(crate) use entry::{Entry, Given, HandOff, JOURNALS, Object, Place, Step};

/// Entries that a journal may have beyond twice what is needed before it is written anew.
const SLACK: usize = 1000;

/// The journals' content.
#[derive(Default)]
pub(crate) struct Registry {
    /// Whether the administrator has confirmed the recovery sheet.
    pub(crate) backup_confirmed: bool,
    /// The number of the newest encryption key.
    pub(crate) newest_key: u32,
    /// Invitations, by BLAKE3 of the token.
    pub(crate) tokens: BTreeMap<[u8; 32], Token>,
    /// Clinics, revoked ones too.
    pub(crate) clinics: BTreeMap<PeerId, Enrolled>,
    /// What clinics may have here where it is not what the settings say, by name.
    pub(crate) quotas: BTreeMap<String, u64>,
    /// Targets, by name.
    pub(crate) targets: BTreeMap<String, TargetEntry>,
    /// Receipts that no later one supersedes, by clinic and segment.
    pub(crate) receipts: BTreeMap<PeerId, BTreeMap<SegmentId, Vec<(Receipt, Signed)>>>,
    /// The last step of each hand-off, by instance and target.
    pub(crate) ledger: BTreeMap<(PeerId, Place), BTreeMap<String, HandOff>>,
    /// What each target was given, by hidden UID.
    pub(crate) given: BTreeMap<String, BTreeMap<Object, Given>>,
    /// By patient number, hidden: which clinics gave it to whom, hidden too.
    pub(crate) patients: BTreeMap<Object, BTreeSet<(PeerId, Object)>>,
    /// Patient numbers that go to archives as the clinic has them.
    pub(crate) taken: BTreeSet<(Object, PeerId)>,
    /// How urgent clinics say their studies are, with their counter.
    pub(crate) classes: BTreeMap<(PeerId, StudyId), (Class, u64)>,
    /// Chunk bytes that were sent in vain, by clinic.
    pub(crate) resent: BTreeMap<PeerId, u64>,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The clinic's name.
    pub(crate) name: String,
    /// The key that used it.
    pub(crate) burnt: Option<PeerId>,
}

/// A clinic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is no longer welcome.
    pub(crate) revoked: bool,
}

/// A target as the administrator set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetEntry {
    /// Where and how.
    pub(crate) url: String,
    /// Whether it rests.
    pub(crate) paused: bool,
}

impl Registry {
    /// Reads all journals of a store, and writes those anew that have grown for no use. Also
    /// says how many entries are lost to rot.
    ///
    /// # Errors
    /// The store cannot be read, or a newer version wrote it.
    pub(crate) fn replay(store: &mut Store) -> Result<(Self, usize), Failure> {
        let mut registry = Self::default();
        let (mut rotten, mut read) = (0, BTreeMap::new());
        for journal in JOURNALS {
            let (mut count, mut strange) = (0_usize, false);
            rotten += store.journal_read_all(journal, &mut |_, bytes| {
                count += 1;
                match decode(bytes) {
                    Ok(entry) => registry.apply(entry),
                    Err(_) => strange = true,
                }
            })?;
            if strange {
                return Err(newer(journal));
            }
            read.insert(journal, count);
        }
        registry.compact(store, &read)?;
        Ok((registry, rotten))
    }

    /// Takes note of a fact.
    pub(crate) fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::BackupConfirmed => self.backup_confirmed = true,
            Entry::KeyMade { number } => self.newest_key = self.newest_key.max(number),
            Entry::Invited { token, name } => self.invited(token, name),
            Entry::Joined {
                clinic,
                name,
                token,
            } => self.joined(clinic, name, token),
            Entry::Revoked { clinic } => {
                if let Some(enrolled) = self.clinics.get_mut(&clinic) {
                    enrolled.revoked = true;
                }
            }
            Entry::Quota { name, bytes } => match bytes {
                Some(bytes) => drop(self.quotas.insert(name, bytes)),
                None => drop(self.quotas.remove(&name)),
            },
            Entry::Target { name, url } => {
                let paused = false;
                self.targets.insert(name, TargetEntry { url, paused });
            }
            Entry::Paused { name, paused } => {
                if let Some(target) = self.targets.get_mut(&name) {
                    target.paused = paused;
                }
            }
            Entry::Removed { name } => drop(self.targets.remove(&name)),
            Entry::Receipt { clinic, signed } => self.issued(clinic, &signed),
            Entry::HandOff(hand_off) => self.stepped(hand_off),
            Entry::Class {
                clinic,
                study,
                class,
                counter,
            } => drop(self.classes.insert((clinic, study), (class, counter))),
            Entry::Resent { clinic, bytes } => drop(self.resent.insert(clinic, bytes)),
            Entry::Patient {
                number,
                clinic,
                who,
            } => drop(
                self.patients
                    .entry(number)
                    .or_default()
                    .insert((clinic, who)),
            ),
            Entry::PatientTaken { number, clinic } => drop(self.taken.insert((number, clinic))),
            Entry::Given {
                target,
                object,
                given,
            } => drop(self.given.entry(target).or_default().insert(object, given)),
        }
    }

    /// The key of the welcome clinic of this name.
    #[must_use]
    pub(crate) fn clinic_named(&self, name: &str) -> Option<PeerId> {
        let welcome = self.clinics.iter().filter(|(_, c)| !c.revoked);
        welcome
            .filter(|(_, c)| c.name == name)
            .map(|(peer, _)| *peer)
            .next()
    }

    /// A newer invitation takes the place of an unused one.
    fn invited(&mut self, token: [u8; 32], name: String) {
        self.tokens
            .retain(|_, other| other.burnt.is_some() || other.name != name);
        let burnt = None;
        self.tokens.insert(token, Token { name, burnt });
    }

    fn joined(&mut self, clinic: PeerId, name: String, token: [u8; 32]) {
        let burnt = Some(clinic);
        self.tokens.insert(
            token,
            Token {
                name: name.clone(),
                burnt,
            },
        );
        let revoked = false;
        self.clinics.insert(clinic, Enrolled { name, revoked });
    }

    fn issued(&mut self, clinic: PeerId, signed: &Signed) {
        // We signed it; its form is checked when it is read for a peer.
        let Ok(receipt) = decode::<Receipt>(&signed.body) else {
            return;
        };
        let of_clinic = self.receipts.entry(clinic).or_default();
        for named in &receipt.records {
            let kept = of_clinic.entry(named.segment).or_default();
            kept.retain(|(old, _)| !receipt.supersedes(old));
            kept.push((receipt.clone(), signed.clone()));
        }
    }

    fn stepped(&mut self, hand_off: HandOff) {
        let key = (hand_off.clinic, hand_off.place);
        let steps = self.ledger.entry(key).or_default();
        steps.insert(hand_off.target.clone(), hand_off);
    }

    /// Tokens and clinics. A key that used several gets its present name from the last.
    fn enrolment(&self) -> Vec<Entry> {
        let named_so = |token: &Token| {
            let clinic = token.burnt.and_then(|peer| self.clinics.get(&peer));
            clinic.is_some_and(|clinic| clinic.name == token.name)
        };
        let mut tokens: Vec<_> = self.tokens.iter().collect();
        tokens.sort_by_key(|(_, token)| named_so(token));
        let entry = |(token, invited): (&[u8; 32], &Token)| {
            let (token, name) = (*token, invited.name.clone());
            match invited.burnt {
                None => Entry::Invited { token, name },
                Some(clinic) => Entry::Joined {
                    clinic,
                    name,
                    token,
                },
            }
        };
        let mut all: Vec<Entry> = tokens.into_iter().map(entry).collect();
        let revoked = self.clinics.iter().filter(|(_, c)| c.revoked);
        all.extend(revoked.map(|(clinic, _)| Entry::Revoked { clinic: *clinic }));
        all.extend(self.quotas.iter().map(|(name, bytes)| Entry::Quota {
            name: name.clone(),
            bytes: Some(*bytes),
        }));
        all
    }

    fn compact(&self, store: &mut Store, read: &BTreeMap<&str, usize>) -> Result<(), Failure> {
        let mut live: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for entry in self.entries() {
            live.entry(entry.journal())
                .or_default()
                .push(encode(&entry));
        }
        for (journal, count) in read {
            let needed = live.remove(journal).unwrap_or_default();
            if *count > 2 * needed.len() + SLACK {
                store.journal_rewrite(journal, needed)?;
            }
        }
        Ok(())
    }

    /// The classes, as entries.
    pub(crate) fn class_entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let classes = self.classes.iter();
        classes.map(|((clinic, study), (class, counter))| Entry::Class {
            clinic: *clinic,
            study: *study,
            class: *class,
            counter: *counter,
        })
    }

    /// The fewest entries that say the same.
    fn entries(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        all.extend(self.backup_confirmed.then_some(Entry::BackupConfirmed));
        let number = self.newest_key;
        all.extend((number > 0).then_some(Entry::KeyMade { number }));
        all.extend(self.enrolment());
        for (name, target) in &self.targets {
            let (name, url, paused) = (name.clone(), target.url.clone(), target.paused);
            all.push(Entry::Target {
                name: name.clone(),
                url,
            });
            all.extend(paused.then_some(Entry::Paused { name, paused }));
        }
        for (clinic, segments) in &self.receipts {
            let clinic = *clinic;
            let signed = segments.values().flatten().map(|(_, signed)| signed);
            all.extend(
                signed
                    .cloned()
                    .map(|signed| Entry::Receipt { clinic, signed }),
            );
        }
        let steps = self.ledger.values().flat_map(BTreeMap::values);
        all.extend(steps.cloned().map(Entry::HandOff));
        for (target, objects) in &self.given {
            all.extend(objects.iter().map(|(object, given)| Entry::Given {
                target: target.clone(),
                object: *object,
                given: *given,
            }));
        }
        for (number, known) in &self.patients {
            let number = *number;
            let patient = |(clinic, who): &(PeerId, Object)| Entry::Patient {
                number,
                clinic: *clinic,
                who: *who,
            };
            all.extend(known.iter().map(patient));
        }
        let taken = |(number, clinic): &(Object, PeerId)| Entry::PatientTaken {
            number: *number,
            clinic: *clinic,
        };
        all.extend(self.taken.iter().map(taken));
        all.extend(self.class_entries());
        let resent = self.resent.iter().map(|(clinic, bytes)| (*clinic, *bytes));
        all.extend(resent.map(|(clinic, bytes)| Entry::Resent { clinic, bytes }));
        all
    }
}

fn newer(journal: &str) -> Failure {
    Failure::new("a journal holds entries that this version does not know")
        .at(format!("journal {journal}"))
        .fix("Use the version that wrote them, or a newer one")
}

//! Accepting instances, and what people say about studies.

use karez_host::Failure;
use karez_host::audit::Event;
use karez_host::page::Users;
use karez_protocol::id::StudyId;
use karez_protocol::priority::Class;
use tokio::sync::oneshot;

use super::commit::Pending;
use super::entry::{Accepted, Entry, INGEST, Label, STUDIES, StudyFacts};
use super::open::receiver;
use super::{Engine, Ticket, new_source};
use crate::hub::HubInfo;
use crate::ingest::Arrived;

type Reply<T> = oneshot::Sender<Result<T, Failure>>;

impl Engine {
    /// Journals an instance; the answer goes when that is durable.
    pub(super) fn accept(&mut self, arrived: Arrived, reply: Reply<Ticket>) {
        let facts = self.facts_after(&arrived);
        let accepted = Accepted {
            order: self.tables.next_order,
            blob: arrived.blob,
            index_key: arrived.index_key,
            study: arrived.study,
            length: arrived.length,
            origin: arrived.origin,
            secret: arrived.secret,
            at: self.shared.env.wall(),
            whole: arrived.whole,
            name: arrived.name,
        };
        let written = match &facts {
            Some(facts) => self
                .journal(STUDIES, &facts.to_bytes(accepted.study))
                .map(drop),
            None => Ok(()),
        };
        let entry = Entry::Accepted(accepted.clone()).to_bytes();
        match written.and_then(|()| self.journal(INGEST, &entry)) {
            Ok(position) => {
                self.tables.next_order += 1;
                #[cfg(feature = "mutants")]
                if karez_store::mutant::is_on(karez_store::mutant::Mutant::AcceptBeforeSync) {
                    let _ = position;
                    return self.accepted(accepted, &arrived.source, facts, reply);
                }
                self.pending.push(Pending::Accept {
                    position,
                    accepted,
                    source: arrived.source,
                    facts,
                    reply,
                });
            }
            Err(failure) => self.refuse(&accepted.blob, reply, failure),
        }
    }

    pub(super) fn refuse(&self, blob: &str, reply: Reply<Ticket>, failure: Failure) {
        // What stays is removed at the next start: no journal names it.
        let _ = self.shared.blobs.remove(blob);
        let _ = reply.send(Err(failure));
    }

    /// What changes about its study by a new instance, if anything.
    fn facts_after(&self, arrived: &Arrived) -> Option<StudyFacts> {
        let known = self.tables.studies.get(&arrived.study).map(|s| &s.facts);
        let Some(known) = known else {
            let class = arrived.asked.or(arrived.ruled).unwrap_or_default();
            return Some(StudyFacts {
                class,
                by_hand: arrived.asked.is_some(),
                counter: u64::from(class != Class::default()),
                withdrawn: None,
                since: self.shared.env.wall(),
                label: self.label_of(arrived),
            });
        };
        // What arrives makes a study more urgent, never less: that is for `prioritise` to say.
        let ruled = arrived.ruled.filter(|_| !known.by_hand);
        let class = arrived.asked.or(ruled).filter(|c| *c < known.class)?;
        Some(StudyFacts {
            class,
            by_hand: known.by_hand || arrived.asked.is_some(),
            counter: known.counter + 1,
            ..known.clone()
        })
    }

    /// What people are shown of a study. The name is sealed at once, or not kept.
    fn label_of(&self, arrived: &Arrived) -> Label {
        let said = &arrived.said;
        let desk = match said.name.is_empty() {
            true => None,
            false => Users::of(self.shared.env.disk(), &self.shared.dir).desk(),
        };
        let sealed = desk.and_then(|desk| {
            let mut random = [0; 32];
            self.shared.env.entropy(&mut random);
            desk.seal(random, said.name.as_bytes()).ok()
        });
        Label {
            modality: said.modality.clone(),
            scanner: said.scanner.clone(),
            name: sealed.unwrap_or_default(),
        }
    }

    pub(super) fn prioritise(&mut self, study: &str, class: Class, reply: Reply<String>) {
        let change = |facts: &StudyFacts| StudyFacts {
            class,
            by_hand: true,
            counter: facts.counter + 1,
            ..facts.clone()
        };
        let what = (Event::Prioritised, class.to_string());
        self.change_study(study, what, change, reply);
    }

    pub(super) fn withdraw(&mut self, study: &str, reason: &str, reply: Reply<String>) {
        let mut random = [0; 48];
        self.shared.env.entropy(&mut random);
        let sealed = self
            .shared
            .keys
            .ingest
            .new_file(random)
            .and_then(|(key, header)| {
                let block = key.seal_block(0, true, reason.as_bytes())?;
                Ok([&header[..], &block].concat())
            });
        let Ok(sealed) = sealed else {
            let _ = reply.send(Err(Failure::new("the reason cannot be kept")));
            return;
        };
        let change = |facts: &StudyFacts| StudyFacts {
            withdrawn: Some(sealed),
            ..facts.clone()
        };
        self.change_study(study, (Event::Withdrawn, String::new()), change, reply);
    }

    fn change_study(
        &mut self,
        text: &str,
        (event, detail): (Event, String),
        change: impl FnOnce(&StudyFacts) -> StudyFacts,
        reply: Reply<String>,
    ) {
        let found = self.tables.find(text).map_err(|why| {
            Failure::new(why)
                .at(text)
                .fix("`status` lists the studies by their short names")
        });
        let changed = found.and_then(|study| {
            let known = self.tables.studies.get(&study).map(|s| s.facts.clone());
            let facts = change(&known.unwrap_or_default());
            let position = self.journal(STUDIES, &facts.to_bytes(study))?;
            let note = self.line(event).of(study).saying(&detail);
            self.note(&note);
            Ok((study, facts, position))
        });
        match changed {
            Ok((study, facts, position)) => self.pending.push(Pending::Study {
                position,
                study,
                facts,
                reply,
            }),
            Err(failure) => drop(reply.send(Err(failure))),
        }
    }

    /// Applies what is durable.
    pub(super) fn set_facts(&mut self, id: StudyId, facts: StudyFacts) {
        let now = self.now();
        let withdrawn = facts.withdrawn.is_some();
        self.source
            .resume_study(now, id, (facts.class, facts.counter), withdrawn);
        let study = self.tables.studies.entry(id).or_default();
        study.facts = facts;
        if withdrawn {
            self.close_segments(id);
        }
    }

    /// Makes durable what is known of the hub, and tells the uplink.
    pub(super) fn set_hub(&mut self, info: HubInfo) -> Result<(), Failure> {
        let ours = receiver(&self.store, self.hub.as_ref());
        if ours.is_some_and(|ours| ours != info.peer) {
            return Err(Failure::new("this data directory belongs to another hub")
                .fix("Give the new hub a data directory of its own with --data"));
        }
        info.save(&*self.shared.env, &self.shared.dir)?;
        let before = self.hub.as_ref();
        if before.is_none_or(|before| before.name != info.name) && !info.name.is_empty() {
            let note = self.line(Event::Joined).with("hub");
            self.note(&note.saying(&info.peer.short()));
        }
        if ours.is_none() {
            self.source = new_source(&self.shared, Some(info.peer));
        }
        self.hub_public = info.public();
        self.hub = Some(info.clone());
        self.tell_hub.send_replace(Some(info));
        Ok(())
    }
}

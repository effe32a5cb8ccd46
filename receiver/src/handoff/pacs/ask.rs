//! "Do you have this UID?" Asked once per series where that is enough, one by one where there is
//! doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karez_dimse::scu::Found;
use karez_dimse::{Error, Violation};
use karez_dimse::{Identifier, Status, Uid};
use tokio::time::Instant;

use super::pool::{Lease, Pool, Want};
use super::{pair, want, words};
use crate::handoff::{Identity, Item, Look, TargetError};
use crate::limits::{PACS_LISTING, PACS_LISTINGS};

type Series = (Uid, Uid);

/// What a PACS said lately about some series.
#[derive(Default)]
pub(super) struct Asked(Mutex<BTreeMap<Series, Listing>>);

struct Listing {
    at: Instant,
    there: BTreeSet<Uid>,
}

impl Asked {
    /// We gave it an instance, or may have.
    pub(super) fn given(&self, identity: &Identity, stored: bool) {
        let series = (identity.study.clone(), identity.series.clone());
        let mut all = self.lock();
        match all.get_mut(&series) {
            Some(listing) if stored => drop(listing.there.insert(identity.sop_instance.clone())),
            _ => drop(all.remove(&series)),
        }
    }

    fn known(&self, identity: &Identity, now: Instant) -> Option<bool> {
        let series = (identity.study.clone(), identity.series.clone());
        let all = self.lock();
        let listing = all.get(&series)?;
        let fresh = now.saturating_duration_since(listing.at) < PACS_LISTING;
        fresh.then(|| listing.there.contains(&identity.sop_instance))
    }

    fn learn(&self, identity: &Identity, at: Instant, there: BTreeSet<Uid>) {
        let series = (identity.study.clone(), identity.series.clone());
        let mut all = self.lock();
        all.retain(|_, old| at.saturating_duration_since(old.at) < PACS_LISTING);
        if all.len() >= PACS_LISTINGS {
            all.clear();
        }
        all.insert(series, Listing { at, there });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Series, Listing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the PACS has an item's UID.
pub(super) async fn look(
    pool: &Arc<Pool>,
    asked: &Asked,
    item: &Item,
    identity: &Identity,
) -> Result<Look, TargetError> {
    let known = asked.known(identity, pool.env().now());
    if let (Some(there), false) = (known, doubtful(item) || item.in_doubt) {
        return Ok(look_of(there));
    }
    let anew = Want {
        new: true,
        ..want(item)
    };
    let first = ask(pool, asked, item, identity, want(item)).await;
    let there = match first {
        // An association that stood idle may be gone: that says nothing of the PACS.
        Err(Fault { worn: true, .. }) => ask(pool, asked, item, identity, anew).await,
        other => other,
    };
    there.map(look_of).map_err(|fault| fault.error)
}

fn look_of(there: bool) -> Look {
    match there {
        true => Look::There(words::THERE.into()),
        false => Look::Absent,
    }
}

struct Fault {
    error: TargetError,
    /// The association had been used before, and may just have been too old.
    worn: bool,
}

async fn ask(
    pool: &Arc<Pool>,
    asked: &Asked,
    item: &Item,
    identity: &Identity,
    want: Want,
) -> Result<bool, Fault> {
    let lease = pool.lease(&pair(identity), &want).await;
    let lease = lease.map_err(|error| Fault {
        error: words::unreachable(pool.peer(), &error),
        worn: false,
    })?;
    let worn = lease.used;
    let mut line = Line {
        pool,
        identity,
        want: Want { new: true, ..want },
        lease: Some(lease),
    };
    let answer = match (identity.has_series(), doubtful(item)) {
        (true, false) => line.series(asked).await,
        (true, true) => line.thoroughly(item).await,
        (false, _) => line.by_uid_alone().await,
    };
    line.close();
    answer.map_err(|error| Fault { error, worn })
}

/// What was said of the whole series a moment ago is not enough.
fn doubtful(item: &Item) -> bool {
    item.other_given || item.released || item.alone
}

/// A line to a PACS for questions about one instance.
struct Line<'a> {
    pool: &'a Arc<Pool>,
    identity: &'a Identity,
    /// The next association, when this one has ended.
    want: Want,
    lease: Option<Lease>,
}

impl Line<'_> {
    /// What the whole series has. Where the answer would be too long, the one instance.
    async fn series(&mut self, asked: &Asked) -> Result<bool, TargetError> {
        let identity = self.identity;
        let question = Identifier::images_of_series(&identity.study, &identity.series);
        let found = match self.find(&question).await {
            Err(Error::Protocol(Violation::AnswerTooLong)) => return self.one().await,
            found => self.answered(found)?,
        };
        let there: BTreeSet<Uid> = found.iter().filter_map(Identifier::sop_instance).collect();
        if there.len() < found.len() {
            return self.one().await;
        }
        let is = there.contains(&identity.sop_instance);
        asked.learn(identity, self.pool.env().now(), there);
        Ok(is)
    }

    /// The one instance in its series.
    async fn one(&mut self) -> Result<bool, TargetError> {
        let (identity, uid) = (self.identity, &self.identity.sop_instance);
        let question = Identifier::image(&identity.study, &identity.series, uid);
        let found = self.find(&question).await;
        Ok(names(&self.answered(found)?, uid))
    }

    /// Also wherever else the PACS may have put it: a correction can change the study.
    async fn thoroughly(&mut self, item: &Item) -> Result<bool, TargetError> {
        if self.one().await? {
            return Ok(true);
        }
        match self.alone().await? {
            Some(there) => Ok(there),
            // Not askable so: what we gave it ourselves may stand in another study.
            None => Ok(item.other_given && !item.released),
        }
    }

    async fn by_uid_alone(&mut self) -> Result<bool, TargetError> {
        self.alone()
            .await?
            .ok_or_else(|| TargetError::Later(words::NO_SERIES.into()))
    }

    /// By its UID alone; `None` where the PACS wants the study as well.
    async fn alone(&mut self) -> Result<Option<bool>, TargetError> {
        let (none, uid) = (Uid::default(), &self.identity.sop_instance);
        match self.find(&Identifier::image(&none, &none, uid)).await {
            Ok(found) if found.status == Status::SUCCESS => Ok(Some(names(&found.matches, uid))),
            Err(error @ (Error::Connect(_) | Error::Rejected(_))) => {
                Err(words::unreachable(self.pool.peer(), &error))
            }
            Ok(_) | Err(_) => Ok(None),
        }
    }

    async fn find(&mut self, question: &Identifier) -> Result<Found, Error> {
        let mut lease = match self.lease.take() {
            Some(lease) => lease,
            None => self.pool.lease(&pair(self.identity), &self.want).await?,
        };
        let found = lease.association.find(question).await;
        if found.as_ref().err().is_none_or(Error::association_lives) {
            self.lease = Some(lease);
        }
        found
    }

    fn answered(&self, found: Result<Found, Error>) -> Result<Vec<Identifier>, TargetError> {
        match found {
            Ok(found) if found.status == Status::SUCCESS => Ok(found.matches),
            Ok(found) => Err(words::evasive(self.pool.peer(), found.status)),
            Err(error) => Err(words::silent(self.pool.peer(), &error)),
        }
    }

    fn close(self) {
        if let Some(lease) = self.lease {
            self.pool.give_back(lease);
        }
    }
}

/// Whether an answer names this instance. A PACS may pass over a key that it was asked by.
fn names(found: &[Identifier], uid: &Uid) -> bool {
    let is = |one: &Identifier| one.sop_instance().is_none_or(|other| other == *uid);
    found.iter().any(is)
}

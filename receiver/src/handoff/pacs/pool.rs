//! Associations to one PACS: two at most, one to those that lose instances of two, used again for
//! a run of instances, closed when idle.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karez_dimse::scu::{Association, Contexts, Request};
use karez_dimse::{AeTitle, Timeouts, Uid};
use karez_dimse::{Error, RejectReason, Rejection};
use karez_host::Env;
use karez_host::env::BoxStream;
use karez_host::tls;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::peer::Peer;
use crate::limits::{PACS_ASSOCIATIONS, PACS_IDLE, PACS_LIFE, PACS_SILENCE};

/// A SOP class in a transfer syntax.
pub(super) type Pair = (Uid, Uid);

/// DCMTK's programs. Its dcmqrscp serves each association by a process of its own and names files by
/// the second: of two instances that come at once by two associations it may keep one alone, and
/// says success of both (measured with 3.6.7).
const ONE_AT_A_TIME: &str = "1.2.276.0.7230010.3.0.";

/// Contexts that are left for instances beside that for C-FIND.
const PAIRS: usize = karez_dimse::limits::CONTEXTS - 1;

/// The associations.
pub(super) struct Pool {
    env: Arc<dyn Env>,
    peer: Peer,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    idle: Vec<Open>,
    /// What instances were lately; the newest first.
    pairs: Vec<Pair>,
    next: u64,
    /// Associations that the PACS takes at once.
    capacity: usize,
}

struct Open {
    association: Association<BoxStream>,
    /// Our title on it, where it is not the usual one.
    calling: Option<AeTitle>,
    /// Counts how often it was put back, over all of the pool.
    turn: u64,
    since: Instant,
}

/// An association in use. Dropped, it is cut.
pub(super) struct Lease {
    pub(super) association: Association<BoxStream>,
    calling: Option<AeTitle>,
    /// Whether it carried something before.
    pub(super) used: bool,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

/// Which association is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// A new one, not one that stands.
    pub(super) new: bool,
    /// Our title, where it is not the usual one.
    pub(super) calling: Option<AeTitle>,
}

impl Pool {
    pub(super) fn new(env: Arc<dyn Env>, peer: Peer) -> Self {
        let capacity = peer.associations.unwrap_or(PACS_ASSOCIATIONS);
        Self {
            env,
            peer,
            permits: Arc::new(Semaphore::new(capacity)),
            state: Mutex::new(State {
                idle: Vec::new(),
                pairs: Vec::new(),
                next: 0,
                capacity,
            }),
        }
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn env(&self) -> &Arc<dyn Env> {
        &self.env
    }

    /// An association on which `pair` was proposed.
    pub(super) async fn lease(&self, pair: &Pair, want: &Want) -> Result<Lease, Error> {
        loop {
            let permit = self.permits.clone().acquire_owned().await;
            let permit = permit.map_err(|_| Error::Over)?;
            if !want.new
                && let Some(open) = self.take_idle(pair, want)
            {
                return Ok(Lease {
                    association: open.association,
                    calling: open.calling,
                    used: true,
                    since: open.since,
                    _permit: permit,
                });
            }
            self.close_idle().await;
            let calling = want.calling.as_ref().unwrap_or(&self.peer.calling);
            match self.open_as(calling, &self.contexts(pair)?).await {
                Ok(association) if self.is_one_too_many(&association) => {
                    release(association).await;
                    permit.forget();
                }
                Ok(association) => {
                    let since = self.env.now();
                    return Ok(Lease {
                        association,
                        calling: want.calling.clone(),
                        used: false,
                        since,
                        _permit: permit,
                    });
                }
                // It takes one association of ours at a time: the other one is waited for.
                Err(Error::Rejected(rejection)) if too_many(rejection) && self.one_fewer() => {
                    permit.forget();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens an association with these contexts, under our usual title.
    pub(super) async fn open(&self, contexts: &Contexts) -> Result<Association<BoxStream>, Error> {
        self.open_as(&self.peer.calling, contexts).await
    }

    async fn open_as(
        &self,
        calling: &AeTitle,
        contexts: &Contexts,
    ) -> Result<Association<BoxStream>, Error> {
        let request = Request {
            calling: calling.clone(),
            called: self.peer.called.clone(),
            contexts: contexts.clone(),
            reports: false,
            timeouts: Timeouts {
                idle: PACS_SILENCE,
                ..Timeouts::default()
            },
        };
        Association::connect(self.stream(), &request).await
    }

    /// A stream to it, secured where that is wanted.
    async fn stream(&self) -> io::Result<BoxStream> {
        let stream = self.env.connect_stream(&self.peer.at).await?;
        match self.secure(stream).await {
            Ok(stream) => Ok(stream),
            Err(error) => {
                tracing::debug!(%error, "no secured connection");
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
    }

    /// Secures a stream where that is wanted.
    pub(super) async fn secure(&self, stream: BoxStream) -> Result<BoxStream, tls::TlsError> {
        match &self.peer.tls {
            Some(files) => tls::connect(&self.env, files, &self.peer.at, stream).await,
            None => Ok(stream),
        }
    }

    /// Gives an association back; it is closed when nobody wants it soon.
    pub(super) fn give_back(self: &Arc<Self>, lease: Lease) {
        let now = self.env.now();
        let old = now.saturating_duration_since(lease.since) >= PACS_LIFE;
        let turn = {
            let mut state = self.lock();
            state.next += 1;
            let (turn, since) = (state.next, lease.since);
            let (association, calling) = (lease.association, lease.calling);
            state.idle.push(Open {
                association,
                calling,
                turn,
                since,
            });
            turn
        };
        let until = if old { now } else { now + PACS_IDLE };
        let pool = self.clone();
        tokio::spawn(async move {
            pool.env.sleep_until(until).await;
            let left = pool.take_turn(turn);
            if let Some(open) = left {
                release(open.association).await;
            }
        });
    }

    /// Contexts for `pair` and for what came lately, so that a mixed study needs one association.
    fn contexts(&self, pair: &Pair) -> Result<Contexts, Error> {
        let mut state = self.lock();
        state.pairs.retain(|known| known != pair);
        state.pairs.insert(0, pair.clone());
        state.pairs.truncate(PAIRS);
        let mut contexts = Contexts::new();
        for (sop_class, transfer_syntax) in &state.pairs {
            contexts.add(sop_class, transfer_syntax)?;
        }
        if self.peer.find {
            contexts.add_find()?;
        }
        Ok(contexts)
    }

    fn take_idle(&self, pair: &Pair, want: &Want) -> Option<Open> {
        let proposed = |open: &Open| {
            let accepted = open.association.accepts(&pair.0, &pair.1);
            accepted != Err(karez_dimse::ContextRefusal::NotProposed)
                && open.calling == want.calling
        };
        let mut state = self.lock();
        let at = state.idle.iter().position(proposed)?;
        Some(state.idle.swap_remove(at))
    }

    fn take_turn(&self, turn: u64) -> Option<Open> {
        let mut state = self.lock();
        let at = state.idle.iter().position(|open| open.turn == turn)?;
        Some(state.idle.swap_remove(at))
    }

    /// Associations that lack a context, or are not wanted, make room for a new one.
    async fn close_idle(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        for open in idle {
            release(open.association).await;
        }
    }

    /// Whether this is a second association to a program that must have one alone.
    fn is_one_too_many(&self, association: &Association<BoxStream>) -> bool {
        let program = association.implementation().as_str();
        if self.peer.associations.is_some() || !program.starts_with(ONE_AT_A_TIME) {
            return false;
        }
        if self.one_fewer() {
            return true;
        }
        let mut state = self.lock();
        if state.capacity > 1
            && let Ok(spare) = self.permits.clone().try_acquire_owned()
        {
            spare.forget();
            state.capacity -= 1;
        }
        false
    }

    /// Whether another association of ours is in use; then one fewer may be from now on.
    fn one_fewer(&self) -> bool {
        let mut state = self.lock();
        let in_use = state.capacity - self.permits.available_permits();
        if in_use > 1 {
            state.capacity -= 1;
        }
        in_use > 1
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn release(association: Association<BoxStream>) {
    if let Err(error) = association.release().await {
        tracing::debug!(%error, "an idle association did not end in good order");
    }
}

fn too_many(rejection: Rejection) -> bool {
    let busy = [RejectReason::LocalLimit, RejectReason::Congestion];
    rejection.transient || busy.contains(&rejection.reason)
}

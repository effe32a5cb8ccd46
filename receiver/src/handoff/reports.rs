//! The hub's own port for reports of storage commitment (PS3.4 J.3.3). They come on associations
//! that the PACS opens, hours after they were asked for.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karez_dimse::commitment::Report;
use karez_dimse::scp::{Association, Config, Peer, Request};
use karez_dimse::uid::{STORAGE_COMMITMENT, VERIFICATION};
use karez_dimse::{ContextRefusal, Error, Status, Uid};
use karez_host::env::{BoxListener, BoxStream};
use karez_host::{Env, tls};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::Whose;
use super::confirmer::reported;
use crate::engine::{Confirmed, Mailbox, Message};
use crate::limits::{REPORT_ASSOCIATIONS, REPORT_PORT_RETRY, REPORTS_EXPECTED};

/// What was asked for and by whom it is meant, and whether anybody can hear the answer.
#[derive(Default)]
pub(crate) struct Reports(Mutex<State>);

#[derive(Default)]
struct State {
    port: Port,
    expected: BTreeMap<Uid, Expected>,
    /// The oldest first.
    order: VecDeque<Uid>,
}

/// The port for reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Port {
    /// None is wanted.
    #[default]
    Off,
    /// It listens there.
    Open(SocketAddr),
    /// It cannot be had: why.
    Lost(String),
}

struct Expected {
    target: String,
    instances: Vec<(Uid, Whose)>,
}

/// What every association works with.
struct Door {
    env: Arc<dyn Env>,
    files: Option<tls::Files>,
    reports: Arc<Reports>,
    mailbox: Mailbox,
}

type Answers = Vec<(Whose, Confirmed)>;

impl Reports {
    /// For a hub that has a port for them, or has none.
    pub(crate) fn new(wanted: bool) -> Self {
        let port = match wanted {
            true => Port::Lost("it is not open yet".into()),
            false => Port::Off,
        };
        Self(Mutex::new(State {
            port,
            ..State::default()
        }))
    }

    /// How the port is.
    pub(crate) fn port(&self) -> Port {
        self.lock().port.clone()
    }

    /// A report on this transaction is about these instances. An old transaction's counts too,
    /// however often was asked since.
    pub(super) fn expect(&self, transaction: &Uid, target: &str, instances: Vec<(Uid, Whose)>) {
        let mut state = self.lock();
        if state.order.len() >= REPORTS_EXPECTED
            && let Some(oldest) = state.order.pop_front()
        {
            state.expected.remove(&oldest);
        }
        state.order.push_back(transaction.clone());
        let target = target.to_owned();
        let expected = Expected { target, instances };
        state.expected.insert(transaction.clone(), expected);
    }

    /// Nothing was asked.
    pub(super) fn forget(&self, transaction: &Uid) {
        let mut state = self.lock();
        state.expected.remove(transaction);
        state.order.retain(|other| other != transaction);
    }

    /// What a report means. Of what it names only that counts which was asked for.
    fn meant(&self, report: &Report) -> Option<(String, Answers)> {
        let state = self.lock();
        let expected = state.expected.get(&report.uid)?;
        let failed: BTreeMap<_, _> = report
            .failed
            .iter()
            .map(|(one, why)| (&one.sop_instance, *why))
            .collect();
        let committed = |uid: &Uid| report.committed.iter().any(|one| one.sop_instance == *uid);
        let mut answers = Vec::new();
        for (uid, whose) in &expected.instances {
            match failed.get(uid) {
                Some(why) => answers.push((*whose, reported(Some(*why)))),
                None if committed(uid) => answers.push((*whose, reported(None))),
                None => {}
            }
        }
        Some((expected.target.clone(), answers))
    }

    fn set(&self, port: Port) {
        self.lock().port = port;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears reports for ever. A port that cannot be had is shown in the status and tried again.
pub(crate) async fn listen(
    env: Arc<dyn Env>,
    at: SocketAddr,
    files: Option<tls::Files>,
    (reports, mailbox): (Arc<Reports>, Mailbox),
) {
    let door = Arc::new(Door {
        env: env.clone(),
        files,
        reports: reports.clone(),
        mailbox,
    });
    loop {
        match env.listen_stream(at).await {
            Ok(listener) => {
                let there = listener.local_addr().unwrap_or(at);
                reports.set(Port::Open(there));
                info!(%there, "the port for commitment reports is open");
                take(listener, &door).await;
            }
            Err(error) => {
                warn!(%error, "the port for commitment reports cannot be had");
                reports.set(Port::Lost(error.to_string()));
            }
        }
        env.sleep_until(env.now() + REPORT_PORT_RETRY).await;
    }
}

/// Takes connections until none comes any more.
async fn take(mut listener: BoxListener, door: &Arc<Door>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = running.join_next() => {}
            taken = listener.accept() => match taken {
                Ok(_) if running.len() >= REPORT_ASSOCIATIONS => {}
                Ok((stream, _)) => {
                    running.spawn(door.clone().open(stream));
                }
                Err(error) => {
                    warn!(%error, "the port for commitment reports takes no connection");
                    return door.reports.set(Port::Lost(error.to_string()));
                }
            },
        }
    }
}

impl Door {
    async fn open(self: Arc<Self>, stream: BoxStream) {
        let stream = match &self.files {
            None => Ok(stream),
            Some(files) => tls::accept_within(&self.env, files, stream).await,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return info!(%error, "an archive's connection was not taken"),
        };
        if let Err(error) = serve(stream, &self.reports, &self.mailbox).await {
            debug!(%error, "an association for reports broke off");
        }
    }
}

async fn serve(stream: BoxStream, reports: &Reports, mailbox: &Mailbox) -> Result<(), Error> {
    let policy = |_: &Peer, class: &Uid| match class.as_str() {
        VERIFICATION | STORAGE_COMMITMENT => Ok(()),
        _ => Err(ContextRefusal::SopClass),
    };
    let mut association = Association::accept(stream, &Config::default(), &policy).await?;
    loop {
        match association.next().await? {
            Request::Report(heard) => {
                let status = believed(&heard.said, reports, mailbox).await;
                heard.answer(status).await?;
            }
            Request::Store(store) => store.answer(Status::CLASS_NOT_SUPPORTED).await?,
            Request::Find(find) => find.finish(Status::UNRECOGNIZED_OPERATION).await?,
            Request::Commit(heard) => heard.answer(Status::UNRECOGNIZED_OPERATION).await?,
            Request::Echo | Request::Refused(..) => {}
            Request::Released => return Ok(()),
        }
    }
}

/// The engine knows when the PACS hears that we have heard.
async fn believed(report: &Report, reports: &Reports, mailbox: &Mailbox) -> Status {
    let Some((target, answers)) = reports.meant(report) else {
        info!("a commitment report on a transaction that nobody here knows");
        return Status::PROCESSING_FAILURE;
    };
    match mailbox.tell(Message::Confirmed(target, answers)).await {
        Ok(()) => Status::SUCCESS,
        Err(_) => Status::PROCESSING_FAILURE,
    }
}

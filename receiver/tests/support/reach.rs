//! Archives that a hub can reach by TCP.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use karez_dimse::stub::Pacs;
use karez_host::Env;
use karez_host::env::{BoxFuture, BoxListener, BoxStream, Engine, Job};
use karez_quic::Net;
use karez_store::Disk;
use tokio::sync::watch;
use tokio::time::Instant;

use super::web::Web;
use super::world::TestEnv;

/// Who answers at which `HOST:PORT`; clones are the same.
#[derive(Clone, Default)]
pub struct Reach(Arc<Mutex<BTreeMap<String, Archive>>>);

#[derive(Clone)]
enum Archive {
    Dicom(Pacs),
    Web(Web),
}

struct Reaching {
    env: Arc<TestEnv>,
    reach: Reach,
}

impl Reach {
    /// From now on this archive answers there.
    pub fn put(&self, at: &str, pacs: &Pacs) {
        let archive = Archive::Dicom(pacs.clone());
        self.0.lock().unwrap().insert(at.to_owned(), archive);
    }

    /// From now on this DICOMweb service answers there.
    pub fn put_web(&self, at: &str, web: &Web) {
        let archive = Archive::Web(web.clone());
        self.0.lock().unwrap().insert(at.to_owned(), archive);
    }

    pub fn env(&self, env: &Arc<TestEnv>) -> Arc<dyn Env> {
        Arc::new(Reaching {
            env: env.clone(),
            reach: self.clone(),
        })
    }
}

impl Env for Reaching {
    fn now(&self) -> Instant {
        self.env.now()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        self.env.sleep_until(at)
    }

    fn wall(&self) -> i64 {
        Env::wall(&*self.env)
    }

    fn entropy(&self, buf: &mut [u8]) {
        self.env.entropy(buf);
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Env::disk(&*self.env)
    }

    fn net(&self) -> Arc<dyn Net> {
        self.env.net()
    }

    fn work(&self, job: Job, cost_hint_bytes: u64) -> BoxFuture<'static, ()> {
        self.env.work(job, cost_hint_bytes)
    }

    fn spawn_engine(&self, name: &'static str, run: BoxFuture<'static, ()>) -> io::Result<Engine> {
        self.env.spawn_engine(name, run)
    }

    fn connect_stream(&self, to: &str) -> BoxFuture<'static, io::Result<BoxStream>> {
        let archive = self.reach.0.lock().unwrap().get(to).cloned();
        Box::pin(async move {
            let stream = match archive.ok_or(io::ErrorKind::HostUnreachable)? {
                Archive::Dicom(pacs) => pacs.connect()?,
                Archive::Web(web) => web.connect()?,
            };
            Ok(Box::new(stream) as BoxStream)
        })
    }

    fn listen_stream(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>> {
        self.env.listen_stream(at)
    }

    fn link_events(&self) -> watch::Receiver<u64> {
        self.env.link_events()
    }
}

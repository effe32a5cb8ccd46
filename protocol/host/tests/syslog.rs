//! The audit log on its way to a syslog server: over TLS, in order, whatever the server does. The
//! certificates are OpenSSL's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use karez_host::audit::syslog::{Batch, Lines, run};
use karez_host::audit::{AuditLog, AuditSettings, Event, Note};
use karez_host::env::{BoxFuture, BoxListener, BoxStream, Engine, Job};
use karez_host::limits::SYSLOG_BATCH;
use karez_host::{Env, Failure, RealEnv, tls};
use karez_store::{Disk, Options, RealDisk, Store};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

const AT: &str = "127.0.0.1:6514";

/// What the server does with a connection.
#[derive(Clone, Copy)]
enum Deed {
    /// It is not there.
    Away,
    /// It reads so many bytes and goes.
    Cuts(usize),
    /// It reads, and never closes.
    Hangs,
    /// It reads all and closes.
    Takes,
}

/// A server, by what it does with its next connections; after these it takes all.
struct Server {
    deeds: Mutex<VecDeque<Deed>>,
    files: tls::Files,
    /// What came, by connection.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    fn new(files: tls::Files, deeds: &[Deed]) -> Arc<Self> {
        Arc::new(Self {
            deeds: Mutex::new(deeds.iter().copied().collect()),
            files,
            heard: Arc::default(),
        })
    }

    fn open(&self, env: Arc<dyn Env>) -> io::Result<BoxStream> {
        let deed = self.deeds.lock().unwrap().pop_front();
        let deed = deed.unwrap_or(Deed::Takes);
        if matches!(deed, Deed::Away) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(4096);
        let (files, heard) = (self.files.clone(), self.heard.clone());
        tokio::spawn(async move {
            let stream = tls::accept_within(&env, &files, Box::new(theirs)).await;
            let Ok(mut stream) = stream else { return };
            let most = match deed {
                Deed::Cuts(most) => most,
                _ => usize::MAX,
            };
            let (mut all, mut bytes) = (Vec::new(), [0; 1000]);
            while all.len() < most {
                match stream.read(&mut bytes).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => all.extend(&bytes[..n]),
                }
            }
            heard.lock().unwrap().push(all);
            if matches!(deed, Deed::Hangs) {
                std::future::pending::<()>().await;
            }
        });
        Ok(Box::new(ours))
    }

    /// The numbers of the lines that came whole.
    fn lines(&self) -> Vec<u64> {
        let heard = self.heard.lock().unwrap();
        heard.iter().flat_map(|bytes| numbers(bytes)).collect()
    }
}

/// Reads frames by their octet counts.
fn numbers(mut bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some(space) = bytes.iter().position(|b| *b == b' ') {
        let length = std::str::from_utf8(&bytes[..space]).unwrap();
        let end = space + 1 + length.parse::<usize>().unwrap();
        let Some(frame) = bytes.get(space + 1..end) else {
            break;
        };
        let text = std::str::from_utf8(frame).unwrap();
        assert!(text.starts_with("<85>1 ") && text.ends_with("</AuditMessage>"));
        let (_, head) = text.rsplit_once("ParticipantObjectID=\"").unwrap();
        found.push(head.split_once(':').unwrap().0.parse().unwrap());
        bytes = &bytes[end..];
    }
    found
}

/// This machine, with tokio's clock and that server.
struct Machine {
    real: Arc<RealEnv>,
    server: Arc<Server>,
}

impl Env for Machine {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(sleep_until(at))
    }

    fn wall(&self) -> i64 {
        self.real.wall()
    }

    fn entropy(&self, buf: &mut [u8]) {
        self.real.entropy(buf);
    }

    fn disk(&self) -> Arc<dyn Disk> {
        self.real.disk()
    }

    fn net(&self) -> Arc<dyn karez_quic::Net> {
        self.real.net()
    }

    fn work(&self, job: Job, cost: u64) -> BoxFuture<'static, ()> {
        self.real.work(job, cost)
    }

    fn spawn_engine(&self, name: &'static str, run: BoxFuture<'static, ()>) -> io::Result<Engine> {
        self.real.spawn_engine(name, run)
    }

    fn connect_stream(&self, to: &str) -> BoxFuture<'static, io::Result<BoxStream>> {
        assert_eq!(to, AT);
        let opened = self.server.open(self.real.clone());
        Box::pin(async move { opened })
    }

    fn listen_stream(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>> {
        self.real.listen_stream(at)
    }

    fn link_events(&self) -> watch::Receiver<u64> {
        self.real.link_events()
    }
}

/// An audit log, the certificates, and the place of both.
struct Clinic {
    _dir: tempfile::TempDir,
    dir: PathBuf,
    log: Arc<Log>,
    real: Arc<RealEnv>,
}

struct Log(Mutex<(Store, AuditLog)>);

impl Lines for Log {
    fn after(&self, number: u64) -> BoxFuture<'_, Result<Batch, Failure>> {
        let (store, log) = &mut *self.0.lock().unwrap();
        let batch = log.batch(store, ("chagai", "karez-sender"), number);
        Box::pin(async move { Ok(batch?) })
    }
}

impl Clinic {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().to_owned();
        for name in ["one", "other"] {
            authority(&dir, name);
        }
        let options = Options { salt: [5; 16] };
        let disk = Arc::new(RealDisk);
        let (mut store, _) = Store::open_with(disk, &dir.join("data"), options).unwrap();
        let log = AuditLog::open(&mut store).unwrap();
        Self {
            _dir: scratch,
            dir,
            log: Arc::new(Log(Mutex::new((store, log)))),
            real: Arc::new(RealEnv::new().unwrap()),
        }
    }

    fn add(&self, count: u64) {
        let (store, log) = &mut *self.log.0.lock().unwrap();
        for n in 0..count {
            log.add(&Note::new(n as i64, Event::Received).with("clinic chagai"));
        }
        log.append(store).unwrap();
        store.commit().unwrap();
        log.settle(store);
    }

    fn files(&self, own: &str, authority: Option<&str>) -> tls::Files {
        let file = |name: &str, ending: &str| self.dir.join(format!("{name}.{ending}"));
        tls::Files {
            authorities: authority.map(|name| file(name, "pem")),
            own: Some((file(own, "pem"), file(own, "key"))),
        }
    }

    fn settings(&self) -> AuditSettings {
        let files = self.files("one", Some("one"));
        let (tls_cert, tls_key) = files.own.unwrap();
        AuditSettings {
            syslog: AT.into(),
            tls_ca: files.authorities.unwrap(),
            tls_cert,
            tls_key,
        }
    }

    fn run(&self, server: &Arc<Server>, settings: AuditSettings) -> JoinHandle<()> {
        let env = Arc::new(Machine {
            real: self.real.clone(),
            server: server.clone(),
        });
        let dir = self.dir.join("data");
        tokio::spawn(run(env, dir, settings, self.log.clone()))
    }
}

/// A certificate of its own authority, for this machine.
fn authority(dir: &Path, name: &str) {
    let (key, cert) = (format!("{name}.key"), format!("{name}.pem"));
    let output = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &cert])
        .current_dir(dir)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(4 * 3600);
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_line_reaches_the_server_in_order_and_twice_only_what_had_no_answer() {
    let clinic = Clinic::new();
    let deeds = [
        Deed::Away,
        Deed::Cuts(50_000),
        Deed::Takes,
        Deed::Hangs,
        Deed::Away,
    ];
    let server = Server::new(clinic.files("one", Some("one")), &deeds);
    clinic.add(250);
    let task = clinic.run(&server, clinic.settings());
    until("all", || server.lines().contains(&250)).await;
    let came = server.lines();
    let mut once = came.clone();
    once.sort_unstable();
    once.dedup();
    assert!(once.iter().copied().eq(1..=250), "none is lost: {came:?}");
    let batches = (came.len() - 250) as f64 / SYSLOG_BATCH as f64;
    assert!(batches < 2.0, "{} came twice", came.len() - 250);
    println!("250 lines, {} of them twice", came.len() - 250);
    clinic.add(1);
    until("one more", || server.lines().contains(&251)).await;
    sleep(Duration::from_secs(5)).await;
    // A restart sends nothing again.
    task.abort();
    let before = server.lines().len();
    let _task = clinic.run(&server, clinic.settings());
    sleep(Duration::from_secs(600)).await;
    clinic.add(1);
    until("after the restart", || server.lines().contains(&252)).await;
    assert_eq!(server.lines().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_authority_is_told_nothing_nor_takes_one_a_client_that_it_does_not_know()
 {
    let clinic = Clinic::new();
    clinic.add(3);
    let false_one = Server::new(clinic.files("other", None), &[]);
    let strict = Server::new(clinic.files("one", Some("one")), &[]);
    let unknown = AuditSettings {
        tls_cert: PathBuf::new(),
        tls_key: PathBuf::new(),
        ..clinic.settings()
    };
    let tasks = [
        clinic.run(&false_one, clinic.settings()),
        clinic.run(&strict, unknown),
    ];
    sleep(Duration::from_secs(3600)).await;
    assert_eq!((false_one.lines(), strict.lines()), (vec![], vec![]));
    tasks.iter().for_each(JoinHandle::abort);
    let _task = clinic.run(&strict, clinic.settings());
    until("known", || strict.lines() == [1, 2, 3]).await;
}

//! The real world.

mod clock;
mod links;
mod netlink;
mod pool;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use tokio::sync::watch;
use tokio::time::Instant;

use self::clock::Clock;
use self::links::Links;
use self::pool::Pool;
use crate::env::{BoxFuture, BoxListener, BoxStream, Engine, Env, Job};

/// The operating system as an [`Env`].
pub struct RealEnv {
    clock: Clock,
    disk: Arc<karez_store::RealDisk>,
    net: Arc<karez_quic::net::UdpNet>,
    pool: Pool,
    cores: usize,
    links: Links,
}

impl RealEnv {
    /// Starts the work threads, one for each core.
    ///
    /// # Errors
    /// The system gives no entropy, or no threads.
    pub fn new() -> io::Result<Self> {
        getrandom::fill(&mut [0; 32])?;
        let cores = thread::available_parallelism()?.get();
        Ok(Self {
            clock: Clock::new(),
            disk: Arc::new(karez_store::RealDisk),
            net: Arc::new(karez_quic::net::UdpNet::new(random, clock::wall)),
            pool: Pool::new(cores)?,
            cores,
            links: Links::default(),
        })
    }
}

impl Env for RealEnv {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.clock.sleep_until(at))
    }

    fn wall(&self) -> i64 {
        clock::wall()
    }

    fn cores(&self) -> usize {
        self.cores
    }

    fn entropy(&self, buf: &mut [u8]) {
        entropy(buf);
    }

    fn disk(&self) -> Arc<dyn karez_store::Disk> {
        self.disk.clone()
    }

    fn net(&self) -> Arc<dyn karez_quic::Net> {
        self.net.clone()
    }

    fn work(&self, job: Job, _: u64) -> BoxFuture<'static, ()> {
        Box::pin(self.pool.run(job))
    }

    fn spawn_engine(&self, name: &'static str, run: BoxFuture<'static, ()>) -> io::Result<Engine> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (engine, end) = Engine::new(name);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(run);
                end.reached();
            })?;
        Ok(engine)
    }

    fn connect_stream(&self, to: &str) -> BoxFuture<'static, io::Result<BoxStream>> {
        Box::pin(stream::connect(to.to_owned()))
    }

    fn listen_stream(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<BoxListener>> {
        Box::pin(async move { stream::listen(at) })
    }

    fn link_events(&self) -> watch::Receiver<u64> {
        self.links.subscribe()
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    entropy(&mut bytes);
    bytes
}

/// Keys come from here: a source that fails after it worked at the start is no place to go on.
fn entropy(buf: &mut [u8]) {
    if let Err(error) = getrandom::fill(buf) {
        tracing::error!(%error, "the system gives no entropy any more: ending at once");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::env::{EngineLost, WorkLost, work};

    fn env() -> RealEnv {
        RealEnv::new().unwrap()
    }

    #[test]
    fn entropy_differs_each_time() {
        let env = env();
        let (mut a, mut b) = ([0; 32], [0; 32]);
        env.entropy(&mut a);
        env.entropy(&mut b);
        assert_ne!(a, b);
        assert_ne!(env.net().random(), env.net().random());
    }

    #[tokio::test]
    async fn work_returns_what_the_job_made_and_says_when_it_is_lost() {
        let env = env();
        let name = |()| thread::current().name().unwrap_or("").to_owned();
        assert!(
            work(&env, 0, move || name(()))
                .await
                .unwrap()
                .starts_with("work")
        );
        let lost: Result<u8, _> = work(&env, 0, || panic!("on purpose")).await;
        assert_eq!(lost, Err(WorkLost));
        assert_eq!(work(&env, 0, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn an_engine_runs_on_a_thread_of_its_own_with_timers() {
        let env = env();
        let (tell, told) = tokio::sync::oneshot::channel();
        let run = async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tell.send(thread::current().name().map(str::to_owned))
                .unwrap();
        };
        let engine = env.spawn_engine("store", Box::pin(run)).unwrap();
        assert_eq!(told.await.unwrap().as_deref(), Some("store"));
        assert_eq!(engine.join().await, Ok(()));

        let fails = env.spawn_engine("fails", Box::pin(async { panic!("on purpose") }));
        assert_eq!(fails.unwrap().join().await, Err(EngineLost("fails")));
    }

    #[tokio::test]
    async fn streams_connect_by_name_and_carry_bytes_both_ways() {
        let env = env();
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listener = env.listen_stream(at).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = format!("localhost:{port}");
        let (near, far) = tokio::join!(env.connect_stream(&to), listener.accept());
        let (mut near, (mut far, from)) = (near.unwrap(), far.unwrap());
        assert!(from.ip().is_loopback());
        near.write_all(b"ping").await.unwrap();
        far.write_all(b"pong").await.unwrap();
        let (mut ping, mut pong) = ([0; 4], [0; 4]);
        far.read_exact(&mut ping).await.unwrap();
        near.read_exact(&mut pong).await.unwrap();
        assert_eq!((&ping, &pong), (b"ping", b"pong"));
        drop((near, far, listener));
        assert!(env.connect_stream(&to).await.is_err());
    }
}

//! Many clinics, each on a thin link of its own, into one hub: what the hub's end costs, and
//! whether each gets its share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use karez_protocol::id::PeerId;
use karez_quic::{
    Admission, Admit, Alpn, Client, Identity, LinkConfig, Redial, RedialPolicy, Server, Wake, drive,
};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::traffic::{CHUNK, Traffic};
use crate::calendar::{Place, SiteCalendar};
use crate::link::{Direction, Link};
use crate::profile::Profile;
use crate::seed::Seed;
use crate::world::{Air, Machine, SiteId};

const HUB: ([u8; 4], u16) = ([10, 0, 0, 1], 4433);
/// Clinics begin within this time.
const BEGIN: Duration = Duration::from_secs(10);

/// So many clinics on links of one profile.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Each clinic's link.
    pub profile: Profile,
    /// How many.
    pub clinics: u16,
    /// How long they are looked at, after as long as it takes them to begin and settle.
    pub length: Duration,
    /// Not looked at.
    pub warm: Duration,
    /// Draws everything.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CrowdReport {
    /// How many clinics.
    pub clinics: u16,
    /// Simulated seconds, with the beginning.
    pub simulated_s: f64,
    /// Seconds of CPU of the whole world: clinics, links and hub.
    pub cpu_s: f64,
    /// The most memory that the process ever held, bytes.
    pub memory_max_bytes: u64,
    /// The mean share of capacity that a clinic got.
    pub share_mean: f64,
    /// The lowest of any clinic.
    pub share_min: f64,
}

impl Crowd {
    /// Runs it on a runtime of its own with a paused clock.
    ///
    /// # Errors
    /// When the operating system gives no runtime.
    pub fn run(&self) -> io::Result<CrowdReport> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let before = cpu_s();
        let mut report = runtime.block_on(self.world())?;
        report.cpu_s = cpu_s() - before;
        report.memory_max_bytes = memory_max();
        Ok(report)
    }

    async fn world(&self) -> io::Result<CrowdReport> {
        let air = Air::new();
        let seed = Seed::new(self.seed);
        let traffics: Vec<Traffic> = (0..self.clinics).map(|_| Traffic::new(u64::MAX)).collect();
        let mut tasks = JoinSet::new();
        tasks.spawn(self.hub(&air, seed, &traffics)?);
        for (number, traffic) in (1..=self.clinics).zip(&traffics) {
            tasks.spawn(self.clinic(&air, seed, number, traffic));
        }
        sleep(self.warm).await;
        let from = air.elapsed();
        sleep(self.length).await;
        let to = air.elapsed();
        let shares = (1..=self.clinics).zip(&traffics);
        let shares = shares.map(|(number, traffic)| {
            // From one chunk's arrival to another's, which is exact.
            let came = came(traffic, from);
            let (Some(first), Some(last)) = (came.first(), came.last()) else {
                return 0.0;
            };
            let capacity = |link: &Link<Vec<u8>>| link.capacity(Direction::Up, *first, *last);
            let capacity = air.link(SiteId(number), capacity).unwrap_or_default();
            let payload = (came.len() as u64 - 1) * CHUNK;
            payload as f64 / capacity.max(1) as f64
        });
        let shares: Vec<f64> = shares.collect();
        Ok(CrowdReport {
            clinics: self.clinics,
            simulated_s: to.as_secs_f64(),
            share_mean: shares.iter().sum::<f64>() / shares.len().max(1) as f64,
            share_min: shares.iter().copied().fold(1.0, f64::min),
            ..CrowdReport::default()
        })
    }

    fn hub(
        &self,
        air: &Air,
        seed: Seed,
        traffics: &[Traffic],
    ) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let machine = Arc::new(Machine::new(air, HUB.0.into(), seed.child("hub")));
        let (net, config) = (machine.env().net(), self.config());
        let server = Server::bind(&net, HUB.into(), &identity(0), &config, Arc::new(Open));
        let mut server = server.map_err(io::Error::other)?;
        let clinics = (1..=self.clinics).map(|number| identity(number).peer());
        let by_peer: std::collections::BTreeMap<PeerId, Traffic> =
            clinics.zip(traffics.iter().cloned()).collect();
        Ok(async move {
            let mut sessions = JoinSet::new();
            while let Some(conn) = server.accept().await {
                if let Some(traffic) = by_peer.get(&conn.peer()) {
                    let mut tank = traffic.tank();
                    sessions.spawn(async move { drive(&conn, &mut tank, &Wake::new()).await });
                }
            }
        })
    }

    fn clinic(
        &self,
        air: &Air,
        seed: Seed,
        number: u16,
        traffic: &Traffic,
    ) -> impl Future<Output = ()> + Send + use<> {
        let name = format!("clinic {number}");
        let site = SiteId(number);
        let horizon = self.warm + self.length + Duration::from_secs(60);
        let place = Place::alone(self.seed, &name, horizon);
        let calendar = SiteCalendar::draw(&self.profile, &place);
        air.join(site, Link::new(&self.profile, &calendar, &place));
        let machine = Arc::new(Machine::new(air, site.ip(), seed.child(&name)));
        let env = machine.env();
        let client = Client::new(env.net(), identity(number), self.config());
        let addresses = Box::new(vec![SocketAddr::from(HUB)]);
        let (hub, events) = (identity(0).peer(), env.link_events());
        let mut redial = Redial::new(client, hub, addresses, RedialPolicy::default(), events);
        let traffic = traffic.clone();
        let wait = BEGIN * u32::from(number) / u32::from(self.clinics.max(1));
        async move {
            sleep(wait).await;
            let _machine = machine;
            match redial.run(&Wake::new(), |_| traffic.pump()).await {}
        }
    }

    fn config(&self) -> LinkConfig {
        LinkConfig {
            ip_mtu: u16::try_from(self.profile.mtu).unwrap_or(u16::MAX),
            ..LinkConfig::default()
        }
    }
}

/// When chunks came, from a moment on.
fn came(traffic: &Traffic, from: Duration) -> Vec<Duration> {
    let state = traffic.state();
    let late = state.arrivals.iter().filter(|at| **at >= from);
    late.copied().collect()
}

/// Lets everybody in.
struct Open;

impl Admit for Open {
    fn admit(&self, _: &PeerId, _: Alpn) -> Admission {
        Admission::Welcome
    }
}

fn identity(number: u16) -> Identity {
    let [high, low] = number.to_be_bytes();
    let mut seed = [7; 32];
    (seed[0], seed[1]) = (high, low);
    Identity::from_seed(&seed.into())
}

/// Seconds of CPU that this process has had, as Linux counts them; 0 elsewhere.
fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let own = text.split_whitespace().next();
    own.and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

/// Most bytes that this process ever had in memory, as Linux counts them; 0 elsewhere.
fn memory_max() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_a_small_crowd_gets_its_share() {
        let spec = "rate_kbit=64,rtt_ms=300,loss=0.01,queue_ms=2000";
        let crowd = Crowd {
            profile: Profile::from_spec(spec).unwrap(),
            clinics: 12,
            length: Duration::from_secs(240),
            warm: Duration::from_secs(60),
            seed: 1,
        };
        let report = crowd.run().unwrap();
        assert!(report.share_min >= 0.85, "{report:?}");
    }
}

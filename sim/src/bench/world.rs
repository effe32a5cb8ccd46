//! The air, the hub, the clinic, and what is read off them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use karez_protocol::id::PeerId;
use karez_quic::{
    Admission, Admit, Alpn, Client, Identity, LinkConfig, LinkMemory, Net, Redial, RedialPolicy,
    Server, Wake, drive,
};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::plug::Plugged;
use super::report::{Latency, Outages, Queue, Report};
use super::tasks::{DeadAir, Resumes, signals, stat, watch_dead_air, watch_resumes};
use super::traffic::{CHUNK, Traffic};
use super::{Bench, Span};
use crate::calendar::{Place, SiteCalendar};
use crate::link::{Counters, Direction, Link};
use crate::seed::Seed;
use crate::world::{Air, Machine, SiteId};

pub(super) const SITE: SiteId = SiteId(1);
const HUB: ([u8; 4], u16) = ([10, 0, 0, 1], 4433);
/// How finely time is looked at.
pub(super) const GRAIN: Duration = Duration::from_millis(5);
/// The seeds of the identities.
const HUB_ID: u8 = 1;
const CLINIC_ID: u8 = 2;
const RIVAL_ID: u8 = 3;

struct World {
    air: Air,
    clinic: Arc<Machine>,
    hub: Arc<Machine>,
    calendar: SiteCalendar,
    traffic: Traffic,
    rival: Traffic,
    wake: Wake,
    resumes: Resumes,
    dead_air: DeadAir,
}

/// What is counted up to a moment.
struct Look {
    at: Duration,
    up: Counters,
    down: Counters,
    sessions: u64,
    resent: u64,
    rival: u64,
}

/// Runs a bench to its end.
pub(super) async fn run(bench: &Bench) -> io::Result<Report> {
    let world = World::new(bench);
    let mut tasks = JoinSet::new();
    tasks.spawn(world.hub(bench)?);
    let (id, traffic) = (CLINIC_ID, &world.traffic);
    tasks.spawn(world.clinic(id, &bench.config, traffic, bench.remembered));
    if let Some(config) = &bench.rival {
        tasks.spawn(world.clinic(RIVAL_ID, config, &world.rival, None));
    }
    tasks.spawn(signals(world.air.clone(), world.clinic.clone()));
    let (air, calendar) = (&world.air, &world.calendar);
    if bench.hub_cuts.is_none() {
        let resumes = world.resumes.clone();
        tasks.spawn(watch_resumes(air.clone(), calendar.clone(), resumes));
    }
    let dead_air = world.dead_air.clone();
    tasks.spawn(watch_dead_air(air.clone(), calendar.clone(), dead_air));
    if let Some(every) = bench.stat_every {
        tasks.spawn(stat(world.traffic.clone(), world.wake.clone(), every));
    }
    let (before, after) = world.measure(bench.span).await;
    Ok(world.report(bench, &before, &after))
}

impl World {
    fn new(bench: &Bench) -> Self {
        let air = Air::new();
        let horizon = bench.span.horizon() + Duration::from_secs(60);
        let place = Place::alone(bench.seed, "bench", horizon);
        let calendar = SiteCalendar::draw(&bench.profile, &place);
        air.join(SITE, Link::new(&bench.profile, &calendar, &place));
        let seed = Seed::new(bench.seed);
        let machine = |ip: IpAddr, name| Arc::new(Machine::new(&air, ip, seed.child(name)));
        let bytes = match bench.span {
            Span::Bytes { bytes, .. } => bytes,
            Span::Window { .. } => u64::MAX,
        };
        Self {
            clinic: machine(SITE.ip(), "clinic"),
            hub: machine(HUB.0.into(), "hub"),
            air,
            calendar,
            traffic: Traffic::new(bytes),
            rival: Traffic::new(u64::MAX),
            wake: Wake::new(),
            resumes: Resumes::default(),
            dead_air: DeadAir::default(),
        }
    }

    fn hub(&self, bench: &Bench) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let house = House {
            net: self.hub.env().net(),
            config: bench.config.clone(),
            traffic: self.traffic.clone(),
            rival: self.rival.clone(),
        };
        let first = house.open()?;
        let (cuts, air, resumes) = (bench.hub_cuts, self.air.clone(), self.resumes.clone());
        Ok(async move {
            let (mut plug, mut server) = first;
            let Some((every, down)) = cuts else {
                return house.serve(&mut server).await;
            };
            loop {
                // Time running out is how a life ends here.
                let _ = timeout(every, house.serve(&mut server)).await;
                plug.pull();
                drop(server);
                sleep(down).await;
                let Ok(next) = house.open() else { return };
                (plug, server) = next;
                let up = air.elapsed();
                let came = house.traffic.state().greetings;
                let watch = house.traffic.clone();
                let resumes = resumes.clone();
                let air = air.clone();
                tokio::spawn(async move {
                    while watch.state().greetings == came && air.elapsed() < up + every {
                        sleep(GRAIN).await;
                    }
                    let mut all = resumes.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push((up, air.elapsed() - up));
                });
            }
        })
    }

    fn clinic(
        &self,
        id: u8,
        config: &LinkConfig,
        traffic: &Traffic,
        carried: Option<karez_quic::Remembered>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let env = self.clinic.env();
        let client = Client::new(env.net(), identity(id), config.clone());
        client.set_memory(LinkMemory {
            carried,
            probe: None,
        });
        let addresses = Box::new(vec![SocketAddr::from(HUB)]);
        let (hub, events) = (identity(HUB_ID).peer(), env.link_events());
        let mut redial = Redial::new(client, hub, addresses, RedialPolicy::default(), events);
        let (traffic, wake) = (traffic.clone(), self.wake.clone());
        let wake = if id == CLINIC_ID { wake } else { Wake::new() };
        async move { match redial.run(&wake, |_| traffic.pump()).await {} }
    }

    async fn measure(&self, span: Span) -> (Look, Look) {
        match span {
            Span::Window { warm, length } => {
                sleep(warm).await;
                let before = self.look();
                sleep(length).await;
                (before, self.look())
            }
            Span::Bytes { within, .. } => {
                let before = self.look();
                while !self.traffic.is_done() && self.air.elapsed() < within {
                    sleep(GRAIN).await;
                }
                (before, self.look())
            }
        }
    }

    fn look(&self) -> Look {
        let counters = |direction| {
            let counters = self.air.link(SITE, |link| link.counters(direction).clone());
            counters.unwrap_or_default()
        };
        let state = self.traffic.state();
        Look {
            at: self.air.elapsed(),
            up: counters(Direction::Up),
            down: counters(Direction::Down),
            sessions: state.sessions,
            resent: state.resent,
            rival: self.rival.state().arrivals.len() as u64 * CHUNK,
        }
    }

    fn dead_air_per_min(&self) -> f64 {
        let (bytes, time) = *self.dead_air.lock().unwrap_or_else(PoisonError::into_inner);
        bytes as f64 * 60.0 / time.as_secs_f64().max(1.0)
    }

    fn report(&self, bench: &Bench, before: &Look, after: &Look) -> Report {
        let state = self.traffic.state();
        let within = |at: &Duration| (before.at..=after.at).contains(at);
        let up = self.calendar.usable().total(before.at, after.at);
        let came: Vec<Duration> = state.arrivals.iter().copied().filter(within).collect();
        let (payload, span) = payload(&came, before.at, after.at, up);
        let capacity = self.air.link(SITE, |link| {
            let capacity = |(from, to)| link.capacity(Direction::Up, from, to);
            (capacity(span), capacity((before.at, after.at)))
        });
        let (of_span, capacity) = capacity.unwrap_or_default();
        let stat = state.stat.values();
        let stat = stat.filter_map(|(made, came)| came.filter(within).map(|came| came - *made));
        let resumes = self.resumes.lock().unwrap_or_else(PoisonError::into_inner);
        let resumes = resumes.iter().filter(|(up, _)| within(up));
        let queue = after.up.queue_delay.since(&before.up.queue_delay);
        let outages = self.calendar.usable().not().within(before.at, after.at);
        let (outages, wasted) = (
            outages.as_slice().len(),
            after.up.outage.bytes - before.up.outage.bytes,
        );
        Report {
            profile: bench.profile.name.clone(),
            seed: bench.seed,
            simulated_s: (after.at - before.at).as_secs_f64(),
            wall_s: 0.0,
            link_up_s: up.as_secs_f64(),
            capacity_bytes: capacity,
            payload_bytes: came.len() as u64 * CHUNK,
            wire_bytes_up: after.up.offered.bytes - before.up.offered.bytes,
            wire_bytes_down: after.down.offered.bytes - before.down.offered.bytes,
            goodput_share: payload as f64 / of_span.max(1) as f64,
            resent_bytes: (after.resent - before.resent) * CHUNK,
            disconnects: after.sessions.saturating_sub(before.sessions.max(1)),
            resume_idle_s: Latency::of(resumes.map(|(_, delay)| *delay).collect()),
            queue_s: Queue {
                p95: queue.quantile(0.95).as_secs_f64(),
                max: queue.max().as_secs_f64(),
            },
            stat_s: Latency::of(stat.collect()),
            outages: Outages {
                n: outages as u64,
                wasted_bytes: wasted as f64 / outages.max(1) as f64,
                dead_air_bytes_per_min: self.dead_air_per_min(),
            },
            rival_share: (after.rival - before.rival) as f64 / capacity.max(1) as f64,
            trace_hash: self.air.link(SITE, Link::trace_hash).unwrap_or_default(),
        }
    }
}

/// What a hub is made of, again and again.
struct House {
    net: Arc<dyn Net>,
    config: LinkConfig,
    traffic: Traffic,
    rival: Traffic,
}

impl House {
    fn open(&self) -> io::Result<(Arc<Plugged>, Server)> {
        let plug = Plugged::new(self.net.clone());
        let net: Arc<dyn Net> = plug.clone();
        let admit = Arc::new(Open);
        let server = Server::bind(&net, HUB.into(), &identity(HUB_ID), &self.config, admit);
        Ok((plug, server.map_err(io::Error::other)?))
    }

    async fn serve(&self, server: &mut Server) {
        let mut sessions = JoinSet::new();
        while let Some(conn) = server.accept().await {
            let traffic = match conn.peer() == identity(RIVAL_ID).peer() {
                true => &self.rival,
                false => &self.traffic,
            };
            let mut tank = traffic.tank();
            sessions.spawn(async move { drive(&conn, &mut tank, &Wake::new()).await });
        }
    }
}

/// Payload and the span it belongs to. On a link that was never down that is from one arrival to
/// another, which is exact; else the whole.
fn payload(
    came: &[Duration],
    from: Duration,
    to: Duration,
    up: Duration,
) -> (u64, (Duration, Duration)) {
    match (came.first(), came.last()) {
        (Some(first), Some(last)) if up + GRAIN >= to - from && from > Duration::ZERO => {
            ((came.len() as u64 - 1) * CHUNK, (*first, *last))
        }
        (_, last) => {
            let to = if from > Duration::ZERO {
                to
            } else {
                last.copied().unwrap_or(to)
            };
            (came.len() as u64 * CHUNK, (from, to))
        }
    }
}

/// Lets everybody in.
struct Open;

impl Admit for Open {
    fn admit(&self, _: &PeerId, _: Alpn) -> Admission {
        Admission::Welcome
    }
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32].into())
}

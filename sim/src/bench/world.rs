//! The air, the hub, the clinic, and what is read off them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_protocol::id::PeerId;
use karez_quic::{
    Admission, Admit, Alpn, Client, Identity, Redial, RedialPolicy, Server, Wake, drive,
};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::report::{Latency, Outages, Queue, Report};
use super::traffic::{CHUNK, Traffic};
use super::{Bench, Span};
use crate::calendar::{Place, SiteCalendar};
use crate::link::{Counters, Direction, Link};
use crate::seed::Seed;
use crate::world::{Air, Machine, SiteId};

const SITE: SiteId = SiteId(1);
const HUB: ([u8; 4], u16) = ([10, 0, 0, 1], 4433);
/// More bytes than this in one packet: it carries payload.
const DATA: u64 = 600;
/// How finely the first packet after an outage is looked for.
const GRAIN: Duration = Duration::from_millis(5);

/// Moments of link-up, and how long after each the first data came.
type Resumes = Arc<Mutex<Vec<(Duration, Duration)>>>;

struct World {
    air: Air,
    clinic: Arc<Machine>,
    hub: Arc<Machine>,
    calendar: SiteCalendar,
    traffic: Traffic,
    wake: Wake,
    resumes: Resumes,
}

/// What is counted up to a moment.
struct Look {
    at: Duration,
    up: Counters,
    down: Counters,
    sessions: u64,
    resent: u64,
}

/// Runs a bench to its end.
pub(super) async fn run(bench: &Bench) -> io::Result<Report> {
    let world = World::new(bench);
    let mut tasks = JoinSet::new();
    tasks.spawn(world.hub(bench)?);
    tasks.spawn(world.clinic(bench));
    tasks.spawn(signals(world.air.clone(), world.clinic.clone()));
    tasks.spawn(watch_resumes(
        world.air.clone(),
        world.calendar.clone(),
        world.resumes.clone(),
    ));
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
            wake: Wake::new(),
            resumes: Resumes::default(),
        }
    }

    fn hub(&self, bench: &Bench) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let net = self.hub.env().net();
        let server = Server::bind(
            &net,
            HUB.into(),
            &identity(1),
            &bench.config,
            Arc::new(Open),
        );
        let mut server = server.map_err(io::Error::other)?;
        let traffic = self.traffic.clone();
        Ok(async move {
            let mut sessions = JoinSet::new();
            while let Some(conn) = server.accept().await {
                let mut tank = traffic.tank();
                sessions.spawn(async move { drive(&conn, &mut tank, &Wake::new()).await });
            }
        })
    }

    fn clinic(&self, bench: &Bench) -> impl Future<Output = ()> + Send + use<> {
        let env = self.clinic.env();
        let client = Client::new(env.net(), identity(2), bench.config.clone());
        let addresses = Box::new(vec![SocketAddr::from(HUB)]);
        let (hub, events) = (identity(1).peer(), env.link_events());
        let mut redial = Redial::new(client, hub, addresses, RedialPolicy::default(), events);
        let (traffic, wake) = (self.traffic.clone(), self.wake.clone());
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
        }
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
            disconnects: after.sessions - before.sessions.max(1),
            resume_idle_s: Latency::of(resumes.map(|(_, delay)| *delay).collect()),
            queue_s: Queue {
                p95: queue.quantile(0.95).as_secs_f64(),
                max: queue.max().as_secs_f64(),
            },
            stat_s: Latency::of(stat.collect()),
            outages: Outages {
                n: outages as u64,
                wasted_bytes: wasted as f64 / outages.max(1) as f64,
            },
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

async fn stat(traffic: Traffic, wake: Wake, every: Duration) {
    loop {
        sleep(every).await;
        traffic.make_stat();
        wake.wake();
    }
}

/// Tells the clinic's machine of every link-up that it can see.
async fn signals(air: Air, clinic: Arc<Machine>) {
    let start = tokio::time::Instant::now();
    let mut now = air.elapsed();
    while let Some(Some((at, up))) = air.link(SITE, |link| link.next_signal(now)) {
        sleep_until(start + at).await;
        now = at;
        if up {
            clinic.link_up();
        }
    }
}

/// Waits for the end of each outage, then for the first packet with data that comes through.
async fn watch_resumes(air: Air, calendar: SiteCalendar, resumes: Resumes) {
    let start = tokio::time::Instant::now();
    let delivered = || {
        let tally = air.link(SITE, |link| link.counters(Direction::Up).delivered);
        tally.map_or((0, 0), |tally| (tally.packets, tally.bytes))
    };
    for (up, down) in calendar.usable().as_slice().iter().copied() {
        sleep_until(start + up).await;
        let mut seen = delivered();
        while air.elapsed() < down {
            sleep(GRAIN).await;
            let (packets, bytes) = delivered();
            let per_packet = (bytes - seen.1).checked_div(packets - seen.0);
            if per_packet.is_some_and(|size| size > DATA) {
                let mut all = resumes.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((up, air.elapsed() - up));
                break;
            }
            seen = (packets, bytes);
        }
    }
}

/// Lets the one clinic in.
struct Open;

impl Admit for Open {
    fn admit(&self, _: &PeerId, _: Alpn) -> Admission {
        Admission::Welcome
    }
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32].into())
}

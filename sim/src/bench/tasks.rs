//! What goes on beside the two ends: STAT frames, link-up signals, and looks at the link.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use karez_quic::Wake;
use tokio::time::{sleep, sleep_until};

use super::traffic::Traffic;
use super::world::{GRAIN, SITE};
use crate::calendar::SiteCalendar;
use crate::link::Direction;
use crate::world::{Air, Machine};

/// More bytes than this in one packet: it carries payload.
const DATA: u64 = 600;
/// How long an outage must have lasted before its air is called dead.
const DEAD_AFTER: Duration = Duration::from_secs(600);

/// Moments of link-up, and how long after each the first data came.
pub(super) type Resumes = Arc<Mutex<Vec<(Duration, Duration)>>>;
/// IP bytes sent into dead air, and how long it was dead.
pub(super) type DeadAir = Arc<Mutex<(u64, Duration)>>;

pub(super) async fn stat(traffic: Traffic, wake: Wake, every: Duration) {
    loop {
        sleep(every).await;
        traffic.make_stat();
        wake.wake();
    }
}

/// Tells the clinic's machine of every link-up that it can see.
pub(super) async fn signals(air: Air, clinic: Arc<Machine>) {
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
pub(super) async fn watch_resumes(air: Air, calendar: SiteCalendar, resumes: Resumes) {
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

/// Counts what is sent, both ways, from the tenth minute of each outage to its end.
pub(super) async fn watch_dead_air(air: Air, calendar: SiteCalendar, dead_air: DeadAir) {
    let start = tokio::time::Instant::now();
    let offered = || {
        let both = [Direction::Up, Direction::Down];
        let bytes = both.map(|way| air.link(SITE, |link| link.counters(way).offered.bytes));
        bytes.into_iter().flatten().sum::<u64>()
    };
    let usable = calendar.usable();
    let mut down = Duration::ZERO;
    for (up, next) in usable.as_slice().iter().copied() {
        if up > down + DEAD_AFTER {
            sleep_until(start + down + DEAD_AFTER).await;
            let before = offered();
            sleep_until(start + up).await;
            let mut sum = dead_air.lock().unwrap_or_else(PoisonError::into_inner);
            sum.0 += offered() - before;
            sum.1 += up - down - DEAD_AFTER;
        }
        down = next;
    }
}

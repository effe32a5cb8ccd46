mod path;
mod radio;

use super::*;
use crate::profile::Profile;
use crate::time::{DAY, HOUR, seconds};

const PORT: Flow = Flow::udp(4433);

struct Rig {
    link: Link<u32>,
    next: u32,
}

impl Rig {
    fn of(profile: &Profile, seed: u64) -> Self {
        let place = Place::alone(seed, "clinic", DAY * 3);
        Self {
            link: Link::new(profile, &SiteCalendar::draw(profile, &place), &place),
            next: 0,
        }
    }

    fn spec(spec: &str, seed: u64) -> Self {
        Self::of(&Profile::from_spec(spec).unwrap(), seed)
    }

    fn toml(text: &str, seed: u64) -> Self {
        Self::of(&Profile::from_toml("test.toml", text, None).unwrap(), seed)
    }

    fn up(&mut self, s: f64, bytes: usize) -> Fate {
        self.next += 1;
        self.link.send(seconds(s), Way::Up(PORT), self.next, bytes)
    }

    fn drain(&mut self) -> Vec<Delivery<u32>> {
        std::iter::from_fn(|| self.link.poll(Duration::MAX)).collect()
    }

    /// Keeps the queue from running dry: packets of `bytes` at `bits_per_s`.
    fn flood(&mut self, bits_per_s: f64, bytes: usize, from: f64, to: f64) {
        let gap = bytes as f64 * 8.0 / bits_per_s;
        let mut at = from;
        while at < to {
            self.up(at, bytes);
            at += gap;
        }
    }
}

const PLAIN: &str = "[down]\nrate = { median_kbit = 1000 }\n[up]\nrate = { median_kbit = 1000 }\nowd_ms = 100\nqueue_bytes = 100000\n";

#[test]
fn a_flood_is_delivered_at_the_asked_rate_after_the_asked_delay() {
    let mut rig = Rig::spec("rate_kbit=512,rtt_ms=650,queue_ms=2000", 1);
    rig.flood(700e3, 1200, 0.0, 100.0);
    let arrived = rig.drain();
    let bytes = arrived
        .iter()
        .filter(|d| d.at < seconds(100.0))
        .map(|d| d.ip_bytes)
        .sum::<usize>() as f64;
    let rate = bytes * 8.0 / (100.0 - 0.325);
    assert!((rate / 512e3 - 1.0).abs() < 0.002, "{rate} bit/s");
    assert_eq!(arrived[0].at, seconds(0.325 + 1200.0 * 8.0 / 512e3));
}

#[test]
fn a_packet_there_and_back_takes_the_asked_rtt() {
    let mut rig = Rig::spec("rate_kbit=100000,rtt_ms=650", 1);
    rig.up(1.0, 100);
    let there = rig.drain().remove(0);
    rig.link
        .send(there.at, Way::Down(there.outside, Protocol::Udp), 9, 100);
    let back = rig.drain().remove(0);
    assert!(
        (back.at.as_secs_f64() - 1.65).abs() < 1e-3 && back.flow == PORT,
        "{back:?}"
    );
}

#[test]
fn overload_waits_queue_over_rate_and_drops_at_the_tail() {
    let mut rig = Rig::spec("rate_kbit=800,rtt_ms=100,queue_bytes=100000", 1);
    rig.flood(1600e3, 1000, 0.0, 60.0);
    let counters = rig.link.counters(Direction::Up).clone();
    let longest = counters.queue_delay.max().as_secs_f64();
    assert!(
        (longest - 1.0).abs() <= 0.011,
        "100 kB at 100 kB/s: {longest} s, a packet is 0.01 s"
    );
    let dropped = counters.queue_full.packets as f64 / counters.offered.packets as f64;
    assert!(
        (dropped - 0.5).abs() < 0.01,
        "{dropped} of twice the rate dropped"
    );
    let order: Vec<u32> = rig.drain().iter().map(|d| d.packet).collect();
    assert!(
        order.windows(2).all(|w| w[0] < w[1]),
        "the queue keeps order"
    );
}

#[test]
fn independent_loss_has_the_asked_mean() {
    let mut rig = Rig::spec("rate_kbit=100000,rtt_ms=10,loss=0.1", 2);
    rig.flood(10e6, 1000, 0.0, 80.0);
    let c = rig.link.counters(Direction::Up);
    let (n, share) = (
        c.offered.packets as f64,
        c.lost.packets as f64 / c.offered.packets as f64,
    );
    assert!((share - 0.1).abs() < 3.0 * (0.09 / n).sqrt(), "{share}");
}

#[test]
fn bursty_loss_has_the_asked_mean_and_run_length() {
    let mut rig = Rig::toml(
        "[down]\nrate = { median_kbit = 9 }\n[up]\nrate = { median_kbit = 100000 }\nge = [0.01, 0.2, 1.0, 0.0]\n",
        3,
    );
    rig.flood(10e6, 1000, 0.0, 400.0);
    let n = f64::from(rig.next);
    let arrived: Vec<u32> = rig.drain().iter().map(|d| d.packet).collect();
    let runs: Vec<f64> = arrived
        .windows(2)
        .map(|w| f64::from(w[1] - w[0] - 1))
        .filter(|run| *run > 0.0)
        .collect();
    let share = 1.0 - arrived.len() as f64 / n;
    let run = runs.iter().sum::<f64>() / runs.len() as f64;
    // Standard errors of a two-state chain: of its share, and of the mean of geometric runs.
    let (p, r) = (0.01, 0.2);
    let mean = p / (p + r);
    let share_error = (mean * (1.0 - mean) * (2.0 - p - r) / (p + r) / n).sqrt();
    let run_error = ((1.0 - r) / (r * r) / runs.len() as f64).sqrt();
    assert!(
        (share - mean).abs() < 3.0 * share_error,
        "{share} for {mean} ± {share_error}"
    );
    assert!(
        (run - 1.0 / r).abs() < 3.0 * run_error,
        "{run} for 5 ± {run_error}"
    );
}

#[test]
fn jitter_keeps_order_and_has_its_median() {
    let mut rig = Rig::toml(
        &format!("{PLAIN}jitter = {{ median_ms = 40, sigma = 1.0, corr = 0.0 }}\n"),
        4,
    );
    for n in 0..5000 {
        rig.up(f64::from(n), 125);
    }
    let arrived = rig.drain();
    let mut extra: Vec<f64> = arrived
        .iter()
        .map(|d| d.at.as_secs_f64() - f64::from(d.packet - 1) - 0.101)
        .collect();
    extra.sort_by(f64::total_cmp);
    assert!(
        (extra[2500] / 0.04 - 1.0).abs() < 0.06,
        "median {}",
        extra[2500]
    );
    assert!(arrived.windows(2).all(|w| w[0].packet < w[1].packet));
}

#[test]
fn copies_damage_and_overtaking_come_at_the_asked_share() {
    let mut rig = Rig::toml(
        &format!(
            "{PLAIN}duplicate = 0.02\ncorrupt = 0.01\nreorder = {{ share = 0.03, by_ms = [50, 400] }}\n"
        ),
        5,
    );
    rig.flood(500e3, 500, 0.0, 400.0);
    let arrived = rig.drain();
    let n = f64::from(rig.next);
    let overtaken = arrived
        .iter()
        .scan(0, |top, d| {
            let late = d.packet < *top;
            *top = d.packet.max(*top);
            Some(late)
        })
        .filter(|late| *late)
        .count() as f64;
    let (copies, damaged) = (
        arrived.len() as f64 - n,
        arrived.iter().filter(|d| d.flip.is_some()).count() as f64,
    );
    for (what, count, share) in [
        ("copies", copies, 0.02),
        ("damaged", damaged, 0.0102),
        ("overtaken", overtaken, 0.045),
    ] {
        assert!((count / n - share).abs() < 0.006, "{what}: {}", count / n);
    }
}

#[test]
fn an_outage_swallows_what_is_queued_and_in_flight() {
    let mut rig = Rig::toml(&format!("outages = [[10, 20]]\n{PLAIN}"), 6);
    assert_eq!(
        rig.up(9.95, 1500),
        Fate::Outage,
        "in flight when the line goes"
    );
    assert_eq!(rig.up(15.0, 1500), Fate::Outage);
    assert!(
        matches!(rig.up(20.0, 1500), Fate::Arrives(at) if at == seconds(20.112)),
        "the queue starts empty"
    );
    assert_eq!(rig.link.counters(Direction::Up).outage.packets, 2);
    assert_eq!(
        rig.link.up_time(Duration::ZERO, seconds(30.0)),
        seconds(20.0)
    );
}

/// The trace of one poisoned and one rural link.
fn trace(seed: u64) -> String {
    let of = |profile: &str| {
        let mut rig = Rig::of(&Profile::load(profile).unwrap(), seed);
        rig.flood(600e3, 900, 0.0, 300.0);
        rig.drain();
        rig.link.trace_hash()
    };
    of("S3") + &of("rural-3g")
}

const ELSEWHERE: &str = "KAREZ_SIM_TRACE_TEST";

#[test]
fn the_same_seed_gives_the_same_trace_in_every_process() {
    if std::env::var_os(ELSEWHERE).is_some() {
        println!("\ntrace {}", trace(1));
        return;
    }
    let elsewhere = || {
        let name = "link::tests::the_same_seed_gives_the_same_trace_in_every_process";
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command
            .args(["--exact", name, "--nocapture"])
            .env(ELSEWHERE, "1")
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let line = format!("trace {}\n", trace(1));
    assert!(elsewhere().contains(&line) && elsewhere().contains(&line));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn a_layer_can_be_swapped_without_moving_the_others() {
    let losses = |extra: &str| {
        let mut rig = Rig::toml(&format!("{PLAIN}loss = 0.1\n{extra}"), 1);
        (0..500)
            .filter(|n| rig.up(f64::from(*n), 100) == Fate::Lost)
            .count()
    };
    let plain = losses("");
    assert_eq!(
        plain,
        losses("jitter = { median_ms = 40, sigma = 1.0 }\nduplicate = 0.2\n")
    );
}

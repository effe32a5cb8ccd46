//! Rates, traces, capacity: the radio against what was asked and what was published.

use super::*;
use crate::seed::Seed;

#[test]
fn capacity_is_what_a_flood_gets_through() {
    for (profile, tolerance) in [
        ("rural-3g", 0.02),
        ("rural-edge", 0.02),
        ("S3", 0.03),
        ("hub-cable-cut", 0.02),
        ("leo", 0.01),
    ] {
        let profile = Profile::load(profile).unwrap();
        let mut rig = Rig::of(
            &Profile {
                flap: None,
                idle_promotion: None,
                nat: None,
                ..profile
            },
            7,
        );
        let (from, to) = (9.0 * 3600.0, 9.5 * 3600.0);
        let up = rig.link.up_time(seconds(from), seconds(to));
        let asked = rig.link.capacity(Direction::Up, seconds(from), seconds(to)) as f64;
        rig.flood(
            asked * 8.0 / up.as_secs_f64().max(1.0) * 3.0,
            1000,
            from,
            to,
        );
        let got: usize = rig
            .drain()
            .iter()
            .filter(|d| d.at <= seconds(to))
            .map(|d| d.ip_bytes)
            .sum();
        let copies = rig.link.counters(Direction::Up).duplicated as f64 * 1000.0;
        assert!(
            asked > 0.0 && ((got as f64 - copies) / asked - 1.0).abs() < tolerance,
            "{}: {got} of {asked}",
            profile_name(&rig)
        );
    }
}

fn profile_name(rig: &Rig) -> String {
    format!(
        "link with {} bytes offered",
        rig.link.counters(Direction::Up).offered.bytes
    )
}

#[test]
fn a_driving_3g_radio_looks_like_the_published_traces() {
    let profile = Profile {
        nat: None,
        ..Profile::load("driving-3g").unwrap()
    };
    for (direction, mean, sigma) in [(Direction::Down, 2.0e6, 1.2), (Direction::Up, 0.95e6, 0.79)] {
        let average = mean_of(&second_bins(&mut Rig::of(&profile, 8), direction, 1000));
        assert!(
            (average / mean - 1.0).abs() <= 0.15,
            "{direction:?}: mean {average}"
        );
        // The fitted process is that of the radio while it is there; gaps have a test of their own.
        let config = match direction {
            Direction::Up => &profile.up,
            Direction::Down => &profile.down,
        };
        let mut rate = RateProcess::new(config.rate.clone(), Seed::new(8).child("rate"));
        let bins = (0..20_000).map(|second| bits_in(&mut rate, second));
        let logs: Vec<f64> = bins.map(f64::ln).collect();
        let (sd, rho) = (deviation(&logs), lag_one(&logs));
        println!(
            "{direction:?}: mean {average:.0} bit/s, lag-1 correlation {rho:.3}, sigma {sd:.3}"
        );
        assert!(
            (sd / sigma - 1.0).abs() <= 0.15,
            "{direction:?}: sigma {sd}"
        );
        assert!((rho - 0.83).abs() <= 0.05, "{direction:?}: rho {rho}");
    }
}

#[test]
fn gaps_of_a_driving_radio_are_as_long_as_published() {
    let profile = Profile {
        nat: None,
        ..Profile::load("driving-3g").unwrap()
    };
    let mut rig = Rig::of(&profile, 9);
    rig.flood(12e6, 1400, 0.0, 900.0);
    let times: Vec<f64> = rig.drain().iter().map(|d| d.at.as_secs_f64()).collect();
    let mut gaps: Vec<f64> = times
        .windows(2)
        .map(|w| w[1] - w[0])
        .filter(|gap| *gap >= 0.5)
        .collect();
    gaps.sort_by(f64::total_cmp);
    let at = |q: f64| gaps[(q * gaps.len() as f64) as usize];
    println!(
        "{} gaps in 900 s, p50 {:.2} s, p90 {:.2} s",
        gaps.len(),
        at(0.5),
        at(0.9)
    );
    assert!((56..=152).contains(&gaps.len()), "{} gaps", gaps.len());
    assert!(
        (at(0.5) - 0.8).abs() <= 0.2 && at(0.9) <= 3.0,
        "p50 {} p90 {}",
        at(0.5),
        at(0.9)
    );
}

/// Bits that the radio carries in one second.
fn bits_in(rate: &mut RateProcess, second: u32) -> f64 {
    let (mut at, end) = (seconds(f64::from(second)), seconds(f64::from(second + 1)));
    let mut bits = 0.0;
    while at < end {
        let segment = rate.segment(at);
        let until = segment.until.min(end);
        bits += segment.bits_per_s * (until - at).as_secs_f64();
        at = until;
    }
    bits
}

/// Bits delivered in each second under a flood of 12 Mbit/s.
fn second_bins(rig: &mut Rig, direction: Direction, count: usize) -> Vec<f64> {
    let mut bins = vec![0.0; count];
    let way = match direction {
        Direction::Up => Way::Up(PORT),
        Direction::Down => Way::Down(
            Endpoint {
                host: 0,
                port: PORT.port,
            },
            Protocol::Udp,
        ),
    };
    for n in 0..count * 1070 {
        let at = seconds(n as f64 / 1070.0);
        rig.link.send(at, way, 1, 1400);
        while let Some(d) = rig.link.poll(at) {
            bins[d.at.as_secs() as usize] += d.ip_bytes as f64 * 8.0;
        }
    }
    bins
}

fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

fn lag_one(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    let both: f64 = values
        .windows(2)
        .map(|w| (w[0] - mean) * (w[1] - mean))
        .sum();
    both / values.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
}

#[test]
fn a_rate_trace_is_followed() {
    let mut rig = Rig::toml(
        "[down]\nrate = { median_kbit = 9 }\n[up]\nrate_trace = [[0, 100], [10, 400]]\nqueue_bytes = 1000000\n",
        1,
    );
    rig.flood(500e3, 500, 0.0, 100.0);
    let bits = |from: f64, to: f64, all: &[Delivery<u32>]| {
        all.iter()
            .filter(|d| d.at >= seconds(from) && d.at < seconds(to))
            .map(|d| d.ip_bytes * 8)
            .sum::<usize>() as f64
    };
    let all = rig.drain();
    for n in 0..5 {
        let start = f64::from(n) * 20.0;
        let (slow, fast) = (
            bits(start, start + 10.0, &all),
            bits(start + 10.0, start + 20.0, &all),
        );
        assert!(
            (slow / 1e6 - 1.0).abs() < 0.01 && (fast / 4e6 - 1.0).abs() < 0.01,
            "{slow} {fast}"
        );
    }
}

/// IP bytes a day upward, from an independent Monte Carlo of the same model (60 days, five seeds):
/// the range where one was given, else the mean.
#[test]
fn a_day_upward_carries_what_the_reference_says() {
    for (name, low, high) in [
        ("rural-3g", 676.0, 1442.0),
        ("rural-edge", 143.0, 307.0),
        ("remote-gprs", 25.0, 34.0),
        ("vsat-geo", 2568.0, 2568.0),
    ] {
        let profile = Profile::load(name).unwrap();
        let days = (0..4).map(|seed| {
            let place = Place::alone(seed, "clinic", DAY * 30);
            let calendar = SiteCalendar::draw(&profile, &place);
            let link: Link<()> = Link::new(&profile, &calendar, &place);
            link.capacity(Direction::Up, Duration::ZERO, DAY * 30) as f64 / 30e6
        });
        let mean = mean_of(&days.collect::<Vec<_>>());
        println!("{name}: {mean:.0} MB a day");
        assert!(
            (low * 0.9..=high * 1.1).contains(&mean),
            "{name}: {mean} MB a day"
        );
    }
}

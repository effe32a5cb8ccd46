//! Worlds in virtual time: every profile, the stress profiles as FACTS 2.4 demands, the same again
//! by seed, and drawn worlds with every fault.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

use std::time::Duration;

use karez_sim::profile::{Profile, Scenario};
use karez_sim::run::{End, Opaque, Outcome, Run, find_studies};
use karez_sim::seed::Seed;
use karez_sim::swarm::{Plan, play};
use karez_sim::time::{DAY, HOUR};
use karez_sim::workload::{Class, Study, Workload};

/// A run that does not wait for all: every profile for this long.
const BRIEFLY: Duration = Duration::from_secs(8 * 3600);

fn alone(profile: &str, workload: &str, end: End, seed: u64) -> Run {
    let profile = Profile::load(profile).unwrap();
    Run::of_profile(profile, Some(Workload::load(workload).unwrap()), end, seed)
}

/// Nothing is lost, doubled or altered.
fn sound(run: &Run) -> Outcome {
    let outcome = run.run().unwrap();
    let i = outcome.instances;
    println!(
        "{} seed {}: {} accepted, {} stored, {} kills, {:.1} s",
        outcome.profile, outcome.seed, i.accepted, i.stored, outcome.kills, outcome.wall_s
    );
    assert_eq!(
        (i.lost, i.doubled, i.altered, i.parked),
        (0, 0, 0, 0),
        "{}",
        outcome.profile
    );
    outcome
}

fn load(class: Class, number: u64, at: Duration, instances: Vec<u64>) -> Study {
    Study {
        number,
        at,
        class,
        modality: "made".into(),
        instances,
        follows: None,
    }
}

#[test]
fn every_profile_runs_and_keeps_everything() {
    let length = match std::env::var_os("KAREZ_LONG") {
        Some(_) => DAY * 7,
        None => BRIEFLY,
    };
    for name in Profile::names() {
        // Too small a packet for QUIC has a test of its own.
        if name == "S3-mtu-1200" {
            continue;
        }
        let mut run = alone(name, "T1", End::At(length), 1);
        run.thin = 2;
        run.sites[0].bulk = vec![load(
            Class::Routine,
            900,
            Duration::from_secs(60),
            vec![30_000; 3],
        )];
        sound(&run);
    }
}

#[test]
fn a_scenario_gives_the_same_trace_for_the_same_seed_and_another_for_another() {
    let scenario = Scenario::load("province-shutdown-30d").unwrap();
    let workload = Workload::load("T1").unwrap();
    let run = |seed| {
        let mut run = Run::of_scenario(&scenario, Some(&workload), End::At(DAY), seed).unwrap();
        run.thin = 8;
        sound(&run).trace_hash
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}

#[test]
fn one_hour_after_26_days_brings_the_most_urgent_first_and_loses_nothing() {
    let end = DAY * 26 + HOUR * 14;
    let mut run = alone("S1", "T1", End::At(end), 1);
    run.sites[0].workload = None;
    run.sites[0].bulk = vec![
        load(Class::Routine, 1, DAY, vec![3_000_000; 4]),
        load(Class::Urgent, 2, DAY * 2, vec![300_000; 2]),
        load(Class::Stat, 3, DAY * 25, vec![150_000; 2]),
    ];
    let outcome = sound(&run);
    println!(
        "{:?} {:?} {:?}",
        outcome.stat_s, outcome.urgent_s, outcome.routine_s
    );
    let stored = |class| {
        let study = outcome.timeline.studies.iter().find(|s| s.class == class);
        study.and_then(|study| study.stored_s)
    };
    let stat = stored("stat").unwrap();
    assert!(stored("urgent").is_none_or(|urgent| stat < urgent));
    assert!(stored("routine").is_none_or(|routine| stat < routine));
    assert_eq!(outcome.instances.accepted, 8);
    // Three cuts, and yet nothing from zero: what came twice is what was in flight.
    assert!(
        outcome.resent_bytes <= 4 * 128 * 1024,
        "{} bytes came twice",
        outcome.resent_bytes
    );
}

#[test]
fn a_box_killed_every_few_minutes_makes_progress_every_day() {
    let mut run = alone("S2", "T1", End::At(DAY * 2), 1);
    run.sites[0].workload = None;
    let day = |n: u64| load(Class::Routine, n, DAY * n as u32 + HOUR, vec![20_000; 4]);
    run.sites[0].bulk = (0..2).map(day).collect();
    let outcome = sound(&run);
    assert!(outcome.kills > 100, "{} kills", outcome.kills);
    // At most one chunk for each kill.
    let most = outcome.kills * 32_784;
    println!("{} bytes came twice, at most {most}", outcome.resent_bytes);
    assert!(outcome.resent_bytes <= most);
    let stored_by = |end: f64| {
        let samples = &outcome.timeline.sites[0].samples;
        samples
            .iter()
            .take_while(|s| s.at_s <= end)
            .last()
            .map_or(0, |s| s.stored_bytes)
    };
    let (first, second) = (stored_by(86_400.0), stored_by(172_800.0));
    assert!(
        first > 0 && second > first,
        "{first} bytes on the first day, {second} in all"
    );
}

#[test]
fn a_path_that_does_everything_to_packets_completes() {
    let end = End::Done {
        arrivals: HOUR,
        within: DAY,
    };
    let mut run = alone("S3", "T1", end, 1);
    run.sites[0].workload = None;
    run.sites[0].bulk = vec![load(Class::Urgent, 1, Duration::ZERO, vec![200_000; 5])];
    let outcome = sound(&run);
    assert_eq!(outcome.instances.stored, 5);
}

#[test]
fn a_path_too_narrow_for_quic_loses_nothing_and_does_not_spin() {
    let mut run = alone("S3-mtu-1200", "T1", End::At(HOUR * 6), 1);
    run.sites[0].workload = None;
    run.sites[0].bulk = vec![load(Class::Stat, 1, Duration::ZERO, vec![50_000])];
    let outcome = sound(&run);
    assert_eq!(
        (outcome.instances.accepted, outcome.instances.stored),
        (1, 0)
    );
    let a_minute = outcome.wire_bytes_up as f64 / 360.0;
    println!("{a_minute:.0} bytes a minute in vain");
    assert!(a_minute < 40_000.0);
}

#[test]
fn an_archive_that_misbehaves_for_hours_gets_everything_once_in_the_end() {
    let end = End::Done {
        arrivals: HOUR * 8,
        within: DAY * 4,
    };
    let mut run = alone("dhq-4g-microwave", "T1", end, 1);
    for setting in [
        "pacs.down=[[\"d0 00:05\", \"d0 02:00\"]]",
        "pacs.full=[[\"d0 02:00\", \"d0 03:00\"]]",
        "pacs.slow=[[\"d0 03:00\", \"d0 05:00\"]]",
        "pacs.lies=[[\"d0 05:00\", \"d0 06:00\"]]",
        "pacs.cuts=[[\"d0 06:00\", \"d0 08:00\"]]",
    ] {
        run.pacs.set(setting).unwrap();
    }
    run.sites[0].workload = None;
    let hourly = |n: u64| load(Class::Routine, n, HOUR * n as u32, vec![30_000; 3]);
    run.sites[0].bulk = (0..8).map(hourly).collect();
    let outcome = sound(&run);
    assert_eq!(outcome.instances.stored, 24);
}

#[test]
fn real_files_go_through_a_world_and_arrive_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (number, study) in [(0, "a"), (1, "a"), (0, "b")] {
        let seed = Seed::new(study.len() as u64).child(study);
        let made = Opaque::new(seed, number, 40_000);
        let dir = folder.path().join(study);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("{number}.dcm")), made.file).unwrap();
    }
    let end = End::Done {
        arrivals: Duration::ZERO,
        within: DAY * 4,
    };
    let mut run = alone("rural-3g", "T1", end, 1);
    run.sites[0].workload = None;
    run.share_out(find_studies(folder.path()).unwrap().studies);
    let outcome = sound(&run);
    assert_eq!(outcome.instances.stored, 3);
    assert_eq!(outcome.timeline.studies.len(), 2);
}

#[test]
fn a_profile_of_ones_own_works_by_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let text = "base = \"rural-edge\"\nabout = \"mine\"\noutages = [[600, 1200], [3600, 5400]]\n\
                up = { ge = [0.01, 0.2, 0.6, 0.002] }\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let mut run = alone(path, "T1", End::At(HOUR * 10), 3);
    run.sites[0].bulk = vec![load(
        Class::Stat,
        900,
        Duration::from_secs(10),
        vec![30_000],
    )];
    let outcome = sound(&run);
    assert!(outcome.profile.ends_with("mine"), "{}", outcome.profile);
}

#[test]
fn drawn_worlds_with_every_fault_keep_and_deliver_everything() {
    let last = match std::env::var_os("KAREZ_LONG") {
        Some(_) => 200,
        None => 12,
    };
    karez_sim::swarm::swarm(1..last + 1, |seed, verdict| {
        assert!(verdict.holds(), "seed {seed}: {:?}", verdict.broken);
        true
    });
}

#[test]
fn a_drawn_world_is_the_same_again() {
    let plan = Plan::draw(7);
    assert_eq!(play(&plan, false), play(&plan, false));
}

#[test]
fn every_plan_that_once_failed_holds() {
    let plans = [
        include_str!("plans/rot-while-receipts-wait.json"),
        include_str!("plans/disk-fault-while-packing.json"),
        include_str!("plans/stored-and-called-a-failure.json"),
    ];
    for text in plans {
        let plan: Plan = serde_json::from_str(text).unwrap();
        let verdict = play(&plan, false);
        assert!(verdict.holds(), "{:?}", verdict.broken);
    }
}

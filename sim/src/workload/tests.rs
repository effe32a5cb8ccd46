use super::*;

fn drawn(tier: &str, days: u32, seed: u64) -> Vec<Study> {
    Workload::load(tier)
        .unwrap()
        .studies(Seed::new(seed), &Spans::always(), DAY * days, 1)
}

#[test]
fn tiers_make_the_volumes_they_are_named_for() {
    for (tier, per_day, mb) in [
        ("T1", 4.0, 23.0),
        ("T2", 15.0, 130.0),
        ("T3", 46.0, 389.0),
        ("T4", 84.0, 1001.0),
    ] {
        let days = 700;
        let studies = drawn(tier, days, 11);
        let n = studies.len() as f64 / f64::from(days);
        let volume = studies.iter().map(Study::bytes).sum::<u64>() as f64 / 1e6 / f64::from(days);
        assert!(
            (n / per_day - 1.0).abs() < 0.05,
            "{tier}: {n} studies a day"
        );
        assert!(
            (volume / mb - 1.0).abs() < 0.06,
            "{tier}: {volume} MB a day"
        );
    }
    let camp: Vec<Study> = drawn("T5", 700, 3);
    let mb = camp.iter().map(Study::bytes).sum::<u64>() as f64 / 1e6 / 300.0;
    assert!((mb / 404.0 - 1.0).abs() < 0.05, "T5: {mb} MB a camp day");
}

#[test]
fn modalities_have_the_medians_and_tails_of_the_facts() {
    let workload = Workload::load("T4").unwrap();
    for (name, factor, p50, p95) in [
        ("cxr", 2.5, 10.0, 22.0),
        ("extremity", 2.5, 16.0, 31.0),
        ("us", 1.6, 20.0, 58.0),
        ("ct_head", 2.2, 24.0, 32.0),
        ("ct_head_thin", 2.2, 133.0, 166.0),
        ("ct_body", 2.2, 640.0, 920.0),
        ("tb_cxr", 2.5, 9.0, 15.0),
    ] {
        let mut dice = Seed::new(1).child(name).dice();
        let modality = workload.modality(name).unwrap();
        let mut raw: Vec<f64> = (0..4000)
            .map(|_| modality.instances(&mut dice).iter().sum::<u64>() as f64 * factor / 1e6)
            .collect();
        raw.sort_by(f64::total_cmp);
        assert!(
            (raw[2000] / p50 - 1.0).abs() < 0.13,
            "{name}: median {}",
            raw[2000]
        );
        assert!(
            (raw[3800] / p95 - 1.0).abs() < 0.13,
            "{name}: p95 {}",
            raw[3800]
        );
    }
}

#[test]
fn x_rays_wait_for_electricity_and_pile_up_at_its_start() {
    let room = crate::calendar::daily(&[(9.0, 12.0), (21.0, 24.0)], DAY * 60);
    let studies = Workload::load("T1")
        .unwrap()
        .studies(Seed::new(2), &room, DAY * 60, 1);
    assert!(studies.len() > 150);
    assert!(
        studies.iter().all(|s| room.contains(s.at - EXAM)),
        "an X-ray in the dark"
    );
    let first_half_hour = studies
        .iter()
        .filter(|s| (9.0..9.6).contains(&crate::time::hour_of_day(s.at)))
        .count();
    assert!(
        first_half_hour * 5 > studies.len(),
        "{first_half_hour} of {} right at the start of supply",
        studies.len()
    );
}

#[test]
fn thinning_keeps_every_kth_patient_as_it_was() {
    let workload = Workload::load("T4").unwrap();
    let draw = |thin| workload.studies(Seed::new(8), &Spans::always(), DAY * 20, thin);
    let (all, thinned) = (draw(1), draw(4));
    let kept: Vec<Study> = all.into_iter().filter(|s| s.number % 4 == 0).collect();
    assert_eq!(kept, thinned);
}

#[test]
fn the_same_seed_makes_the_same_studies_and_classes_are_mixed() {
    assert_eq!(drawn("T3", 30, 4), drawn("T3", 30, 4));
    assert_ne!(drawn("T3", 30, 4), drawn("T3", 30, 5));
    let classes = by_class(&drawn("T4", 60, 6));
    assert_eq!(classes.len(), 4);
    assert!(drawn("T5", 30, 1).iter().all(|s| s.class != Class::Stat));
}

#[test]
fn a_tier_with_an_unknown_modality_names_the_nearest() {
    let error = Workload::from_toml("my.toml", "per_day = 3\nshares = { cxrr = 1.0 }").unwrap_err();
    assert_eq!(
        (error.line, error.fix.as_deref()),
        (Some(2), Some("did you mean `cxr`?"))
    );
}

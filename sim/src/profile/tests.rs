use std::fs;

use super::*;

#[test]
fn every_built_in_profile_loads_and_names_its_facts() {
    for name in Profile::names() {
        let profile = Profile::load(name).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(profile.name, name);
        assert!(
            !profile.about.is_empty() && !profile.rests_on.is_empty(),
            "{name}"
        );
    }
    assert_eq!(Profile::load("s1").unwrap().name, "S1-one-hour-in-26-days");
}

#[test]
fn every_built_in_scenario_loads_with_its_sites() {
    for name in Scenario::names() {
        let scenario = Scenario::load(name).unwrap_or_else(|e| panic!("{e}"));
        assert!(
            scenario.sites.len() == 6 && !scenario.events.is_empty(),
            "{name}"
        );
    }
    let dsl = Scenario::load("province-shutdown-30d-dsl").unwrap();
    assert_eq!(
        dsl.events.len(),
        Scenario::load("province-shutdown-30d")
            .unwrap()
            .events
            .len()
            + 1
    );
    assert!(Scenario::load("kech-2024").unwrap().courier.is_none());
    assert_eq!(dsl.courier.unwrap().departures(DAY * 14).len(), 4);
}

const DAY: Duration = crate::time::DAY;

#[test]
fn facts_named_by_the_files_are_explained_in_facts_md() {
    let facts = include_str!("../../FACTS.md");
    let profiles = Profile::names()
        .into_iter()
        .map(|name| Profile::load(name).unwrap().rests_on);
    let scenarios = Scenario::names()
        .into_iter()
        .map(|name| Scenario::load(name).unwrap().rests_on);
    for fact in profiles.chain(scenarios).flatten() {
        assert!(
            facts.contains(&format!("| {fact} |")),
            "{fact} is not in FACTS.md"
        );
    }
}

#[test]
fn mean_loss_is_that_of_the_facts() {
    for (name, up, down) in [
        ("quetta-4g", 0.21, 0.21),
        ("dhq-4g-microwave", 0.54, 0.54),
        ("rural-3g", 1.08, 0.69),
        ("rural-edge", 1.65, 1.18),
        ("remote-gprs", 2.76, 2.76),
        ("makran-dsl", 0.45, 0.45),
        ("vsat-geo", 1.0, 0.65),
        ("leo", 0.79, 0.79),
    ] {
        let profile = Profile::load(name).unwrap();
        for (direction, percent) in [(&profile.up, up), (&profile.down, down)] {
            let mean = direction.ge.unwrap().mean() * 100.0;
            assert!(
                (mean - percent).abs() < 0.011,
                "{name}: {mean} % for {percent} %"
            );
        }
    }
}

#[test]
fn a_base_supplies_what_a_file_leaves_out_and_without_removes_layers() {
    let text = "base = \"rural-3g\"\nwithout = [\"flap\", \"nat\"]\nmtu = 1300\n[up]\nloss = 0.2\n";
    let profile = Profile::from_toml("mine.toml", text, None).unwrap();
    let base = Profile::load("rural-3g").unwrap();
    assert_eq!(
        (profile.mtu, profile.up.loss, profile.flap, profile.nat),
        (1300, 0.2, None, None)
    );
    assert_eq!(
        (profile.up.rate, profile.down, profile.backhaul),
        (base.up.rate, base.down, base.backhaul)
    );
}

#[test]
fn settings_on_the_command_line_replace_single_keys() {
    let settings = [
        "up.loss = 0.3".to_owned(),
        "box.power=\"always\"".to_owned(),
    ];
    let profile = Profile::load_with("rural-edge", &settings).unwrap();
    assert_eq!(
        (profile.up.loss, profile.power.power),
        (0.3, schema::Supply::Always)
    );
    let wrong = Profile::load_with("rural-edge", &["up.los = 0.3".to_owned()]).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "--set, line 1: `los`: unknown key; did you mean `loss`?"
    );
}

#[test]
fn a_custom_profile_takes_outages_rates_and_bursty_loss_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("outages.txt", "# from to, seconds\n60 120\n300, 310\n");
    write("rate.txt", "0 100\n10 200\n20 0\n");
    write("ge.txt", "0.01 0.2 1.0 0.001  # p r bad good\n");
    write(
        "mine.toml",
        "outages = \"outages.txt\"\n[up]\nrate_trace = \"rate.txt\"\nge = \"ge.txt\"\n[down]\nrate_trace = [[0, 512]]\n",
    );
    let profile = Profile::load(folder.path().join("mine.toml").to_str().unwrap()).unwrap();
    assert_eq!(profile.outages.total(Duration::ZERO, DAY).as_secs(), 70);
    assert_eq!(profile.up.ge.unwrap().bad, 1.0);
    let RateSource::Trace(trace) = profile.up.rate else {
        panic!("no trace")
    };
    assert_eq!(
        trace.0,
        [(0.0, 100.0), (10.0, 200.0), (20.0, 0.0), (30.0, 100.0)]
    );
}

/// Text, line, key, and part of the message.
const MALFORMED: &[(&str, usize, &str, &str)] = &[
    ("mtu = 1400\nmtuu = 3\n", 2, "mtuu", "did you mean `mtu`?"),
    ("grid = \"urbn\"\n", 1, "urbn", "did you mean `urban`?"),
    (
        "[up]\nrate = { medain_kbit = 3 }\n",
        2,
        "medain_kbit",
        "did you mean `median_kbit`?",
    ),
    (
        "[up]\nloss = 1.5\n",
        2,
        "loss",
        "1.5 is not between 0 and 1",
    ),
    (
        "mtu = 1400\n[down]\nge = [0.1, 0.0, 1.0, 0.0]\n",
        3,
        "ge",
        "turn bad for ever",
    ),
    (
        "flap = { up_scale_s = 3, up_k = 1, down_median_s = 1 }\n",
        1,
        "flap",
        "add `down_sigma = ...` there",
    ),
    (
        "base = \"rural-edg\"\n",
        1,
        "base",
        "did you mean `rural-edge`?",
    ),
    ("mtu = \"large\"\n", 1, "mtu", "invalid type"),
    (
        "\n\noutages = [[20, 10]]\n",
        3,
        "outages",
        "ends before it starts",
    ),
    (
        "base = \"rural-3g\"\n[up]\nqueue_bytes = 100\n",
        3,
        "queue_bytes",
        "make it at least the MTU",
    ),
    (
        "base = \"rural-3g\"\nudp = { block = 0.7, drop_after = 0.7 }\n",
        2,
        "udp",
        "add up to more than 1",
    ),
    (
        "base = \"rural-3g\"\n\noutages = \"nowhere.txt\"\n",
        3,
        "outages",
        "nowhere.txt",
    ),
    (
        "order = { only_h = [21, 9] }\n",
        1,
        "only_h",
        "runs backwards",
    ),
    (
        "box = { kills = [\"tomorrow\"] }\n",
        1,
        "kills",
        "is no time",
    ),
    ("mtu = 1400\nmtu = 1300\n", 2, "mtu", "duplicate key"),
];

#[test]
fn malformed_profiles_are_refused_with_line_key_and_fix() {
    let base = "[up]\nrate = { median_kbit = 100 }\n[down]\nrate = { median_kbit = 100 }\n";
    for (text, line, key, says) in MALFORMED {
        let text = if text.contains("[up]") || text.contains("base =") || text.contains("[down]") {
            (*text).to_owned()
        } else {
            format!("{text}{base}")
        };
        let error = Profile::from_toml("bad.toml", &text, None).expect_err(&text);
        let shown = error.to_string();
        assert!(shown.starts_with("bad.toml"), "{shown}");
        assert!(
            error.line == Some(*line) && error.key.as_deref() == Some(*key) && shown.contains(says),
            "{text}--> {shown}"
        );
    }
}

#[test]
fn a_file_without_a_rate_says_what_to_add() {
    let error = Profile::from_toml("bare.toml", "mtu = 1400\n", None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bare.toml: direction `up` has no rate; add `rate = { median_kbit = 512 }` under [up], or a `base`"
    );
    let missing = Profile::load("rural-egde").unwrap_err().to_string();
    assert_eq!(
        missing,
        "rural-egde: no built-in profile and no file of that name; did you mean `rural-edge`?"
    );
}

#[test]
fn broken_number_files_name_their_own_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rate.txt"), "0 100\n5 fast\n").unwrap();
    let error = Profile::from_toml(
        "mine.toml",
        "[up]\nrate_trace = \"rate.txt\"\n",
        Some(folder.path()),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "rate.txt, line 2: `fast` is no number; it is named by `rate_trace` of mine.toml"
    );
}

#[test]
fn scenarios_refuse_unknown_sites_and_backward_events() {
    let site = "days = 3\n[[site]]\nname = \"A\"\nprofile = \"rural-3g\"\n[[event]]\nwhat = \"order\"\nservices = [\"mobile\"]\n";
    let fails = |rest: &str| {
        Scenario::from_toml("s.toml", &format!("{site}{rest}"), None)
            .unwrap_err()
            .to_string()
    };
    assert!(
        fails("from = \"d1\"\nto = \"d2\"\nsites = [\"B\"]\n")
            .contains("no site `B`; did you mean `A`?")
            || fails("from = \"d1\"\nto = \"d2\"\nsites = [\"B\"]\n").contains("known here: A")
    );
    assert!(fails("from = \"d2\"\nto = \"d1\"\n").contains("before it starts"));
    assert!(
        fails("form = \"d2\"\nto = \"d1\"\n")
            .contains("line 8: `form`: unknown key; did you mean `from`?")
    );
}

#[test]
fn a_plain_link_comes_from_its_list() {
    let profile = Profile::from_spec(
        "rate_kbit=512,rtt_ms=650,loss=0.10,queue_ms=2000,mtu=1400,up_s=25,down_s=20,signal=0",
    )
    .unwrap();
    assert_eq!(
        (
            profile.mtu,
            profile.up.queue_bytes,
            profile.up.loss,
            profile.signal.len()
        ),
        (1400, 128_000, 0.1, 0)
    );
    assert_eq!(
        (profile.up.owd, profile.cycle.unwrap().down_s.0),
        (Duration::from_millis(325), 20.0)
    );
    for (spec, says) in [
        ("rate_kbit=5,rtt=3", "did you mean `rtt_ms`?"),
        ("rtt_ms=3", "`rate_kbit` is missing"),
        ("rate_kbit=5,up_s=3", "go together"),
        ("rate_kbit=x", "no number"),
        ("rate_kbit=5,loss=2", "not between 0 and 1"),
        ("rate_kbit=5,rate_kbit=6", "twice"),
        ("rate_kbit=0", "not above 0"),
    ] {
        let error = Profile::from_spec(spec).expect_err(spec).to_string();
        assert!(error.contains(says), "{spec}: {error}");
    }
}

//! K3, 6: a profile of one's own, by path, with an outage list, a rate trace and Gilbert-Elliott loss
//! in files beside it, does what it says; malformed ones are refused with the line and the fix.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use karez_sim::calendar::{Place, SiteCalendar};
use karez_sim::link::{Direction, Flow, Link, Way};
use karez_sim::profile::{Profile, Scenario};
use karez_sim::time::seconds;
use karez_sim::workload::Workload;
use serde_json::Value;

const MINE: &str = "\
about = \"The line of one clinic, as its log has it\"
outages = \"outages.txt\"
mtu = 1400
[up]
rate_trace = \"rate.csv\"
owd_ms = 150
ge = \"loss.txt\"
queue_bytes = 64000
[down]
rate = { median_kbit = 512 }
owd_ms = 150
";

/// The profile and the files it names; its path.
fn own_profile(folder: &Path) -> PathBuf {
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    put("outages.txt", "# seconds from, to\n100 160\n200, 215\n");
    put("rate.csv", "# seconds, kbit/s\n0, 400\n30, 200\n60, 400\n");
    put(
        "loss.txt",
        "0.01 0.25 1.0 0.0  # p r, loss in bad, in good\n",
    );
    put("mine.toml", MINE);
    folder.join("mine.toml")
}

fn simulator(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_karez-sim"));
    command.args(arguments).output().unwrap()
}

#[test]
fn a_custom_file_by_path_gives_its_outages_rates_and_losses() {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::load(own_profile(folder.path()).to_str().unwrap()).unwrap();
    let place = Place::alone(5, "clinic", Duration::from_secs(3600));
    let calendar = SiteCalendar::draw(&profile, &place);
    let mut link = Link::new(&profile, &calendar, &place);
    let (mut arrived, mut at) = (Vec::new(), 0.0);
    while at < 300.0 {
        link.send(seconds(at), Way::Up(Flow::udp(4433)), (), 1000);
        while let Some(delivery) = link.poll(seconds(at)) {
            arrived.push(delivery.at.as_secs_f64());
        }
        at += 0.015;
    }
    let within = |from: f64, to: f64| arrived.iter().filter(|at| (from..to).contains(*at)).count();
    assert_eq!(
        within(100.2, 160.0) + within(200.2, 215.0),
        0,
        "listed outages"
    );
    let up = link.up_time(Duration::ZERO, seconds(300.0)).as_secs_f64();
    assert!((up - 225.0).abs() < 1e-6, "{up} s up");
    // Half a minute each at 400 and 200 kbit/s, of which the mean of the loss is taken.
    let lost = link.counters(Direction::Up).lost.packets as f64;
    let on_air = lost + arrived.len() as f64;
    println!("loss {:.4}", lost / on_air);
    let (mean, spread) = (0.01 / 0.26, (2.0 - 0.26) / 0.26);
    let error = (mean * (1.0 - mean) * spread / on_air).sqrt();
    assert!(
        (lost / on_air - mean).abs() < 3.0 * error,
        "{lost} of {on_air}, standard error {error}"
    );
    for (from, kbit) in [(2.0, 400.0), (32.0, 200.0), (62.0, 400.0)] {
        let got = within(from, from + 26.0) as f64 * 8.0 / 26.0;
        let asked = kbit * (1.0 - mean);
        assert!((got / asked - 1.0).abs() < 0.08, "{got} kbit/s for {asked}");
    }
}

#[test]
fn a_world_runs_over_a_custom_file_by_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = own_profile(folder.path());
    let path = path.to_str().unwrap();
    let output = simulator(&[
        "run",
        "--profile",
        path,
        "--bytes",
        "3000000",
        "--seed",
        "3",
        "--json",
    ]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{:?}", output.stderr);
    let run: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let whole = &run["instances"];
    assert_eq!(
        (whole["stored"].as_u64(), whole["lost"].as_u64()),
        (Some(3), Some(0))
    );
    let (simulated, up) = (
        run["simulated_s"].as_f64().unwrap(),
        run["link_up_s"].as_f64().unwrap(),
    );
    println!(
        "{simulated:.1} s, {up:.1} s up, share {}",
        run["goodput_share"]
    );
    let down = simulated.clamp(100.0, 160.0) - 100.0 + simulated.clamp(200.0, 215.0) - 200.0;
    assert!(
        (simulated - up - down).abs() < 0.5,
        "{simulated} s with {down} s of listed outage, {up} s up"
    );
    assert_eq!(run["profile"], "mine");
}

/// What is wrong, the line that is named, and part of the fix.
const MALFORMED: [(&str, usize, &str); 12] = [
    ("mtu = 1400\nmtuu = 3\n", 2, "did you mean `mtu`?"),
    (
        "[up]\nrate = { medain_kbit = 3 }\n",
        2,
        "did you mean `median_kbit`?",
    ),
    (
        "base = \"rural-3g\"\ngrid = \"urbn\"\n",
        2,
        "did you mean `urban`?",
    ),
    ("base = \"rural-edg\"\n", 1, "did you mean `rural-edge`?"),
    (
        "base = \"rural-3g\"\n[up]\nqueue_bytes = 100\n",
        3,
        "make it at least the MTU",
    ),
    (
        "base = \"rural-3g\"\nfade = { for_s = 9, every_s = 3 }\n",
        2,
        "make for_s less than every_s",
    ),
    (
        "base = \"rural-3g\"\nudp = { block = 0.7, drop_after = 0.7 }\n",
        2,
        "what is not blocked",
    ),
    ("base = \"rural-3g\"\nmtu = 90\n", 2, "use 1280 to 1500"),
    (
        "base = \"rural-3g\"\nflap = { up_scale_s = 3, up_k = 1, down_median_s = 1 }\n",
        2,
        "add `down_sigma = ...` there",
    ),
    (
        "base = \"rural-3g\"\n[up]\nrate = { median_kbit = 50, cap_kbit = 20 }\n",
        3,
        "raise it, or leave it out",
    ),
    (
        "base = \"rural-3g\"\norder = { only_h = [9, 26] }\n",
        2,
        "for example [9, 21]",
    ),
    (
        "base = \"rural-3g\"\nbox = { kill_every_min = [0.01, 3] }\n",
        2,
        "use [3, 20]",
    ),
];

#[test]
fn malformed_files_are_refused_with_line_and_fix_by_run_and_by_link() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    for (text, line, fix) in MALFORMED {
        std::fs::write(&path, text).unwrap();
        let output = simulator(&["run", "--profile", path.to_str().unwrap(), "--days", "1"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}--> {said}");
        let place = format!("bad.toml, line {line}: ");
        assert!(
            said.contains(&place) && said.contains(fix),
            "{text}--> {said}"
        );
        assert_eq!(said.trim().lines().count(), 1, "one line: {said}");
    }
    std::fs::write(folder.path().join("rate.csv"), "0, 400\n30, fast\n").unwrap();
    std::fs::write(
        &path,
        MINE.replace("outages = \"outages.txt\"\n", "")
            .replace("ge = \"loss.txt\"\n", ""),
    )
    .unwrap();
    let output = simulator(&["link", "--profile", path.to_str().unwrap(), "--", "true"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("rate.csv, line 2: `fast` is no number") && output.status.code() == Some(2),
        "{said}"
    );
}

const PAGE: &str = include_str!("../PROFILES.md");
/// No key is like it, so that all known ones are listed.
const NONSENSE: &str = "qqqqqqqqqqqqqqqqqqqqqqqq";

/// The keys that a refusal of nonsense lists.
fn known(error: &karez_sim::profile::ProfileError) -> Vec<String> {
    let fix = error.fix.clone().unwrap_or_default();
    let list = fix
        .strip_prefix("known here: ")
        .unwrap_or_else(|| panic!("{error}"));
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_is_on_the_schema_page() {
    let tables =
        "idle_promotion flap backhaul tower box order cycle fade attach nat udp bundle second";
    let inner = |key: &str| format!("base = \"rural-3g\"\n{key} = {{ {NONSENSE} = 1 }}\n");
    let way = |key: &str| format!("base = \"rural-3g\"\n[up]\n{key} = {{ {NONSENSE} = 1 }}\n");
    let mut profiles: Vec<String> = tables.split(' ').map(inner).collect();
    profiles.extend("rate jitter reorder hole".split(' ').map(way));
    profiles.push(format!("{NONSENSE} = 1\n"));
    profiles.push(format!("[up]\n{NONSENSE} = 1\n"));
    profiles.push(format!("degrade = [{{ {NONSENSE} = 1 }}]\n"));
    let mut keys = Vec::new();
    for text in profiles {
        keys.extend(known(
            &Profile::from_toml("x.toml", &text, None).unwrap_err(),
        ));
    }
    for text in ["", "[courier]\n", "[[site]]\n", "[[event]]\n"] {
        let text = format!("{text}{NONSENSE} = 1\n");
        keys.extend(known(
            &Scenario::from_toml("x.toml", &text, None).unwrap_err(),
        ));
    }
    for text in ["", "[burst]\n"] {
        let text = format!("{text}{NONSENSE} = 1\n");
        keys.extend(known(&Workload::from_toml("x.toml", &text).unwrap_err()));
    }
    assert!(keys.len() > 110, "{} keys", keys.len());
    let word = |c: char| !(c.is_alphanumeric() || c == '_');
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| !PAGE.split(word).any(|w| w == *key))
        .collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

#[test]
fn the_examples_of_the_schema_page_load() {
    let folder = tempfile::tempdir().unwrap();
    own_profile(folder.path());
    let examples: Vec<&str> = PAGE
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 3);
    for text in examples {
        let loaded = match text.lines().next().unwrap_or_default() {
            "# profile" => Profile::from_toml("page", text, Some(folder.path())).map(drop),
            "# scenario" => Scenario::from_toml("page", text, None).map(drop),
            _ => Workload::from_toml("page", text).map(drop),
        };
        loaded.unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

use super::view::{
    Clock, delivered, length, round_ticks, shades, shares, short, traffic, waits, wall,
};
use super::*;
use crate::bench::Latency;
use crate::run::{Instances, Sample, SiteTimeline, StudyTimeline, Timeline, Waits};

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// A made run of some sites and days, as a world would leave it behind.
fn made(sites: usize, days: u32) -> Outcome {
    let end = f64::from(days) * DAY;
    let waits = Waits {
        n: 18,
        waiting: 1,
        wall: made_latency(5400.0),
        link_up: made_latency(600.0),
    };
    Outcome {
        profile: "rural-edge".into(),
        seed: 7,
        sites,
        simulated_s: end,
        wall_s: 31.0,
        link_up_share: 0.5,
        goodput_share: 0.81,
        payload_bytes: 9,
        stat_s: waits,
        routine_s: waits,
        instances: Instances {
            accepted: 180,
            stored: 170,
            ..Instances::default()
        },
        trace_hash: "abc".into(),
        timeline: Timeline {
            grain_s: 600.0,
            sites: (0..sites).map(|index| made_site(index, days)).collect(),
            studies: (0..90).map(|n| made_study(n, n % sites, end)).collect(),
        },
        ..Outcome::default()
    }
}

fn made_latency(p50: f64) -> Latency {
    Latency {
        n: 18,
        p50,
        p95: p50 * 40.0,
        max: p50 * 60.0,
    }
}

fn made_site(index: usize, days: u32) -> SiteTimeline {
    let spans = |from: f64, to: f64| {
        let day = move |day: u32| {
            let midnight = f64::from(day) * DAY;
            (midnight + from * HOUR, midnight + to * HOUR)
        };
        (0..days).map(day).collect()
    };
    SiteTimeline {
        name: format!("site <{index}>"),
        profile: "rural-edge".into(),
        rupees: Some(300.0),
        up: spans(9.0 + index as f64, 21.0),
        power: spans(7.0, 23.0),
        ordered_off: Vec::from_iter((index > 0).then_some((2.0 * DAY, 9.5 * DAY))),
        samples: (0..days * 144).map(made_sample).collect(),
        wire_bytes_up: 150_000_000,
        wire_bytes_down: 2_000_000,
        stored_bytes: u64::from(days) * 144 * 30_000,
        capacity_bytes: 250_000_000,
        link_up_s: f64::from(days) * DAY / 2.0,
        kills: 60,
    }
}

fn made_sample(n: u32) -> Sample {
    let at_s = f64::from(n) * 600.0;
    let busy = f64::from(u8::from((at_s / DAY).fract() > 0.4));
    Sample {
        at_s,
        rate_bits_per_s: busy * (40_000.0 + 2e4 * (at_s / 7e3).sin()),
        queue_p95_s: busy * (1.5 + (at_s / 9e3).cos()),
        stored_bytes: u64::from(n) * 30_000,
        ..Sample::default()
    }
}

fn made_study(n: usize, site: usize, end: f64) -> StudyTimeline {
    let arrived_s = n as f64 / 90.0 * end;
    let stored_s = arrived_s + 400.0 + (n * n % 97) as f64 * 2_500.0;
    let stored_s = Some(stored_s).filter(|at| *at < end);
    StudyTimeline {
        site,
        class: ["stat", "urgent", "routine", "routine", "bulk"][n % 5],
        bytes: 1_400_000,
        instances: 2,
        arrived_s,
        stored_s,
        stored_link_up_s: stored_s.map(|at| (at - arrived_s) / 2.0),
        ..StudyTimeline::default()
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_escapes_names() {
    let page = html(&made(2, 30)).unwrap();
    assert_eq!(page.matches("<svg").count(), panels::Panel::ALL.len());
    for foreign in [
        "http://", "https://", "<script", "src=", "url(", "@import", "href=",
    ] {
        let all = page.matches(foreign).count();
        let name = page.matches("http://www.w3.org/2000/svg").count();
        let allowed = if foreign == "http://" { name } else { 0 };
        assert_eq!(all, allowed, "{foreign}");
    }
    assert!(page.contains("site &lt;1&gt;") && !page.contains("site <1>"));
    assert!(page.contains("currentColor") && page.contains("prefers-color-scheme: dark"));
    for words in ["On the wire", "Rs 300", "STAT", "170"] {
        assert!(
            page.contains(words) || page.contains(&words.to_lowercase()),
            "{words}"
        );
    }
}

#[test]
fn the_picture_is_a_png_of_the_height_of_its_panels_and_not_empty() {
    let outcome = made(2, 30);
    let png = png(&outcome).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let height: u32 = panels::Panel::ALL
        .iter()
        .map(|panel| panel.height(&outcome))
        .sum();
    assert_eq!((info.width, info.height), (2000, 2 * height));
    let inked = pixels
        .chunks(3)
        .filter(|pixel| pixel.iter().any(|c| *c < 200))
        .count();
    assert!(inked > 100_000, "{inked} pixels are not white");
    if let Some(folder) = std::env::var_os("KAREZ_REPORT_OUT") {
        for (name, outcome) in [("one", made(1, 2)), ("six", made(6, 30))] {
            write(&Path::new(&folder).join(format!("{name}.html")), &outcome).unwrap();
        }
    }
}

#[test]
fn an_empty_run_and_a_run_of_a_second_are_drawn_too() {
    for outcome in [
        Outcome::default(),
        Outcome {
            simulated_s: 1.0,
            ..made(1, 1)
        },
    ] {
        assert!(html(&outcome).unwrap().contains("</html>"));
        assert!(png(&outcome).unwrap().len() > 1000);
    }
}

#[test]
fn spans_become_columns_and_shades() {
    let half = shares(&[(0.0, 5.0), (20.0, 40.0)], 40.0, 4);
    assert_eq!(half, [0.5, 0.0, 1.0, 1.0]);
    assert_eq!(shades(&half), [(0, 1, 0.6), (2, 4, 1.0)]);
    assert_eq!(
        shades(&shares(&[(0.0, 0.01)], 40.0, 2)),
        [(0, 1, 0.2)],
        "a flash is seen"
    );
    assert_eq!(shares(&[(-5.0, 99.0)], 10.0, 2), [1.0, 1.0]);
}

#[test]
fn axes_are_round_and_in_words() {
    assert_eq!(Clock::of(30.0 * DAY).word, "day");
    assert_eq!(
        Clock::of(2.0 * DAY).ticks(12),
        [0.0, 6.0, 12.0, 18.0, 24.0, 30.0, 36.0, 42.0, 48.0]
    );
    assert_eq!(
        round_ticks(30.0, 12),
        [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    );
    assert_eq!(round_ticks(0.0, 4), [0.0]);
    assert_eq!(
        (length(90.0), length(5400.0), length(3.0 * DAY)),
        ("1.5 min".into(), "1.5 h".into(), "3 d".into())
    );
    assert_eq!(
        (short(0.5), short(12.34), short(1234.0)),
        ("0.5".into(), "12.3".into(), "1234".into())
    );
}

#[test]
fn curves_hold_what_the_timeline_says() {
    let outcome = made(2, 30);
    let timeline = &outcome.timeline;
    let curve = delivered(timeline, 100);
    let bytes: u64 = timeline.studies.iter().map(|study| study.bytes).sum();
    let (_, at_clinics, stored) = *curve.last().unwrap();
    let last = |site: &SiteTimeline| site.samples.last().unwrap().stored_bytes;
    assert_eq!(at_clinics as u64, bytes);
    assert_eq!(stored as u64, timeline.sites.iter().map(last).sum::<u64>());
    assert!(curve.windows(2).all(|w| w[0].2 <= w[1].2));
    let columns = traffic(&timeline.sites[0], 100);
    assert!(
        columns.len() <= 100
            && columns
                .iter()
                .any(|(_, rate, queue)| *rate > 0.0 && *queue > 0.0)
    );
    let short = made(2, 2);
    let (lengths, all) = waits(&short.timeline.studies, "stat", wall);
    assert!(
        lengths.len() < all && lengths.windows(2).all(|w| w[0] <= w[1]),
        "{} of {all}",
        lengths.len()
    );
}

#[test]
fn runs_are_laid_side_by_side_and_wrong_files_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut second = made(2, 30);
    second.goodput_share = 0.405;
    let json = |outcome: &Outcome| serde_json::to_string(outcome).unwrap();
    let a = file(
        "first.json",
        &format!("some words\n{}\n", json(&made(2, 30))),
    );
    let b = file(
        "second.json",
        &serde_json::to_string_pretty(&second).unwrap(),
    );
    let compared = compare(&[a.clone(), b]).unwrap();
    let text = compared.text();
    let line = |word: &str| {
        text.lines()
            .find(|line| line.starts_with(word))
            .unwrap()
            .to_owned()
    };
    assert!(line("figure").contains("first") && line("figure").contains("second"));
    assert!(
        line("of what it could carry").contains("81 %")
            && line("of what it could carry").contains("40.5 % (0.50x)")
    );
    assert!(compared.html().contains("<td>81 %</td>"));
    for (name, text, says) in [
        (
            "words.json",
            "no json at all",
            "holds no JSON object of a run",
        ),
        (
            "other.json",
            "{\"profile\": \"x\", \"seed\": 1}",
            "`payload_bytes` is missing",
        ),
        ("empty.json", "", "holds no JSON object of a run"),
    ] {
        let wrong = compare(&[a.clone(), file(name, text)])
            .err()
            .unwrap()
            .to_string();
        assert!(
            wrong.contains(says) && wrong.contains(name) && wrong.contains("--json > FILE"),
            "{wrong}"
        );
    }
    let gone = compare(&[a, folder.path().join("nowhere.json")])
        .err()
        .unwrap()
        .to_string();
    assert!(gone.contains("nowhere.json: cannot be read"), "{gone}");
}

//! Translation, middleboxes, holes, signals.

use super::*;

#[test]
fn silence_costs_the_promotion_once() {
    let mut rig = Rig::toml(
        &format!("idle_promotion = {{ after_s = 5, add_ms = 2000 }}\n{PLAIN}"),
        1,
    );
    let took = |rig: &mut Rig, at: f64| match rig.up(at, 125) {
        Fate::Arrives(arrival) => arrival.as_secs_f64() - at,
        other => panic!("{other:?}"),
    };
    assert!((took(&mut rig, 10.0) - 2.101).abs() < 1e-6);
    assert!(
        (took(&mut rig, 11.0) - 1.102).abs() < 1e-6,
        "behind the first"
    );
    assert!((took(&mut rig, 16.0) - 0.101).abs() < 1e-6, "still awake");
    assert!((took(&mut rig, 21.1) - 2.101).abs() < 1e-6, "asleep again");
}

#[test]
fn translations_expire_and_come_back_under_another_port() {
    let mut rig = Rig::toml(
        &format!("nat = {{ udp_idle_s = 30, rebind_port = true }}\n{PLAIN}"),
        1,
    );
    let seen = |rig: &mut Rig, at| {
        rig.up(at, 100);
        rig.drain().remove(0).outside
    };
    let first = seen(&mut rig, 1.0);
    assert_eq!(first.port, PORT.port);
    let reply = |rig: &mut Rig, at, to| {
        let fate = rig
            .link
            .send(seconds(at), Way::Down(to, Protocol::Udp), 0, 100);
        rig.drain();
        fate
    };
    assert!(matches!(reply(&mut rig, 30.0, first), Fate::Arrives(_)));
    assert_eq!(reply(&mut rig, 31.1, first), Fate::Unmapped);
    let second = seen(&mut rig, 40.0);
    assert!(second.host == first.host && second.port != first.port);
    assert_eq!(reply(&mut rig, 41.0, first), Fate::Unmapped);
    assert!(matches!(reply(&mut rig, 41.0, second), Fate::Arrives(_)));
}

#[test]
fn a_long_outage_brings_a_new_address_and_a_short_one_does_not() {
    let mut rig = Rig::toml(
        &format!(
            "nat = {{ udp_idle_s = 300, new_ip_on_reattach = 1.0 }}\noutages = [[10, 20], [30, 70]]\n{PLAIN}"
        ),
        1,
    );
    let hosts: Vec<u32> = [1.0, 25.0, 75.0]
        .map(|at| {
            rig.up(at, 100);
            rig.drain().remove(0).outside.host
        })
        .to_vec();
    assert!(hosts[0] == hosts[1] && hosts[1] != hosts[2], "{hosts:?}");
}

#[test]
fn tcp_passes_where_udp_does_not_and_udp_meets_its_shares() {
    let profile = Profile {
        flap: None,
        backhaul: None,
        tower: None,
        ..Profile::load("udp-hostile").unwrap()
    };
    let outcomes: Vec<usize> = (0..400)
        .map(|seed| {
            let mut rig = Rig::of(
                &Profile {
                    grid: Default::default(),
                    power: Default::default(),
                    ..profile.clone()
                },
                seed,
            );
            (0..60)
                .filter(|n| {
                    matches!(
                        rig.link
                            .send(seconds(f64::from(*n) * 0.02), Way::Up(PORT), 0, 1300),
                        Fate::Arrives(_)
                    )
                })
                .count()
        })
        .collect();
    let share = |low, high| {
        outcomes
            .iter()
            .filter(|n| (low..=high).contains(*n))
            .count() as f64
            / 400.0
    };
    for (what, got, asked) in [
        ("blocked", share(0, 0), 0.10),
        ("cut after 20 or policed", share(5, 30), 0.30),
        ("open", share(50, 60), 0.60),
    ] {
        assert!((got - asked).abs() < 0.07, "{what}: {got}");
    }
    let mut rig = Rig::of(&profile, 1);
    let tcp = (0..50)
        .filter(|n| {
            matches!(
                rig.link.send(
                    HOUR * 12 + Duration::from_millis(*n),
                    Way::Up(Flow::tcp(443)),
                    0,
                    100
                ),
                Fate::Blocked
            )
        })
        .count();
    assert_eq!(tcp, 0);
}

#[test]
fn the_first_attempts_after_a_return_are_refused() {
    let mut rig = Rig::toml(
        &format!("attach = {{ wait_s = 60, fail_first = 2 }}\noutages = [[0, 100]]\n{PLAIN}"),
        1,
    );
    let fates: Vec<Fate> = [150.0, 161.0, 162.0, 175.0, 190.0, 191.0]
        .map(|at| rig.up(at, 100))
        .to_vec();
    assert_eq!(
        fates[..4],
        [Fate::Outage, Fate::Blocked, Fate::Blocked, Fate::Blocked]
    );
    assert!(
        matches!(fates[4..], [Fate::Arrives(_), Fate::Arrives(_)]),
        "{fates:?}"
    );
}

#[test]
fn packets_over_the_mtu_vanish() {
    let mut rig = Rig::spec("rate_kbit=512,rtt_ms=10,mtu=1280", 1);
    assert_eq!(rig.up(0.0, 1281), Fate::TooBig);
    assert!(matches!(rig.up(0.0, 1280), Fate::Arrives(_)));
}

#[test]
fn one_way_holes_close_one_way_only() {
    let mut rig = Rig::toml(
        &format!("{PLAIN}hole = {{ every_s = 100, for_s = 40 }}\n"),
        1,
    );
    assert_eq!(rig.up(70.0, 100), Fate::Outage);
    let down = rig.link.send(
        seconds(70.0),
        Way::Down(Endpoint { host: 0, port: 1 }, Protocol::Udp),
        0,
        100,
    );
    assert!(matches!(down, Fate::Arrives(_)));
}

#[test]
fn link_up_is_signalled_where_the_machine_can_see_it() {
    let seen = Rig::spec("rate_kbit=512,rtt_ms=10,up_s=25,down_s=20", 1);
    assert_eq!(
        seen.link.next_signal(seconds(1.0)),
        Some((seconds(25.0), false))
    );
    assert_eq!(
        seen.link.next_signal(seconds(30.0)),
        Some((seconds(45.0), true))
    );
    assert!(!seen.link.is_up(seconds(30.0)) && seen.link.is_up(seconds(46.0)));
    let blind = Rig::spec("rate_kbit=512,rtt_ms=10,up_s=25,down_s=20,signal=0", 1);
    assert_eq!(blind.link.next_signal(seconds(1.0)), None);
}

#[test]
fn a_used_up_bundle_slows_the_line_until_the_next_month() {
    let bundle = "bundle = { month_gb = 0.0001, after_cap_kbit = 80, pkr = 1 }";
    let mut rig = Rig::toml(&format!("{bundle}\n{PLAIN}"), 1);
    let took = |rig: &mut Rig, at: f64| match rig.up(at, 1000) {
        Fate::Arrives(arrival) => arrival.as_secs_f64() - at - 0.1,
        other => panic!("{other:?}"),
    };
    assert!((took(&mut rig, 0.0) - 0.008).abs() < 1e-6);
    for n in 1..100 {
        rig.up(f64::from(n), 1000);
    }
    assert!((took(&mut rig, 200.0) - 0.1).abs() < 1e-6);
    assert!((took(&mut rig, 30.0 * 86_400.0) - 0.008).abs() < 1e-6);
}

#[test]
fn every_built_in_profile_makes_a_link_that_carries_packets_both_ways() {
    for name in Profile::names() {
        let profile = Profile::load(name).unwrap();
        let place = Place::alone(1, "clinic", DAY * 30);
        let calendar = SiteCalendar::draw(&profile, &place);
        let mut link: Link<u8> = Link::new(&profile, &calendar, &place);
        let mut at = calendar.usable().as_slice()[0].0;
        let mut through = (0, 0);
        for n in 0..2000_u16 {
            at += seconds(0.5);
            link.send(at, Way::Up(Flow::udp(1024 + n / 20)), 0, 100);
            while let Some(arrived) = link.poll(at) {
                match arrived.direction {
                    Direction::Up => {
                        through.0 += 1;
                        link.send(at, Way::Down(arrived.outside, Protocol::Udp), 1, 100);
                    }
                    Direction::Down => through.1 += 1,
                }
            }
        }
        assert!(
            through.0 > 100 && through.1 > 50,
            "{name}: {through:?} of 2000"
        );
    }
}

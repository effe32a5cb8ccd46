use super::*;

/// 2026-11-24 10:00:00 UTC.
const TEN: i64 = 1_795_514_400;

const fn at(running: u64, wall: i64) -> Now {
    Now {
        running: Duration::from_secs(running),
        wall,
    }
}

fn budget(bytes: [u64; 3]) -> Budget {
    let mut budget = Budget::new(Limits {
        bytes,
        ..Limits::default()
    });
    budget.set_under_way(200_000);
    budget
}

#[test]
fn months_begin_on_their_first() {
    // 2026-11-30, 2026-12-01, 2027-01-01, 2028-02-29, 2028-03-01.
    let months = [20_787, 20_788, 20_819, 21_243, 21_244].map(month);
    let steps: Vec<i64> = months.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, [1, 1, 13, 1]);
}

#[test]
fn a_limit_stops_before_it_is_passed_and_the_next_period_goes_on() {
    let mut budget = budget([10_000_000, 0, 0]);
    budget.spend(at(0, TEN), 9_000_000);
    assert_eq!(budget.hold(at(1, TEN + 1)), None);
    budget.spend(at(2, TEN + 2), 900_000);
    assert_eq!(
        budget.hold(at(3, TEN + 3)).map(|h| h.0),
        Some(Hold::Spent(0))
    );
    assert_eq!(budget.hold(at(3600, TEN + 3600)), None);
    assert_eq!(budget.spent(at(3600, TEN + 3600))[0], (0, 10_000_000));
}

#[test]
fn the_longest_period_that_is_spent_is_named() {
    let mut budget = budget([1_000_000, 1_000_000, 1_000_000]);
    budget.spend(at(0, TEN), 1_000_000);
    assert_eq!(budget.hold(at(1, TEN)).map(|h| h.0), Some(Hold::Spent(2)));
}

#[test]
fn a_clock_that_goes_back_and_forth_gives_no_period_twice() {
    let mut budget = budget([1_000_000, 0, 0]);
    budget.spend(at(0, TEN), 1_000_000);
    for jump in 1..50 {
        let wall = TEN + if jump % 2 == 0 { -86_400 } else { 86_400 };
        let held = budget.hold(at(jump, wall)).map(|h| h.0);
        assert_eq!(held, Some(Hold::Spent(0)), "jump {jump}");
    }
}

#[test]
fn a_clock_that_was_far_ahead_holds_nothing_back_for_years() {
    let mut budget = budget([1_000_000, 0, 0]);
    budget.spend(at(0, TEN + 10 * 365 * 86_400), 1_000_000);
    budget.spend(at(10, TEN), 0);
    assert_eq!(budget.hold(at(3600, TEN + 3600)), None);
}

#[test]
fn with_the_clock_at_1970_hours_follow_the_time_since_the_start() {
    let mut budget = budget([1_000_000, 0, 0]);
    budget.spend(at(0, 5), 1_000_000);
    assert!(budget.hold(at(3599, 3604)).is_some());
    assert_eq!(budget.hold(at(3600, 3605)), None);
    budget.spend(at(3601, 3606), 1_000_000);
    // The clock is set: a first period may begin, no second one at once.
    assert!(budget.hold(at(3602, TEN)).is_some());
    assert_eq!(budget.hold(at(7300, TEN + 3698)), None);
}

#[test]
fn hours_of_the_day_are_local_may_pass_midnight_and_need_a_set_clock() {
    let mut night = Budget::new(Limits {
        windows: vec![(22 * 60, 6 * 60)],
        offset: 5 * 3600,
        ..Limits::default()
    });
    let held = |budget: &mut Budget, wall| budget.hold(at(0, wall)).map(|h| h.0);
    assert_eq!(held(&mut night, TEN), Some(Hold::Hours), "15:00 there");
    assert_eq!(held(&mut night, TEN + 7 * 3600), None, "22:00 there");
    assert_eq!(
        held(&mut night, TEN + 15 * 3600 - 1),
        None,
        "05:59:59 there"
    );
    assert_eq!(held(&mut night, TEN + 15 * 3600), Some(Hold::Hours));
    assert_eq!(held(&mut night, 12 * 3600), None, "1970");
}

#[test]
fn what_is_spent_and_a_pause_outlive_the_process() {
    let mut before = budget([0, 1_000_000, 0]);
    before.spend(at(9000, TEN), 1_000_000);
    let mut after = budget([0, 1_000_000, 0]);
    after.restore(&before.to_bytes()).unwrap();
    assert_eq!(
        after.hold(at(0, TEN + 60)).map(|h| h.0),
        Some(Hold::Spent(1))
    );
    after.pause(true);
    let mut third = budget([0, 0, 0]);
    third.restore(&after.to_bytes()).unwrap();
    assert_eq!(third.hold(at(0, TEN)).map(|h| h.0), Some(Hold::Paused));
    assert!(third.restore(&[9]).is_err());
}

//! What befalls a world, drawn.

use super::plan::{Event, LENGTH, LinePlan, Misdeed, Timed, Who};
use crate::seed::Dice;

/// A clinic's studies, some with a late image, some instances handed in twice.
pub(super) fn work(clinic: usize, dice: &mut Dice, events: &mut Vec<Timed>) {
    for study in 0..1 + dice.below(6) {
        let start = dice.below(LENGTH * 3 / 4);
        let (class, instances) = (dice.below(4) as u8, 1 + dice.below(8));
        for number in 0..instances {
            let late = match dice.chance(0.1) {
                true => dice.below(LENGTH / 4),
                false => number * 500,
            };
            let bytes = dice.lognormal(60_000.0, 1.3).clamp(100.0, 3e6) as u64;
            let event = Event::HandIn {
                clinic,
                study,
                number,
                bytes,
                class,
            };
            events.push(Timed {
                at_ms: start + late,
                event,
            });
            if dice.chance(0.1) {
                let at_ms = start + late + dice.below(LENGTH / 4);
                events.push(Timed { at_ms, event });
            }
        }
    }
}

/// A study that takes two minutes on its line, and a power cut at the hub, at the clinic or at both
/// in the middle of it.
pub(super) fn cut_in_two(
    clinic: usize,
    lines: &[LinePlan],
    dice: &mut Dice,
    events: &mut Vec<Timed>,
) {
    const IMAGES: u64 = 4;
    let rate = lines.get(clinic).map_or(64, |line| line.rate_kbit);
    let bytes = (rate * 125 * 120).clamp(300_000, 6_000_000) / IMAGES;
    let start = dice.below(LENGTH);
    for number in 0..IMAGES {
        events.push(Timed {
            at_ms: start + number * 500,
            event: Event::HandIn {
                clinic,
                study: 90,
                number,
                bytes,
                class: 2,
            },
        });
    }
    let who = [Who::Hub, Who::Clinic(clinic)];
    let which = dice.below(4);
    for (index, who) in who.into_iter().enumerate() {
        if which == index as u64 || which > 1 {
            events.push(Timed {
                at_ms: start + 10_000 + dice.below(100_000),
                event: Event::Kill {
                    who,
                    off_ms: 5_000 + dice.below(120_000),
                },
            });
        }
    }
}

/// Some images come a second time with other bytes, from the same clinic or another.
pub(super) fn changed_images(clinics: u64, dice: &mut Dice, events: &mut Vec<Timed>) {
    let mut changed = Vec::new();
    for timed in events.iter() {
        let Event::HandIn {
            clinic,
            study,
            number,
            bytes,
            ..
        } = timed.event
        else {
            continue;
        };
        if dice.chance(0.02) {
            changed.push(Timed {
                at_ms: timed.at_ms + dice.below(LENGTH / 4),
                event: Event::Changed {
                    by: dice.below(clinics) as usize,
                    clinic,
                    study,
                    number,
                    bytes,
                },
            });
        }
    }
    events.append(&mut changed);
}

/// The hub is restored from a copy of its disk.
pub(super) fn restored_hub(dice: &mut Dice, events: &mut Vec<Timed>) {
    let at_ms = dice.below(LENGTH * 3 / 4);
    events.push(Timed {
        at_ms,
        event: Event::BackUp,
    });
    events.push(Timed {
        at_ms: at_ms + dice.below(LENGTH / 4),
        event: Event::Restore {
            off_ms: 30_000 + dice.below(1_800_000),
        },
    });
}

/// What a clock without a battery, or a person, may say: 1901, 1969, 1970, 2038, and a month off.
fn moment(dice: &mut Dice) -> i64 {
    const MONTH: f64 = 30.0 * 86_400.0;
    let edges = [
        i64::from(i32::MIN),
        -1,
        0,
        i64::from(i32::MAX),
        1_754_247_600 + dice.between(-MONTH, MONTH) as i64,
    ];
    let picked = usize::try_from(dice.below(edges.len() as u64)).unwrap_or(0);
    edges.get(picked).copied().unwrap_or(0)
}

pub(super) fn fault(clinics: u64, dice: &mut Dice) -> Event {
    let clinic = dice.below(clinics) as usize;
    let who = match dice.chance(0.4) {
        true => Who::Hub,
        false => Who::Clinic(clinic),
    };
    let off_ms = 30_000 + dice.below(1_800_000);
    let for_ms = 10_000 + dice.below(7_200_000);
    match dice.below(14) {
        0 | 1 => Event::Kill { who, off_ms },
        2 | 3 => Event::KillAtCall {
            who,
            calls: 1 + dice.below(400),
            off_ms,
        },
        9 => Event::KillAtSync {
            who,
            syncs: 1 + dice.below(40),
            within_ms: 1 + dice.below(20_000),
            off_ms,
        },
        10 => Event::NoRoom {
            who,
            calls: 1 + dice.below(200),
        },
        11 => Event::ReadOnly { who, for_ms },
        12 => Event::ClockTo {
            who,
            wall_s: moment(dice),
        },
        4 => Event::DiskFault {
            who,
            calls: 1 + dice.below(200),
        },
        5 => Event::DiskFull { who, for_ms },
        6 => Event::RotAtHub {
            pick: dice.bits(),
            bit: dice.bits(),
        },
        7 => Event::Clock {
            clinic,
            off_s: dice.between(-1e7, 1e7) as i64,
        },
        8 => Event::LineDown { clinic, for_ms },
        _ => Event::Archive {
            how: misdeed(dice),
            for_ms,
        },
    }
}

fn misdeed(dice: &mut Dice) -> Misdeed {
    const ALL: [Misdeed; 7] = [
        Misdeed::Down,
        Misdeed::Slow,
        Misdeed::Full,
        Misdeed::Refuses,
        Misdeed::CutsBeforeAnswer,
        Misdeed::Aborts,
        Misdeed::Lies,
    ];
    let picked = usize::try_from(dice.below(ALL.len() as u64)).unwrap_or(0);
    ALL.get(picked).copied().unwrap_or(Misdeed::Down)
}

//! The law against a small model of a link: one sender, one queue, delayed acknowledgements.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Remembered, Thin};

const MTU: u16 = 1400;
const STEP: f64 = 0.001;
const ACK_EVERY: (usize, f64) = (8, 0.2);

struct Pipe {
    /// Bytes per second at a moment.
    rate: fn(f64) -> f64,
    /// Round-trip time at a moment.
    rtt: fn(f64) -> f64,
    loss: f64,
    /// Packets that the queue holds.
    queue: usize,
}

#[derive(Default)]
struct Seen {
    delivered: f64,
    waits: Vec<f64>,
}

impl Seen {
    fn p95(&mut self) -> f64 {
        self.waits.sort_by(f64::total_cmp);
        self.waits[self.waits.len() * 95 / 100]
    }
}

/// Runs a backlog for so long; what was delivered after `from`.
fn run(pipe: &Pipe, thin: &mut Thin, (from, to): (f64, f64)) -> Seen {
    let at = Duration::from_secs_f64;
    let size = f64::from(MTU);
    let (mut queue, mut air, mut acks) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
    let (mut flying, mut unacked): (VecDeque<(f64, bool)>, Vec<f64>) = Default::default();
    let (mut next, mut served, mut ack_due) = (0.0, 0.0, f64::INFINITY);
    let (mut dice, mut seen) = (1_u64, Seen::default());
    let mut now = 0.0;
    while now < to {
        now += STEP;
        while next <= now && (flying.len() as f64 + 1.0) * size <= thin.window() as f64 {
            let full = queue.len() >= pipe.queue;
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let lost = full || (dice >> 11) as f64 / (1_u64 << 53) as f64 <= pipe.loss;
            if !full {
                queue.push_back((now, lost));
            }
            flying.push_back((now, lost));
            let wait = if thin.rate() > 0.0 {
                size / thin.rate()
            } else {
                0.0
            };
            next = f64::max(next, now - STEP) + wait;
        }
        while served <= now
            && let Some((sent, lost)) = queue.pop_front()
        {
            served = f64::max(served, now - STEP) + size / (pipe.rate)(now);
            if now > from {
                seen.waits.push(now - sent);
            }
            air.push_back((served + (pipe.rtt)(now), sent, lost));
        }
        while air.front().is_some_and(|(arrives, ..)| *arrives <= now) {
            let (_, sent, lost) = air.pop_front().unwrap();
            if lost {
                continue;
            }
            seen.delivered += if now > from { size } else { 0.0 };
            unacked.push(sent);
            ack_due = ack_due.min(now + ACK_EVERY.1);
        }
        if unacked.len() >= ACK_EVERY.0 || ack_due <= now {
            acks.push_back(std::mem::take(&mut unacked));
            ack_due = f64::INFINITY;
        }
        while let Some(acked) = acks.pop_front() {
            let newest: f64 = acked.last().copied().unwrap_or(0.0);
            for sent in &acked {
                thin.on_ack(at(now), at(*sent), MTU.into(), false);
            }
            thin.on_end_of_ack(at(now));
            let lost = flying
                .iter()
                .filter(|(sent, lost)| *lost && *sent < newest)
                .count();
            thin.on_lost(lost as u64 * u64::from(MTU));
            flying.retain(|(sent, _)| *sent > newest);
        }
    }
    seen
}

fn thin() -> Thin {
    Thin::new(Duration::ZERO, MTU, Duration::from_millis(200), None)
}

const PIPE: Pipe = Pipe {
    rate: |_| 64_000.0,
    rtt: |_| 0.65,
    loss: 0.0,
    queue: 90,
};

#[test]
fn a_link_is_filled_whatever_it_loses_and_the_queue_stays_short() {
    for loss in [0.0, 0.02, 0.1, 0.2, 0.3] {
        let mut seen = run(&Pipe { loss, ..PIPE }, &mut thin(), (60.0, 360.0));
        let share = seen.delivered / (300.0 * 64_000.0 * (1.0 - loss));
        let p95 = seen.p95();
        assert!(
            share > 0.96 && p95 < 0.35,
            "loss {loss}: {share:.3}, {p95:.3} s"
        );
    }
}

#[test]
fn a_queue_of_100_ms_is_not_driven_into_overflow() {
    let pipe = Pipe {
        queue: 4,
        loss: 0.02,
        ..PIPE
    };
    let seen = run(&pipe, &mut thin(), (60.0, 360.0));
    let share = seen.delivered / (300.0 * 64_000.0 * 0.98);
    assert!(share > 0.93, "{share:.3}");
}

#[test]
fn a_link_that_slows_down_or_gets_longer_is_followed() {
    let slower = Pipe {
        rate: |now| if now < 100.0 { 64_000.0 } else { 16_000.0 },
        ..PIPE
    };
    let mut seen = run(&slower, &mut thin(), (150.0, 350.0));
    let share = seen.delivered / (200.0 * 16_000.0);
    assert!(share > 0.95 && seen.p95() < 0.5, "{share:.3}");
    let longer = Pipe {
        rtt: |now| if now < 100.0 { 0.3 } else { 1.2 },
        ..PIPE
    };
    let seen = run(&longer, &mut thin(), (200.0, 400.0));
    let share = seen.delivered / (200.0 * 64_000.0);
    assert!(share > 0.93, "{share:.3}");
}

#[test]
fn a_link_that_speeds_up_eightfold_is_found_out() {
    let faster = Pipe {
        rate: |now| if now < 100.0 { 16_000.0 } else { 128_000.0 },
        ..PIPE
    };
    let seen = run(&faster, &mut thin(), (160.0, 300.0));
    let share = seen.delivered / (140.0 * 128_000.0);
    assert!(share > 0.93, "{share:.3}");
}

#[test]
fn a_rate_that_swings_keeps_the_link_busy() {
    let swings = Pipe {
        rate: |now| match (now / 5.0) as u64 % 2 {
            0 => 96_000.0,
            _ => 32_000.0,
        },
        rtt: |_| 0.2,
        queue: 200,
        ..PIPE
    };
    let mut seen = run(&swings, &mut thin(), (100.0, 400.0));
    let share = seen.delivered / (300.0 * 64_000.0);
    assert!(
        share > 0.88 && seen.p95() < 1.7,
        "{share:.3} {}",
        seen.p95()
    );
}

#[test]
fn a_remembered_link_starts_at_its_rate() {
    let mut first = thin();
    run(&PIPE, &mut first, (0.0, 60.0));
    let known = first.remember().unwrap();
    assert!((known.rate / 64_000.0 - 1.0).abs() < 0.1, "{known:?}");
    let mut cold = run(&PIPE, &mut thin(), (0.0, 20.0));
    let again = Thin::new(Duration::ZERO, MTU, Duration::from_millis(200), Some(known));
    let mut warm = run(&PIPE, &mut { again }, (0.0, 20.0));
    let shares = [cold.delivered, warm.delivered].map(|bytes| bytes / (20.0 * 64_000.0));
    assert!(
        shares[1] > 0.9 && shares[1] > shares[0] + 0.05,
        "{shares:?}"
    );
    assert!(warm.p95() < cold.p95().max(0.4), "{}", warm.p95());
    let unlikely = Remembered {
        rate: 1e-9,
        ..known
    };
    let stuck = Thin::new(
        Duration::ZERO,
        MTU,
        Duration::from_millis(200),
        Some(unlikely),
    );
    let seen = run(&PIPE, &mut { stuck }, (60.0, 120.0));
    assert!(seen.delivered > 0.8 * 60.0 * 64_000.0, "{}", seen.delivered);
}

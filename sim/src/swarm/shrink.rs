//! A failing plan cut smaller: events go as long as it still fails.

use std::time::{Duration, Instant};

use super::{Plan, Verdict, play};

/// Cuts a failing plan until nothing more can go, or time is up.
#[must_use]
pub fn shrink(plan: &Plan, patience: Duration) -> Plan {
    shrink_by(plan, patience, |plan| play(plan, false))
}

fn shrink_by(plan: &Plan, patience: Duration, mut play: impl FnMut(&Plan) -> Verdict) -> Plan {
    let end = Instant::now() + patience;
    let mut small = plan.clone();
    let mut piece = small.events.len().div_ceil(2);
    while piece > 0 {
        let mut from = 0;
        while from < small.events.len() && Instant::now() < end {
            let mut less = small.clone();
            less.events
                .drain(from..(from + piece).min(small.events.len()));
            if play(&less).holds() {
                from += piece;
            } else {
                small = less;
            }
        }
        piece /= 2;
    }
    small
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let plan = (0..).map(Plan::draw).find(|p| p.events.iter().any(kills));
        let plan = plan.unwrap();
        let small = shrink_by(&plan, Duration::from_secs(60), |plan| Verdict {
            instances: 0,
            syncs: Vec::new(),
            calls: Vec::new(),
            said: 0,
            broken: match plan.events.iter().any(kills) {
                true => vec!["a kill".to_owned()],
                false => Vec::new(),
            },
            trace_hash: String::new(),
        });
        assert_eq!(small.events.len(), 1);
        assert!(small.events.iter().all(kills));
    }

    fn kills(timed: &super::super::Timed) -> bool {
        matches!(timed.event, Event::Kill { .. })
    }
}

//! The whole way from a modality to the released study, small, with one mishap.

use karez_sim::swarm::{Event, LinePlan, Plan, Timed};

/// One clinic with two studies of two images, a late one and a repeat, on a good line.
pub(crate) fn plan(mishap: Option<Event>) -> Plan {
    let line = LinePlan {
        rate_kbit: 4000,
        delay_ms: 20,
        lost_permille: 0,
        doubled_permille: 0,
        late_permille: 0,
        damaged_of_10_000: 0,
        new_address_s: 0,
    };
    let images = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0)];
    let image = |(at, (study, number)): (u64, (u64, u64))| Timed {
        at_ms: at * 3000,
        event: Event::HandIn {
            clinic: 0,
            study,
            number,
            bytes: 40_000,
            class: 2,
        },
    };
    let mut events: Vec<Timed> = (1..).zip(images).map(image).collect();
    events.extend(mishap.map(|event| Timed { at_ms: 100, event }));
    events.sort_by_key(|timed| timed.at_ms);
    Plan {
        // The hub drops at once what is stored, so that eviction is struck too.
        seed: 3,
        lines: vec![line],
        events,
    }
}

//! A world drawn from one seed: links, and what befalls whom when. A plan can be written down,
//! cut smaller, and played again.

use std::time::Duration;

use karez_host::units::Period;
use serde::{Deserialize, Serialize};

use super::draw;
use crate::profile::{Profile, ProfileError};
use crate::seed::{Dice, Seed};

/// Clinics of a plan, at most.
const CLINICS: u64 = 3;
/// Everything befalls within this (ms).
pub(super) const LENGTH: u64 = 12 * 3_600_000;

/// An address lives at least so long (s). QUIC drops a handshake whose address changes (RFC 9000
/// section 9), and over 1.2 s of round trip with losses one takes up to 20 s.
const ADDRESS_S: u64 = 20;

/// A world, and what befalls it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Draws all that the plan does not say: keys, losses, torn sectors.
    pub seed: u64,
    /// The line of each clinic.
    pub lines: Vec<LinePlan>,
    /// What happens, in order of time.
    pub events: Vec<Timed>,
}

/// A clinic's line, the same both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinePlan {
    /// kbit/s.
    pub rate_kbit: u64,
    /// One way, ms.
    pub delay_ms: u64,
    /// Packets of a thousand that are lost.
    pub lost_permille: u64,
    /// Packets of a thousand that come twice.
    pub doubled_permille: u64,
    /// Packets of a thousand that come late.
    pub late_permille: u64,
    /// Packets of ten thousand with a bit turned.
    pub damaged_of_10_000: u64,
    /// The address changes this often, s; 0: never.
    pub new_address_s: u64,
}

/// Something that happens at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// When, ms.
    pub at_ms: u64,
    /// What.
    pub event: Event,
}

/// A machine of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The hub.
    Hub,
    /// A clinic, from 0.
    Clinic(usize),
}

/// Something that happens. Faults end by themselves, and all end when the world is healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields repeat the line above them")]
pub enum Event {
    /// A modality hands an instance in; the same again is a duplicate, a later one of a known
    /// study is late. `class` from 0, STAT.
    HandIn {
        clinic: usize,
        study: u64,
        number: u64,
        bytes: u64,
        class: u8,
    },
    /// The power goes, for so long.
    Kill { who: Who, off_ms: u64 },
    /// The disk fails for good at the n-th call from now; two seconds later the power goes.
    KillAtCall { who: Who, calls: u64, off_ms: u64 },
    /// The n-th call from now fails, once.
    DiskFault { who: Who, calls: u64 },
    /// The disk is full, for so long.
    DiskFull { who: Who, for_ms: u64 },
    /// The disk fails for good at the n-th sync from now; after `within_ms` from now the power goes.
    KillAtSync {
        who: Who,
        syncs: u64,
        within_ms: u64,
        off_ms: u64,
    },
    /// The n-th call from now finds no room, once.
    NoRoom { who: Who, calls: u64 },
    /// The disk is read-only, for so long.
    ReadOnly { who: Who, for_ms: u64 },
    /// A copy is taken of the hub's disk, in place of the copy before.
    BackUp,
    /// The hub's power goes, for so long; then its disk is the copy that was taken last.
    Restore { off_ms: u64 },
    /// Clinic `by` hands in other bytes under the UID of an image that was accepted.
    Changed {
        by: usize,
        clinic: usize,
        study: u64,
        number: u64,
        bytes: u64,
    },
    /// A machine's clock says so many seconds after 1970.
    ClockTo { who: Who, wall_s: i64 },
    /// A bit of a pack rots at the hub.
    RotAtHub { pick: u64, bit: u64 },
    /// A clinic's clock jumps.
    Clock { clinic: usize, off_s: i64 },
    /// Nothing passes a clinic's line, for so long.
    LineDown { clinic: usize, for_ms: u64 },
    /// The archive misbehaves, for so long.
    Archive { how: Misdeed, for_ms: u64 },
}

/// How an archive misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misdeed {
    /// No connection comes up.
    Down,
    /// It takes its time: ten seconds for each instance.
    Slow,
    /// It answers A700 and stores nothing.
    Full,
    /// It answers C000 and stores nothing.
    Refuses,
    /// It stores, and cuts the connection before the answer.
    CutsBeforeAnswer,
    /// It aborts on every instance.
    Aborts,
    /// It stores, and answers 0110 all the same.
    Lies,
}

impl Plan {
    /// Draws a world.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let root = Seed::new(seed).child("swarm");
        let mut dice = root.child("lines").dice();
        let clinics = 1 + dice.below(CLINICS);
        let lines: Vec<LinePlan> = (0..clinics).map(|_| LinePlan::draw(&mut dice)).collect();
        let mut events = Vec::new();
        let mut dice = root.child("work").dice();
        for clinic in 0..lines.len() {
            draw::work(clinic, &mut dice, &mut events);
        }
        let mut dice = root.child("faults").dice();
        for _ in 0..4 + dice.below(16) {
            let at_ms = dice.below(LENGTH);
            let event = draw::fault(lines.len() as u64, &mut dice);
            events.push(Timed { at_ms, event });
        }
        let mut dice = root.child("more").dice();
        for clinic in 0..lines.len() {
            draw::cut_in_two(clinic, &lines, &mut dice, &mut events);
        }
        draw::changed_images(lines.len() as u64, &mut dice, &mut events);
        if dice.chance(0.25) {
            draw::restored_hub(&mut dice, &mut events);
        }
        events.sort_by_key(|timed| timed.at_ms);
        Self {
            seed,
            lines,
            events,
        }
    }

    /// How long the hub keeps what is stored: not at all, for an hour, or for longer than it all
    /// lasts.
    #[must_use]
    pub const fn keep_stored(&self) -> Period {
        match self.seed % 3 {
            0 => Period(0),
            1 => Period(3_600_000),
            _ => Period(30 * 86_400_000),
        }
    }

    /// When the last of it has happened.
    #[must_use]
    pub fn length(&self) -> Duration {
        let ends = self
            .events
            .iter()
            .map(|timed| timed.at_ms + timed.event.lasts_ms());
        Duration::from_millis(ends.max().unwrap_or(0))
    }
}

impl LinePlan {
    fn draw(dice: &mut Dice) -> Self {
        let rate = dice.lognormal(400.0, 1.0).clamp(32.0, 8000.0);
        let often = |dice: &mut Dice, most: u64| match dice.chance(0.3) {
            true => dice.below(most + 1),
            false => 0,
        };
        Self {
            rate_kbit: rate as u64,
            delay_ms: 10 + dice.below(600),
            lost_permille: often(dice, 200),
            doubled_permille: often(dice, 50),
            late_permille: often(dice, 50),
            damaged_of_10_000: often(dice, 20),
            new_address_s: match often(dice, 600) {
                0 => 0,
                s => s.max(ADDRESS_S),
            },
        }
    }

    /// The line as a profile, with the times at which nothing passes.
    ///
    /// # Errors
    /// The plan is no sound one.
    pub fn profile(&self, outages: &[(f64, f64)]) -> Result<Profile, ProfileError> {
        let seconds = |ms: u64| ms as f64 / 1e3;
        let half = format!(
            "rate = {{ median_kbit = {0}, cap_kbit = {0} }}\nowd_ms = {1}\nloss = {2}\nqueue_bytes = {3}\n\
             duplicate = {4}\ncorrupt = {5}\nreorder = {{ share = {6}, by_ms = [20, 400] }}\n",
            self.rate_kbit.max(1),
            self.delay_ms,
            seconds(self.lost_permille),
            (self.rate_kbit * 125).max(16_000),
            seconds(self.doubled_permille),
            self.damaged_of_10_000 as f64 / 1e4,
            seconds(self.late_permille),
        );
        let nat = match self.new_address_s {
            0 => String::new(),
            s => format!("nat = {{ udp_idle_s = 60, rebind_port = true, new_ip_every_s = {s} }}\n"),
        };
        let outages: Vec<String> = outages
            .iter()
            .map(|(from, to)| format!("[{from}, {to}]"))
            .collect();
        let text = format!(
            "about = \"a drawn line\"\nmtu = 1400\nsignal = []\noutages = [{}]\n{nat}\n[up]\n{half}\n[down]\n{half}",
            outages.join(", ")
        );
        Profile::from_toml("plan", &text, None)
    }
}

impl Event {
    /// How long it lasts.
    #[must_use]
    pub const fn lasts_ms(&self) -> u64 {
        match *self {
            Self::Kill { off_ms, .. } | Self::Restore { off_ms } => off_ms,
            Self::KillAtCall { off_ms, .. } => off_ms + 2000,
            Self::KillAtSync {
                within_ms, off_ms, ..
            } => within_ms + off_ms,
            Self::DiskFull { for_ms, .. }
            | Self::ReadOnly { for_ms, .. }
            | Self::LineDown { for_ms, .. }
            | Self::Archive { for_ms, .. } => for_ms,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_drawn_the_same_again_and_survives_being_written_down() {
        for seed in 0..50 {
            let plan = Plan::draw(seed);
            assert_eq!(plan, Plan::draw(seed));
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
            for line in &plan.lines {
                line.profile(&[(1.5, 2.0)]).unwrap();
            }
        }
    }
}

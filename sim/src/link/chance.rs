//! The draws that each packet meets: loss, jitter, doubling, setting back, damage.

use std::time::Duration;

use crate::profile::Direction as Config;
use crate::profile::schema::{Jitter, Reorder};
use crate::profile::values::GilbertElliott;
use crate::seed::{Dice, Seed};
use crate::time::seconds;

/// A duplicate follows within this, s (A).
const COPY_AFTER_S: (f64, f64) = (0.001, 0.05);

/// The lag of a jitter's correlation, s (A).
const JITTER_LAG_S: f64 = 0.1;

/// Two-state loss, advanced once per packet.
#[derive(Debug)]
pub(super) struct Bursts {
    config: GilbertElliott,
    bad: bool,
    dice: Dice,
}

impl Bursts {
    pub(super) fn new(config: GilbertElliott, seed: Seed) -> Self {
        Self {
            config,
            bad: false,
            dice: seed.dice(),
        }
    }

    pub(super) fn loses(&mut self) -> bool {
        let (turn, lose) = (self.dice.uniform(), self.dice.uniform());
        self.bad = if self.bad {
            turn >= self.config.r
        } else {
            turn < self.config.p
        };
        lose < if self.bad {
            self.config.bad
        } else {
            self.config.good
        }
    }
}

/// A lognormal delay that wanders with time, not with packets: a fast link would else meet every
/// extreme within a second, and keeping order would make each one stick.
#[derive(Debug)]
struct Wander {
    config: Jitter,
    z: f64,
    at: Option<Duration>,
    dice: Dice,
}

impl Wander {
    fn step(&mut self, at: Duration) -> f64 {
        let elapsed = self
            .at
            .map_or(f64::INFINITY, |last| at.saturating_sub(last).as_secs_f64());
        let keep = self.config.corr.0.powf(elapsed / JITTER_LAG_S);
        self.z = keep * self.z + (1.0 - keep * keep).sqrt() * self.dice.normal();
        self.at = Some(at);
        self.config.median_ms.0 * (self.config.sigma.0 * self.z).exp()
    }
}

/// What chance does to the packets of one direction.
#[derive(Debug)]
pub(super) struct Chance {
    loss: f64,
    loss_dice: Dice,
    extra_dice: Dice,
    bursts: Option<Bursts>,
    jitter: Option<Wander>,
    steps: Seed,
    duplicate: (f64, Dice),
    reorder: Option<(Reorder, Dice)>,
    corrupt: (f64, Dice),
}

impl Chance {
    pub(super) fn new(config: &Config, seed: Seed) -> Self {
        Self {
            loss: config.loss,
            loss_dice: seed.child("loss").dice(),
            extra_dice: seed.child("extra loss").dice(),
            bursts: config.ge.map(|ge| Bursts::new(ge, seed.child("bursts"))),
            jitter: config.jitter.map(|config| Wander {
                config,
                z: 0.0,
                at: None,
                dice: seed.child("jitter").dice(),
            }),
            steps: seed.child("delay steps"),
            duplicate: (config.duplicate, seed.child("duplicate").dice()),
            reorder: config
                .reorder
                .map(|reorder| (reorder, seed.child("reorder").dice())),
            corrupt: (config.corrupt, seed.child("corrupt").dice()),
        }
    }

    /// Independent and bursty loss.
    pub(super) fn loses(&mut self) -> bool {
        let alone = self.loss > 0.0 && self.loss_dice.chance(self.loss);
        self.bursts.as_mut().is_some_and(Bursts::loses) || alone
    }

    /// Loss that something outside the profile adds.
    pub(super) fn also_loses(&mut self, loss: f64) -> bool {
        self.extra_dice.chance(loss)
    }

    /// Delay on top of the one-way delay, s; below zero where a level lies below.
    pub(super) fn jitter(&mut self, at: Duration) -> f64 {
        let Some(wander) = &mut self.jitter else {
            return 0.0;
        };
        let delay_ms = wander.step(at);
        let jitter = wander.config;
        let level = jitter
            .step_every_s
            .zip(jitter.step_ms)
            .map_or(0.0, |(every, bounds)| {
                let number = (at.as_secs_f64() / every.0) as u64;
                self.steps.nth(number).dice().between(bounds.0, bounds.1)
            });
        (delay_ms + level) / 1e3
    }

    /// How far the packet is set back behind others, if it is.
    pub(super) fn set_back(&mut self) -> Option<Duration> {
        let (reorder, dice) = self.reorder.as_mut()?;
        let hit = dice.chance(reorder.share.0);
        let by = dice.between(reorder.by_ms.0, reorder.by_ms.1);
        hit.then(|| seconds(by / 1e3))
    }

    /// How long after the packet its copy comes, if one does.
    pub(super) fn copy_after(&mut self) -> Option<Duration> {
        let (share, dice) = &mut self.duplicate;
        let hit = *share > 0.0 && dice.chance(*share);
        hit.then(|| seconds(dice.between(COPY_AFTER_S.0, COPY_AFTER_S.1)))
    }

    /// The bit to turn, if one is.
    pub(super) fn damage(&mut self) -> Option<u64> {
        let (share, dice) = &mut self.corrupt;
        let hit = *share > 0.0 && dice.chance(*share);
        hit.then(|| dice.bits())
    }
}

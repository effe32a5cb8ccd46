//! The table of the link engine's figures: each row is a line of `karez-sim bench` and the bounds
//! that its figures must keep.

mod rows;

use std::fmt;
use std::io;

use super::plan::Plan;
use super::report::{Report, mean};

pub use rows::{ROWS, Row};

/// A figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Payload by capacity.
    Share,
    /// The lowest of any seed.
    WorstShare,
    /// The queue's 95th percentile, seconds.
    Queue,
    /// IP bytes up per payload byte.
    UpPerPayload,
    /// IP bytes down per IP byte up.
    DownPerUp,
    /// From link-up to data, 95th percentile, seconds.
    Resume,
    /// STAT frames on their way, 95th percentile, seconds.
    Stat,
    /// IP bytes that one outage swallowed.
    Waste,
    /// IP bytes a minute on dead air.
    DeadAir,
    /// What another flow got, by capacity.
    Rival,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
}

/// A figure, what it must be, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Which.
    pub figure: Figure,
    /// The target.
    pub bound: Bound,
    /// What was measured.
    pub measured: f64,
}

impl Row {
    /// Runs every seed and judges the mean.
    ///
    /// # Errors
    /// When the row's options do not hold, or no runtime is to be had.
    pub fn run(&self) -> io::Result<Vec<Verdict>> {
        let plan = Plan::parse(self.options).map_err(io::Error::other)?;
        let bench = plan.bench().map_err(io::Error::other)?;
        let runs: Vec<Report> = plan
            .seeds
            .all()
            .map(|seed| {
                super::Bench {
                    seed,
                    ..bench.clone()
                }
                .run()
            })
            .collect::<io::Result<_>>()?;
        let judge = |(figure, bound): &(Figure, Bound)| Verdict {
            figure: *figure,
            bound: *bound,
            measured: figure.of(&runs),
        };
        Ok(self.bounds.iter().map(judge).collect())
    }
}

impl Verdict {
    /// Whether the target is met.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::Least(least) => self.measured >= least,
            Bound::Most(most) => self.measured <= most,
        }
    }
}

impl Figure {
    fn of(self, runs: &[Report]) -> f64 {
        let all = mean(runs);
        match self {
            Self::Share => all.goodput_share,
            Self::WorstShare => runs.iter().map(|r| r.goodput_share).fold(1.0, f64::min),
            Self::Queue => all.queue_s.p95,
            Self::UpPerPayload => all.up_per_payload(),
            Self::DownPerUp => all.down_per_up(),
            Self::Resume => all.resume_idle_s.p95,
            Self::Stat => all.stat_s.p95,
            Self::Waste => all.outages.wasted_bytes,
            Self::DeadAir => all.outages.dead_air_bytes_per_min,
            Self::Rival => all.rival_share,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::WorstShare => "worst share",
            Self::Queue => "queue p95 s",
            Self::UpPerPayload => "up/payload",
            Self::DownPerUp => "down/up",
            Self::Resume => "resume p95 s",
            Self::Stat => "STAT p95 s",
            Self::Waste => "waste B",
            Self::DeadAir => "B/min",
            Self::Rival => "other's share",
        }
    }

    fn shown(self, value: f64) -> String {
        match self {
            Self::Waste | Self::DeadAir => format!("{value:.0}"),
            _ => format!("{value:.3}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, target) = match self.bound {
            Bound::Least(least) => (">=", least),
            Bound::Most(most) => ("<=", most),
        };
        let figure = self.figure;
        let (measured, target) = (figure.shown(self.measured), figure.shown(target));
        let miss = if self.holds() { "" } else { " **missed**" };
        write!(f, "{} {measured} ({sign} {target}){miss}", figure.name())
    }
}

#[cfg(test)]
mod tests;

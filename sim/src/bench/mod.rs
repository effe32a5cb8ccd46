//! What the link engine gets out of a link: one clinic and one hub, opaque chunks, virtual time.
//!
//! The connection, its pacing, its kicks and its redialling are the shipped ones of `karez-quic`;
//! only the sessions are plain: a pump of 32 KiB chunks and a tank that counts them.

pub mod crowd;
pub mod plan;
mod plug;
mod report;
pub mod table;
mod tasks;
mod traffic;
mod world;

use std::io;
use std::time::Duration;

use karez_quic::{LinkConfig, Remembered};

use crate::profile::Profile;

pub use report::{Latency, Outages, Queue, Report, mean};

/// One run.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The link.
    pub profile: Profile,
    /// Draws everything.
    pub seed: u64,
    /// How both ends use the link.
    pub config: LinkConfig,
    /// What is measured.
    pub span: Span,
    /// A STAT frame of 1 kB this often beside the backlog.
    pub stat_every: Option<Duration>,
    /// What the clinic knows of the link from an earlier day.
    pub remembered: Option<Remembered>,
    /// Another clinic's backlog on the same link, under these settings.
    pub rival: Option<LinkConfig>,
    /// The hub loses power so often, for so long.
    pub hub_cuts: Option<(Duration, Duration)>,
}

/// When measuring begins and ends.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    /// From the first packet until so many payload bytes are at the hub, at most so long.
    Bytes {
        /// The bytes.
        bytes: u64,
        /// Most simulated time.
        within: Duration,
    },
    /// A backlog without end, looked at for a while.
    Window {
        /// Not measured.
        warm: Duration,
        /// Measured.
        length: Duration,
    },
}

impl Span {
    /// Simulated time after which it is over in any case.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        match *self {
            Self::Bytes { within, .. } => within,
            Self::Window { warm, length } => warm + length,
        }
    }
}

impl Bench {
    /// Runs it on a runtime of its own with a paused clock.
    ///
    /// # Errors
    /// When the operating system gives no runtime.
    pub fn run(&self) -> io::Result<Report> {
        let began = std::time::Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        let mut report = runtime.block_on(world::run(self))?;
        report.wall_s = began.elapsed().as_secs_f64();
        Ok(report)
    }
}

//! The pictures of a report, one module each.

mod delivered;
mod latency;
mod ribbon;
mod studies;
mod traffic;

use plotters::prelude::DrawingBackend;

use super::ReportError;
use super::draw::Sheet;
use super::view::Clock;
use crate::run::Outcome;

/// Columns that a curve or a ribbon is drawn with at most.
const COLUMNS: usize = 900;

/// The pictures, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panel {
    /// When line and power were there.
    Ribbon,
    /// Rate and queue.
    Traffic,
    /// Bytes made and bytes at the archive.
    Delivered,
    /// A bar for each study.
    Studies,
    /// How long studies took.
    Latency,
}

impl Panel {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Ribbon,
        Self::Traffic,
        Self::Delivered,
        Self::Studies,
        Self::Latency,
    ];

    /// What the picture shows, in one sentence.
    pub(super) const fn caption(self) -> &'static str {
        match self {
            Self::Ribbon => {
                "When a site's line carried packets and its sender box had power; the paler, the less of that time."
            }
            Self::Traffic => {
                "IP bits per second that arrived at the hub, and the wait in the queue that 95 % of the packets stayed below."
            }
            Self::Delivered => "Bytes of the studies made so far, and of those at the archive.",
            Self::Studies => {
                "A bar for each study, from its arrival at the clinic to the archive; one that fades at the right edge is still on its way."
            }
            Self::Latency => {
                "The share of studies that were at the archive within a time; a curve that ends below 100 % has studies still waiting."
            }
        }
    }

    /// Its height in pixels of a page.
    pub(super) fn height(self, outcome: &Outcome) -> u32 {
        let sites = u32::try_from(outcome.timeline.sites.len().clamp(1, 64)).unwrap_or(1);
        let studies = u32::try_from(outcome.timeline.studies.len()).unwrap_or(u32::MAX);
        match self {
            Self::Ribbon => 76 + 40 * sites,
            Self::Traffic => 30 + 150 * sites,
            Self::Delivered => 260,
            Self::Studies => 90 + studies.saturating_mul(5).clamp(120, 640),
            Self::Latency => 300,
        }
    }

    /// Draws it.
    pub(super) fn draw<DB: DrawingBackend>(
        self,
        sheet: &Sheet<DB>,
        outcome: &Outcome,
    ) -> Result<(), ReportError> {
        let clock = Clock::of(outcome.simulated_s);
        let timeline = &outcome.timeline;
        match self {
            Self::Ribbon => ribbon::draw(sheet, timeline, clock),
            Self::Traffic => traffic::draw(sheet, timeline, clock),
            Self::Delivered => delivered::draw(sheet, timeline, clock),
            Self::Studies => studies::draw(sheet, timeline, clock),
            Self::Latency => latency::draw(sheet, timeline),
        }
    }
}

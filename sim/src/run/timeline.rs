//! What happened in a run, for reports: written beside the figures, read by `report`.

use serde::Serialize;

/// Everything that a picture of a run needs. Times are seconds since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// How far the samples are apart, s.
    pub grain_s: f64,
    /// The sites, in the scenario's order.
    pub sites: Vec<SiteTimeline>,
    /// Every study that was due, in the order of arrival, site by site.
    pub studies: Vec<StudyTimeline>,
}

/// One site.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SiteTimeline {
    /// Its name.
    pub name: String,
    /// Its profile.
    pub profile: String,
    /// Rupees for what was on the air, by its profile's bundle; null when unmetered.
    pub rupees: Option<f64>,
    /// From, to: some line is up and the box runs.
    pub up: Vec<(f64, f64)>,
    /// From, to: the sender box has power.
    pub power: Vec<(f64, f64)>,
    /// From, to: an order keeps the first line dark.
    pub ordered_off: Vec<(f64, f64)>,
    /// One for each grain.
    pub samples: Vec<Sample>,
    /// IP bytes sent towards the hub.
    pub wire_bytes_up: u64,
    /// IP bytes sent towards the clinic.
    pub wire_bytes_down: u64,
    /// Bytes of instances that the archive has.
    pub stored_bytes: u64,
    /// What the link could have carried up while up, after loss.
    pub capacity_bytes: u64,
    /// Seconds in which the link was up.
    pub link_up_s: f64,
    /// Hard kills.
    pub kills: u64,
}

/// How a site stood at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// When.
    pub at_s: f64,
    /// IP bytes that the clinic has sent since the start.
    pub sent_bytes: u64,
    /// Of these, arrived at the hub.
    pub delivered_bytes: u64,
    /// IP bytes that have arrived at the clinic since the start.
    pub delivered_bytes_down: u64,
    /// The rate at which IP bytes arrived at the hub since the sample before, bit/s.
    pub rate_bits_per_s: f64,
    /// 95 % of the packets since the sample before waited less in the queue, s; 0 when none was
    /// sent.
    pub queue_p95_s: f64,
    /// Bytes of instances accepted at the clinic and not yet at the archive.
    pub backlog_bytes: u64,
    /// Bytes of instances that the archive has, since the start.
    pub stored_bytes: u64,
}

/// One study. Null: not yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StudyTimeline {
    /// The index of its site.
    pub site: usize,
    /// `stat`, `urgent`, `routine` or `bulk`.
    pub class: &'static str,
    /// The modality's key, or the folder's number.
    pub modality: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its instances.
    pub instances: u64,
    /// It was complete at the modality.
    pub arrived_s: f64,
    /// The sender has accepted all of it.
    pub accepted_s: Option<f64>,
    /// The sender knows that all of it is at the hub; to the grain.
    pub received_s: Option<f64>,
    /// The sender has the hub's receipts that all of it is as it was; to the grain.
    pub verified_s: Option<f64>,
    /// The archive has all of it; exact.
    pub stored_s: Option<f64>,
    /// Of the time from `arrived_s` to `stored_s`, that in which the link was up.
    pub stored_link_up_s: Option<f64>,
}

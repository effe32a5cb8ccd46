//! What people and scripts are shown. The names of its fields are a contract: added to, never
//! changed. No patient data is in it.

use serde::{Deserialize, Serialize};

use karez_protocol::priority::Class;

/// How things stand at the clinic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The hub and the link to it.
    pub hub: HubStatus,
    /// What lies on the disk.
    pub spool: SpoolStatus,
    /// Every study with anything here, the most urgent first.
    pub studies: Vec<StudyStatus>,
    /// What needs a person.
    pub parked: Vec<Parked>,
    /// Sums since the clinic was set up.
    pub totals: Totals,
    /// What the link may cost, and has cost.
    pub budget: BudgetStatus,
    /// The port that scanners send to.
    pub scanner_port: PortStatus,
    /// The scanners that have called since the start.
    pub scanners: Vec<ScannerStatus>,
    /// Requests of scanners for storage commitment that are not yet answered.
    pub commitments: u64,
    /// The folders that are watched.
    pub watch: Vec<WatchStatus>,
}

/// What the link may cost, and has cost: IP bytes, both ways together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// Whether sending is paused by command.
    pub paused: bool,
    /// Why nothing but STAT is sent; empty when everything is.
    pub holds: String,
    /// Of this hour.
    pub hour: Spent,
    /// Of this day.
    pub day: Spent,
    /// Of this month.
    pub month: Spent,
}

/// What is spent of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// IP bytes.
    pub bytes: u64,
    /// IP bytes allowed; null for any.
    pub limit_bytes: Option<u64>,
}

/// The port that scanners send to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// Address and port; empty when there is none.
    pub listen: String,
    /// Why there is none; empty when that is wanted or all is well.
    pub problem: String,
}

/// A scanner that has called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScannerStatus {
    /// What it calls itself.
    pub title: String,
    /// Where it called from.
    pub address: String,
    /// Whether it may send.
    pub allowed: bool,
    /// Images taken since the start.
    pub images: u64,
    /// Images refused since the start.
    pub refused: u64,
    /// Seconds since it called last.
    pub last_s: u64,
    /// What it needs, or what went wrong last; empty when all is well.
    pub problem: String,
}

/// A folder that is watched. Its files are counted, never named: names are patients' (FIELD T30).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// The folder, as it is configured.
    pub folder: String,
    /// Files taken since the start.
    pub taken: u64,
    /// Of these, files that end too early.
    pub not_whole: u64,
    /// Files that still grow, or were just written.
    pub waiting: u64,
    /// Files without a byte.
    pub empty: u64,
    /// Files that are not DICOM at all.
    pub not_dicom: u64,
    /// Files named as unfinished or hidden ones are, and links.
    pub unfinished: u64,
    /// Files taken that could not be moved or deleted.
    pub not_put_away: u64,
    /// Why the folder cannot be used, or a file of it not be taken; empty when all is well.
    pub problem: String,
}

/// The hub and the link to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubStatus {
    /// Whether the hub answers.
    pub connected: bool,
    /// Seconds since it was last heard; null if never by this process.
    pub last_contact_s: Option<u64>,
    /// Measured when there was last something to send.
    pub rate_bits_per_s: u64,
    /// The round trip, smoothed.
    pub rtt_ms: u64,
    /// What the hub calls this clinic; empty before it has joined.
    pub name: String,
    /// Why there is no connection, or why the hub takes nothing; empty when all is well.
    pub problem: String,
}

/// What lies on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// Bytes of packs and journals.
    pub bytes: u64,
    /// Bytes free on the disk.
    pub free_bytes: u64,
    /// Bytes accepted and not yet sealed to the hub.
    pub unsealed_bytes: u64,
    /// Seconds since the oldest of these was accepted.
    pub unsealed_oldest_s: u64,
    /// Days until only STAT is accepted, at the rate of the last seven days and if nothing more
    /// leaves; null when nothing has come in.
    pub days_left: Option<u64>,
    /// Entries that the spool's own reading has found bad since the start.
    pub scrub_bad: u64,
    /// Why the disk does not take more; empty when it does.
    pub problem: String,
}

/// One study.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyStatus {
    /// Its short name: a keyed hash.
    pub study: String,
    /// Its class.
    pub priority: Class,
    /// Its instances here.
    pub instances: u64,
    /// Bytes as they came in.
    pub bytes_original: u64,
    /// Bytes as they are sent.
    pub bytes_sealed: u64,
    /// Of these, at the hub.
    pub bytes_received: u64,
    /// The lowest receipt over its instances that are not parked: `none`, `verified`, `stored` or
    /// `committed`.
    pub receipt: String,
    /// Instances that need a person.
    pub parked: u64,
    /// Instances that end too early or make no sense. They are sent as they are.
    pub not_whole: u64,
    /// Seconds until all of it is at the hub, by the rate measured last; null when unknown.
    pub eta_s: Option<u64>,
    /// Seconds since it was first met.
    pub age_s: u64,
    /// Whether it was withdrawn.
    pub withdrawn: bool,
    /// What it is, as `CT`; empty when unknown.
    pub modality: String,
    /// What the scanner calls itself; empty for what came as a file.
    pub scanner: String,
    /// When it was first met: seconds since 1970 by a clock that may be wrong.
    pub since: i64,
}

/// Something that needs a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// What.
    pub item: String,
    /// Why.
    pub reason: String,
    /// Whose task it is.
    pub owner: String,
    /// What can be done.
    pub actions: Vec<String>,
}

/// Sums since the clinic was set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// IP bytes sent.
    pub wire_bytes_up: u64,
    /// IP bytes received.
    pub wire_bytes_down: u64,
    /// Bytes of sealed chunks that arrived, each chunk once.
    pub payload_bytes: u64,
    /// Bytes of chunks that the hub already had when they were sent, as far as it has said so.
    pub resent_bytes: u64,
}

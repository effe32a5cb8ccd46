//! The layers that a profile file can set, each a table or a word.

use serde::Deserialize;

use crate::profile::values::{
    Amount, GilbertElliott, Hour, Positive, Range, Share, Sigma, SpanList,
};
use crate::time::When;

/// rate = min(cap, median × diurnal(hour) × exp(slow + fast)), two AR(1) terms; then the nearest
/// step of `quantise_kbit`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Median, kbit/s.
    pub median_kbit: Positive,
    /// Never above this, kbit/s.
    pub cap_kbit: Option<Positive>,
    /// Sigma of the slow term's logarithm.
    #[serde(default)]
    pub sigma_slow: Sigma,
    /// Its correlation time, s.
    #[serde(default = "minute")]
    pub tau_slow_s: Positive,
    /// Sigma of the fast term's logarithm.
    #[serde(default)]
    pub sigma_fast: Sigma,
    /// Its correlation time, s.
    #[serde(default = "second")]
    pub tau_fast_s: Positive,
    /// How the day bends the median.
    #[serde(default)]
    pub diurnal: Diurnal,
    /// Rates the radio can take, kbit/s.
    #[serde(default)]
    pub quantise_kbit: Vec<Amount>,
    /// The process jumps to a fresh state this often, s (satellite reconfiguration).
    pub step_every_s: Option<Positive>,
}

fn minute() -> Positive {
    Positive(60.0)
}

fn second() -> Positive {
    Positive(1.0)
}

/// The day's shape of a rate.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Diurnal {
    /// The same all day.
    #[default]
    Flat,
    /// 1.2 at night, 0.45 at 19 h (A).
    Busy,
}

/// Lognormal delay on top of the one-way delay; order is kept.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// Median, ms.
    pub median_ms: Amount,
    /// Sigma of its logarithm.
    pub sigma: Sigma,
    /// Correlation over a tenth of a second.
    #[serde(default)]
    pub corr: Share,
    /// The delay takes a new level this often, s.
    pub step_every_s: Option<Positive>,
    /// Bounds of that level, ms.
    pub step_ms: Option<Range>,
}

/// Packets set back behind others.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// Share of packets.
    pub share: Share,
    /// By how much, ms.
    pub by_ms: Range,
}

/// A one-way outage of `for_s` every `every_s`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// Period, s.
    pub every_s: Positive,
    /// Length, s.
    pub for_s: Positive,
}

/// The first packet after `after_s` of silence waits `add_ms`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct IdlePromotion {
    /// Silence, s.
    pub after_s: Positive,
    /// Wait, ms.
    pub add_ms: Amount,
}

/// Renewal process: Weibull up times, lognormal down times.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// Scale of the up time, s.
    pub up_scale_s: Positive,
    /// Shape of the up time.
    pub up_k: Positive,
    /// Median down time, s.
    pub down_median_s: Positive,
    /// Sigma of its logarithm.
    pub down_sigma: Sigma,
}

/// As [`Flap`], in hours.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Backhaul {
    /// Scale of the up time, h.
    pub up_scale_h: Positive,
    /// Shape of the up time.
    pub up_k: Positive,
    /// Median down time, h.
    pub down_median_h: Positive,
    /// Sigma of its logarithm.
    pub down_sigma: Sigma,
}

/// A load-shedding calendar.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Grid {
    /// Never off; no trips, no blackouts (a laboratory).
    #[default]
    Perfect,
    /// No scheduled cuts; trips and blackouts remain.
    Exempt,
    /// 5 h off a day.
    Urban,
    /// 13 h off a day.
    Dhq,
    /// 6 h of supply a day.
    Rural,
    /// 7 h off a day.
    Makran,
    /// 4 h of supply a day.
    #[serde(rename = "village_20h")]
    Village20h,
}

/// Tower power behind the grid.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Tower {
    /// Median battery life, h; drawn once per tower, 0.25 to 6 h, 8 h to recharge.
    pub battery_h_median: Positive,
    /// Sigma of its logarithm.
    pub battery_sigma: Sigma,
    /// Probability that the tower has a generator.
    pub gen_p: Share,
    /// Hours a full tank lasts.
    pub gen_fuel_h: Positive,
    /// Hour of the daily refuelling.
    pub refuel_h: Hour,
    /// Probability that it happens.
    pub refuel_p: Share,
}

/// What feeds the sender box, and what else befalls it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct BoxPower {
    /// The supply.
    pub power: Supply,
    /// Hard kills at random intervals between these bounds, minutes.
    pub kill_every_min: Option<Range>,
    /// Hard kills at set moments.
    pub kills: Vec<When>,
    /// The clock after each boot.
    pub clock: Clock,
    /// Hours of the day, `[from, to]`, in which the disk is nearly full.
    pub disk_full_h: Option<Range>,
}

/// The supply of the sender box.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Supply {
    /// Never off.
    #[default]
    Always,
    /// Grid, then a UPS of 10 minutes.
    Gridups,
    /// As `gridups`, with a generator from 08 to 14 h that the UPS fails to bridge 3 times in 10.
    #[serde(rename = "gen_day")]
    GenDay,
    /// Panels from 07:30 to 17:00, a battery of 4 h, the grid besides.
    Solar,
}

/// What the box's clock says after a boot.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The truth.
    #[default]
    Right,
    /// Up to 30 days late, or 1970 (no clock battery).
    Lost,
    /// Up to 30 days late or early.
    Jumps,
}

/// A layer that orders may hit, by medium.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Mobile data.
    #[default]
    Mobile,
    /// Telephone line.
    Dsl,
    /// Satellite: no order reaches it.
    Satellite,
}

/// Orders that belong to the place itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Order {
    /// Off by list.
    pub off: Option<SpanList>,
    /// Hours of the day with service; off outside.
    pub only_h: Option<Range>,
    /// Suspensions a month, drawn (Weibull length, G1-G16).
    pub suspensions_per_month: Amount,
}

/// Up for `up_s`, down for `down_s`, again and again.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Cycle {
    /// Up, s.
    pub up_s: Positive,
    /// Down, s.
    pub down_s: Positive,
}

/// Everything lost for `for_s` at the end of every `every_s`; the air time is used all the same.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fade {
    /// Length, s.
    pub for_s: Positive,
    /// Period, s.
    pub every_s: Positive,
}

/// A time when the link is worse.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Degrade {
    /// From this moment.
    pub from: When,
    /// To this moment.
    pub to: When,
    /// Only in these hours of the day.
    pub only_h: Option<Range>,
    /// The rate times this.
    #[serde(default = "unchanged")]
    pub rate_factor: Share,
    /// Delay added to each direction, ms.
    #[serde(default)]
    pub owd_ms: Amount,
    /// Loss added.
    #[serde(default)]
    pub loss: Share,
    /// Bursty loss added.
    pub ge: Option<GilbertElliott>,
}

fn unchanged() -> Share {
    Share(1.0)
}

/// Coming back is slow: nothing passes for `wait_s`, then the first `fail_first` connection
/// attempts are swallowed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// Wait, s.
    pub wait_s: Amount,
    /// Attempts swallowed after each return.
    #[serde(default)]
    pub fail_first: u32,
}

/// Address translation between site and hub.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// A UDP mapping dies after this much outbound silence, s.
    pub udp_idle_s: Positive,
    /// A dead mapping comes back under a new port.
    #[serde(default)]
    pub rebind_port: bool,
    /// Probability of a new address after an outage of at least half a minute.
    #[serde(default)]
    pub new_ip_on_reattach: Share,
    /// Every mapping gets a new port this often, s.
    pub rebind_every_s: Option<Positive>,
    /// The site gets a new address this often, s.
    pub new_ip_every_s: Option<Positive>,
}

/// Shares of what the path does to a UDP flow, drawn per flow and address; the rest is open.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct UdpMix {
    /// Dropped from the first packet.
    pub block: Share,
    /// Dropped after `drop_after_packets`.
    pub drop_after: Share,
    /// How many packets pass first.
    pub drop_after_packets: u32,
    /// Policed to `police_kbit`.
    pub police: Share,
    /// Token rate, kbit/s.
    pub police_kbit: Amount,
    /// Token bucket, bytes.
    pub police_burst_bytes: Amount,
}

/// A data bundle and its price in rupees.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Volume a month, GB, the night volume counted in.
    pub month_gb: Positive,
    /// The part of it that only the night hours may use, GB.
    #[serde(default)]
    pub night_gb: Amount,
    /// The night hours, `[from, to]`.
    pub night_h: Option<Range>,
    /// Price of the month.
    pub pkr: Amount,
    /// Price of each MB beyond; left out: slow instead.
    pub over_pkr_mb: Option<Amount>,
    /// Rate beyond, kbit/s.
    pub after_cap_kbit: Option<Positive>,
}

/// A second line of the same site: same grid and orders, a backhaul and radio of its own.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Second {
    /// Its profile, by built-in name.
    pub profile: String,
    /// The router changes over after this much silence, s.
    pub switch_after_s: u32,
}

/// A layer that can be left out or seen.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Grid (drives tower and box).
    Grid,
    /// Tower power.
    Tower,
    /// Backhaul.
    Backhaul,
    /// Orders.
    Order,
    /// Box power.
    Box,
    /// Radio flaps.
    Flap,
    /// Address translation.
    Nat,
    /// UDP treatment.
    Udp,
    /// The idle wait.
    IdlePromotion,
    /// Listed outages.
    Outages,
    /// The fixed cycle.
    Cycle,
}

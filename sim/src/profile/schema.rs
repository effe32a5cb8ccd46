//! The keys of a profile file. Every key is optional: what is left out comes from `base`, or is
//! a perfect layer. A table such as `flap = {...}` replaces the base's whole; keys under `[up]`
//! and `[down]` replace one by one. Unknown keys are refused.

use serde::Deserialize;

use super::values::{Amount, GilbertElliott, RateTrace, Share, Source, SpanList};

mod layers;

pub use layers::*;

/// A profile as its file holds it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileFile {
    /// Another profile, by built-in name, that supplies every key left out here.
    pub base: Option<String>,
    /// One line for people.
    pub about: Option<String>,
    /// The facts it rests on (`C1`, `G10`); `A` for assumptions.
    pub rests_on: Option<Vec<String>>,
    /// Layers of the base to leave out.
    pub without: Vec<Layer>,
    /// What kind of line: which orders hit it.
    pub medium: Option<Medium>,
    /// Largest IP packet, bytes; larger ones vanish without an ICMP message.
    pub mtu: Option<u16>,
    /// Site to hub.
    pub up: DirectionFile,
    /// Hub to site.
    pub down: DirectionFile,
    /// The wait before the first packet after silence.
    pub idle_promotion: Option<IdlePromotion>,
    /// Seconds-scale radio outages.
    pub flap: Option<Flap>,
    /// Hours-scale outages of the way from tower to exchange.
    pub backhaul: Option<Backhaul>,
    /// The electricity calendar.
    pub grid: Option<Grid>,
    /// Battery and generator of the tower; left out: it never lacks power.
    pub tower: Option<Tower>,
    /// The modem hangs on the sender box: no box power, no link.
    pub modem_on_box: Option<bool>,
    /// What feeds the sender box.
    #[serde(rename = "box")]
    pub power: Option<BoxPower>,
    /// Government orders that belong to the place.
    pub order: Option<Order>,
    /// Outages by list: `[[from, to], ...]` or a file of two columns of seconds.
    pub outages: Option<Source<SpanList>>,
    /// A fixed up/down cycle.
    pub cycle: Option<Cycle>,
    /// Everything lost for a while, air time still used.
    pub fade: Option<Fade>,
    /// Times when the link is worse than its profile.
    pub degrade: Option<Vec<Degrade>>,
    /// How long after power or order comes back, and how unwillingly, the network lets one in.
    pub attach: Option<Attach>,
    /// Address translation.
    pub nat: Option<Nat>,
    /// What the path does to UDP; left out: nothing.
    pub udp: Option<UdpMix>,
    /// The price. Left out: unmetered.
    pub bundle: Option<Bundle>,
    /// The layers whose return the sender's machine can see as a link-up event.
    pub signal: Option<Vec<Layer>>,
    /// A second line of the same site.
    pub second: Option<Second>,
}

/// One direction as its file holds it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectionFile {
    /// The rate process.
    pub rate: Option<Rate>,
    /// The rate by list instead, `[[seconds, kbit/s], ...]` or a file of two columns.
    pub rate_trace: Option<Source<RateTrace>>,
    /// One-way delay without queue or jitter, ms.
    pub owd_ms: Option<Amount>,
    /// Delay on top.
    pub jitter: Option<Jitter>,
    /// Independent loss per packet.
    pub loss: Option<Share>,
    /// Bursty loss: `[p, r, loss in bad, loss in good]` or a file of those four numbers.
    pub ge: Option<Source<GilbertElliott>>,
    /// Bytes the drop-tail queue holds.
    pub queue_bytes: Option<u32>,
    /// Share of packets that arrive twice.
    pub duplicate: Option<Share>,
    /// Share of packets that arrive with one bit turned.
    pub corrupt: Option<Share>,
    /// Packets that overtake others.
    pub reorder: Option<Reorder>,
    /// Regular one-way outages.
    pub hole: Option<Hole>,
}

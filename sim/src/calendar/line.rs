//! One line of a site: its layers put together, and two lines sharing a router.

use std::time::Duration;

use super::spans::daily;
use super::{Place, Spans, order, renewal, tower};
use crate::profile::schema::{Backhaul, Cycle, Degrade, Flap, Layer};
use crate::profile::values::GilbertElliott;
use crate::profile::{EventKind, Profile};
use crate::time::{HOUR, seconds};

/// A radio gap shorter than this raises no link event on the site's machine (A).
const SEEN: Duration = Duration::from_secs(5);

/// Everything about one line that depends on time alone.
#[derive(Clone, Debug, PartialEq)]
pub struct LineCalendar {
    /// Tower power.
    pub tower: Spans,
    /// Backhaul.
    pub backhaul: Spans,
    /// Not suspended.
    pub order: Spans,
    /// Radio.
    pub flap: Spans,
    /// All but radio, listed outages and box: what reports call "the link".
    pub link: Spans,
    /// The link without listed outages, from the end of each wait for attachment.
    pub attached: Spans,
    /// Every layer is up, the box runs, and the router uses this line.
    pub carries: Spans,
    /// What the site's machine can see of it; each start is a link-up event.
    pub visible: Spans,
    /// Times when it is worse than its profile.
    pub dimmed: Vec<Dimmed>,
}

/// A time when a line is worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimmed {
    /// When.
    pub when: Spans,
    /// The rate times this.
    pub rate_factor: f64,
    /// Delay added each way.
    pub owd: Duration,
    /// Loss added.
    pub loss: f64,
    /// Bursty loss added.
    pub ge: Option<GilbertElliott>,
}

impl LineCalendar {
    pub(super) fn draw(
        profile: &Profile,
        grid: &Spans,
        box_on: &Spans,
        place: &Place<'_>,
        line: u64,
    ) -> Self {
        let drawn = Layers {
            grid,
            box_on,
            tower: drawn(&profile.tower, |t| tower::power(t, grid, place, line)),
            backhaul: drawn(&profile.backhaul, |b| backhaul(b, place, line)),
            order: order::off(profile, place, line).not(),
            outages: profile.outages.not(),
            cycle: drawn(&profile.cycle, |c| cycle(c, place)),
            flap: drawn(&profile.flap, |f| flap(f, place, line)),
        };
        let mut link = drawn.tower.and(&drawn.backhaul).and(&drawn.order);
        if profile.modem_on_box {
            link = link.and(box_on);
        }
        let wait = profile.attach.map_or(0.0, |attach| attach.wait_s.0);
        let attached = link.and(&drawn.outages).delayed(seconds(wait));
        Self {
            carries: attached.and(&drawn.flap).and(&drawn.cycle).and(box_on),
            visible: drawn.visible(&profile.signal),
            dimmed: dimmed(profile, place),
            tower: drawn.tower,
            backhaul: drawn.backhaul,
            order: drawn.order,
            flap: drawn.flap,
            link,
            attached,
        }
    }
}

fn drawn<T>(config: &Option<T>, draw: impl FnOnce(&T) -> Spans) -> Spans {
    config.as_ref().map_or_else(Spans::always, draw)
}

/// The layers of one line, before they are put together.
struct Layers<'a> {
    grid: &'a Spans,
    box_on: &'a Spans,
    tower: Spans,
    backhaul: Spans,
    order: Spans,
    outages: Spans,
    cycle: Spans,
    flap: Spans,
}

impl Layers<'_> {
    /// What the site's machine sees: all the layers named, as far as it is awake.
    fn visible(&self, signal: &[Layer]) -> Spans {
        if signal.is_empty() {
            return Spans::none();
        }
        signal
            .iter()
            .fold(self.box_on.clone(), |seen, layer| match layer {
                Layer::Grid => seen.and(self.grid),
                Layer::Tower => seen.and(&self.tower),
                Layer::Backhaul => seen.and(&self.backhaul),
                Layer::Order => seen.and(&self.order),
                Layer::Flap => seen.and(&self.flap.not().longer_than(SEEN).not()),
                Layer::Outages => seen.and(&self.outages),
                Layer::Cycle => seen.and(&self.cycle),
                Layer::Box | Layer::Nat | Layer::Udp | Layer::IdlePromotion => seen,
            })
    }
}

/// Gives each moment to one of two lines: the router leaves a line after `patience` of silence,
/// when the other is up.
pub(super) fn share(lines: &mut [LineCalendar], patience: Duration, end: Duration) {
    let [first, second] = lines else { return };
    let both = [&first.carries, &second.carries];
    let mut used = [Vec::new(), Vec::new()];
    let (mut active, mut at) = (0, Duration::ZERO);
    while at < end {
        let change = leaves(both[active], both[1 - active], at, patience)
            .map_or(Duration::MAX, |t| t.min(end));
        let until = if change >= end { Duration::MAX } else { change };
        used[active].push((at, until));
        (active, at) = (1 - active, until);
    }
    let [first_used, second_used] = used.map(Spans::of);
    first.carries = first.carries.and(&first_used);
    second.carries = second.carries.and(&second_used);
    first.visible = first.visible.and(&first_used);
    second.visible = second.visible.and(&second_used);
}

/// The first moment from `at` on when `own` has been silent for `patience` and `other` is up.
fn leaves(own: &Spans, other: &Spans, at: Duration, patience: Duration) -> Option<Duration> {
    let silences = own.not().within(at, Duration::MAX).longer_than(patience);
    silences.as_slice().iter().find_map(|(from, to)| {
        other
            .within(from.saturating_add(patience), *to)
            .as_slice()
            .first()
            .map(|span| span.0)
    })
}

fn backhaul(b: &Backhaul, place: &Place<'_>, line: u64) -> Spans {
    let mut dice = place
        .shared("backhaul")
        .nth(line)
        .nth(u64::from(place.operator))
        .dice();
    let hour = HOUR.as_secs_f64();
    let up = renewal(
        &mut dice,
        place.horizon,
        |d| d.weibull(b.up_scale_h.0 * hour, b.up_k.0),
        |d| d.lognormal(b.down_median_h.0 * hour, b.down_sigma.0),
    );
    place.open_ended(&up)
}

fn flap(f: &Flap, place: &Place<'_>, line: u64) -> Spans {
    let mut dice = place.layer("flap").nth(line).dice();
    let up = renewal(
        &mut dice,
        place.horizon,
        |d| d.weibull(f.up_scale_s.0, f.up_k.0),
        |d| d.lognormal(f.down_median_s.0, f.down_sigma.0),
    );
    place.open_ended(&up)
}

fn cycle(c: &Cycle, place: &Place<'_>) -> Spans {
    let mut never = place.layer("cycle").dice();
    place.open_ended(&renewal(
        &mut never,
        place.horizon,
        |_| c.up_s.0,
        |_| c.down_s.0,
    ))
}

fn dimmed(profile: &Profile, place: &Place<'_>) -> Vec<Dimmed> {
    let own = profile.degrade.iter().map(|d| dimmed_by(d, place));
    let crowds = place.events.iter().filter(|event| {
        event.what == EventKind::Crowd && event.hits(place.site, place.operator, profile.medium)
    });
    let crowds = crowds.map(|event| Dimmed {
        when: Spans::of(vec![(event.from.0, event.to.0)]),
        rate_factor: event.rate_factor.0,
        owd: Duration::ZERO,
        loss: 0.0,
        ge: None,
    });
    own.chain(crowds).collect()
}

fn dimmed_by(d: &Degrade, place: &Place<'_>) -> Dimmed {
    let when = Spans::of(vec![(d.from.0, d.to.0)]);
    let when = match d.only_h {
        Some(window) => when.and(&daily(&[(window.0, window.1)], place.horizon)),
        None => when,
    };
    Dimmed {
        when,
        rate_factor: d.rate_factor.0,
        owd: seconds(d.owd_ms.0 / 1e3),
        loss: d.loss.0,
        ge: d.ge,
    }
}

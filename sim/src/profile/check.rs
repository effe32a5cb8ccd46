//! From a merged file to a profile: what is missing, and what contradicts what.

use super::error::ProfileError;
use super::schema::{BoxPower, DirectionFile, Layer, ProfileFile, Second, UdpMix};
use super::values::{GilbertElliott, Range, Source, SpanList};
use super::{Direction, Profile, RateSource};
use crate::time::seconds;

/// Bytes a queue holds when the file does not say.
const DEFAULT_QUEUE: u32 = 64_000;
/// The IPv4 minimum that every host must take.
const LEAST_MTU: u16 = 576;

/// Builds the profile.
pub(super) fn resolve(name: &str, file: ProfileFile) -> Result<Profile, ProfileError> {
    consistent(&file)?;
    let mtu = file.mtu.unwrap_or(1500);
    let second = file.second.as_ref().map(second_line).transpose()?;
    Ok(Profile {
        name: name.to_owned(),
        about: file.about.unwrap_or_default(),
        rests_on: file.rests_on.unwrap_or_default(),
        medium: file.medium.unwrap_or_default(),
        mtu: usize::from(mtu),
        up: direction("up", file.up, mtu)?,
        down: direction("down", file.down, mtu)?,
        idle_promotion: file.idle_promotion,
        flap: file.flap,
        backhaul: file.backhaul,
        grid: file.grid.unwrap_or_default(),
        tower: file.tower,
        modem_on_box: file.modem_on_box.unwrap_or_default(),
        power: file.power.unwrap_or_default(),
        order: file.order.unwrap_or_default(),
        outages: inline(file.outages)
            .map(|SpanList(spans)| spans)
            .unwrap_or_default(),
        cycle: file.cycle,
        fade: file.fade,
        degrade: file.degrade.unwrap_or_default(),
        attach: file.attach,
        nat: file.nat,
        udp: file.udp.unwrap_or_default(),
        bundle: file.bundle,
        signal: file
            .signal
            .unwrap_or_else(|| vec![Layer::Tower, Layer::Flap]),
        second,
    })
}

fn second_line(second: &Second) -> Result<(Box<Profile>, std::time::Duration), ProfileError> {
    let profile =
        Profile::load(&second.profile).map_err(|e| fault("second.profile", &e.to_string()))?;
    if profile.second.is_some() {
        return Err(
            fault("second.profile", "a second line cannot have a second line")
                .fix("name a base profile"),
        );
    }
    Ok((Box::new(profile), seconds(f64::from(second.switch_after_s))))
}

fn direction(name: &str, file: DirectionFile, mtu: u16) -> Result<Direction, ProfileError> {
    let rate = match (file.rate, inline(file.rate_trace)) {
        (_, Some(trace)) => RateSource::Trace(trace),
        (Some(rate), None) => RateSource::Process(rate),
        (None, None) => {
            return Err(
                ProfileError::new("", format!("direction `{name}` has no rate")).fix(format!(
                    "add `rate = {{ median_kbit = 512 }}` under [{name}], or a `base`"
                )),
            );
        }
    };
    if let RateSource::Process(rate) = &rate
        && rate.cap_kbit.is_some_and(|cap| cap < rate.median_kbit)
    {
        return Err(
            fault("cap_kbit", "the cap lies below the median").fix("raise it, or leave it out")
        );
    }
    let queue = file.queue_bytes.unwrap_or(DEFAULT_QUEUE);
    if queue < u32::from(mtu) {
        return Err(fault(
            "queue_bytes",
            &format!("a queue of {queue} bytes cannot hold one packet of {mtu}"),
        )
        .fix("make it at least the MTU"));
    }
    if file
        .jitter
        .is_some_and(|j| j.step_every_s.is_some() != j.step_ms.is_some())
    {
        return Err(
            fault("jitter", "`step_every_s` and `step_ms` go together").fix("give both or neither")
        );
    }
    if file.hole.is_some_and(|hole| hole.for_s >= hole.every_s) {
        return Err(
            fault("hole", "the hole is as long as its period").fix("make for_s less than every_s")
        );
    }
    Ok(Direction {
        rate,
        owd: seconds(file.owd_ms.map_or(0.0, |ms| ms.0 / 1e3)),
        jitter: file.jitter,
        loss: file.loss.map_or(0.0, |loss| loss.0),
        ge: inline::<GilbertElliott>(file.ge),
        queue_bytes: usize::try_from(queue).unwrap_or(usize::MAX),
        duplicate: file.duplicate.map_or(0.0, |share| share.0),
        corrupt: file.corrupt.map_or(0.0, |share| share.0),
        reorder: file.reorder,
        hole: file.hole,
    })
}

/// What the reader cannot see value by value.
fn consistent(file: &ProfileFile) -> Result<(), ProfileError> {
    if file.mtu.is_some_and(|mtu| mtu < LEAST_MTU) {
        return Err(
            fault("mtu", "no IPv4 link carries less than 576 bytes").fix("use 1280 to 1500")
        );
    }
    if file.udp.is_some_and(
        |UdpMix {
             block,
             drop_after,
             police,
             ..
         }| block.0 + drop_after.0 + police.0 > 1.0 + 1e-9,
    ) {
        return Err(fault("udp", "the shares add up to more than 1")
            .fix("what is not blocked, dropped or policed is open"));
    }
    if file.udp.is_some_and(|udp| {
        udp.police.0 > 0.0 && (udp.police_kbit.0 == 0.0 || udp.police_burst_bytes.0 < 1500.0)
    }) {
        return Err(fault("udp", "policing needs a rate and a bucket")
            .fix("add police_kbit = 64 and police_burst_bytes = 16000"));
    }
    if file.fade.is_some_and(|fade| fade.for_s >= fade.every_s) {
        return Err(
            fault("fade", "the fade is as long as its period").fix("make for_s less than every_s")
        );
    }
    if file.degrade.iter().flatten().any(|d| d.from >= d.to) {
        return Err(fault("degrade", "it ends before it starts").fix("swap `from` and `to`"));
    }
    hours_in_a_day(file)?;
    match &file.power {
        Some(BoxPower {
            kill_every_min: Some(Range(low, _)),
            ..
        }) if *low < 0.1 => Err(fault(
            "kill_every_min",
            "kills closer than 6 s leave no time to boot",
        )
        .fix("use [3, 20]")),
        _ => Ok(()),
    }
}

fn hours_in_a_day(file: &ProfileFile) -> Result<(), ProfileError> {
    let order = file.order.as_ref().and_then(|order| order.only_h);
    let disk = file.power.as_ref().and_then(|power| power.disk_full_h);
    let night = file.bundle.as_ref().and_then(|bundle| bundle.night_h);
    let degrade = file.degrade.iter().flatten().find_map(|d| d.only_h);
    for (key, range) in [
        ("only_h", order),
        ("disk_full_h", disk),
        ("night_h", night),
        ("only_h", degrade),
    ] {
        if range.is_some_and(|Range(low, high)| low < 0.0 || high > 24.0) {
            return Err(fault(key, "hours of the day run from 0 to 24").fix("for example [9, 21]"));
        }
    }
    Ok(())
}

fn inline<T>(source: Option<Source<T>>) -> Option<T> {
    match source {
        Some(Source::Inline(value)) => Some(value),
        Some(Source::File(_)) | None => None,
    }
}

fn fault(key: &str, problem: &str) -> ProfileError {
    ProfileError::new("", problem).key(key)
}

//! Laying one profile file over another, and reading the files of numbers that they name.

use std::path::Path;

use serde::Deserialize;

use super::error::{ProfileError, shown, suggestion};
use super::schema::{DirectionFile, Layer, ProfileFile};
use super::values::{Source, rows};
use super::{builtin, parse};

/// How long a chain of bases may be.
const MAX_DEPTH: usize = 4;
/// Largest file of numbers, bytes.
const MAX_NUMBERS: u64 = 64 << 20;

/// Reads a profile and all it is based on.
pub(super) fn with_base(
    file: &str,
    text: &str,
    folder: Option<&Path>,
    depth: usize,
) -> Result<ProfileFile, ProfileError> {
    let mut own = parse(file, text)?;
    one_rate_each(file, text, &own)?;
    inline_files(file, text, folder, &mut own)?;
    let Some(base) = own.base.clone() else {
        return Ok(own);
    };
    let fault = |problem: &str| ProfileError::new(file, problem).key("base").located(text);
    if depth >= MAX_DEPTH {
        return Err(
            fault("profiles are based on each other in a ring or more than 4 deep")
                .fix("base it on one of the eight base profiles"),
        );
    }
    let Some((name, text)) = builtin::profile(&base) else {
        return Err(fault(&format!("no built-in profile `{base}`"))
            .fix(suggestion(&base, &builtin::profile_names())));
    };
    Ok(own.over(with_base(name, text, None, depth + 1)?))
}

/// Reads one `key=value` setting as a profile file of one line.
pub(super) fn setting(text: &str) -> Result<ProfileFile, ProfileError> {
    const PLACE: &str = "--set";
    let mut own = parse(PLACE, text)?;
    one_rate_each(PLACE, text, &own)?;
    inline_files(PLACE, text, Some(Path::new(".")), &mut own)?;
    Ok(own)
}

fn one_rate_each(file: &str, text: &str, own: &ProfileFile) -> Result<(), ProfileError> {
    let both = |d: &DirectionFile| d.rate.is_some() && d.rate_trace.is_some();
    if both(&own.up) || both(&own.down) {
        return Err(
            ProfileError::new(file, "a direction has either `rate` or `rate_trace`")
                .key("rate_trace")
                .located(text)
                .fix("take one of them out"),
        );
    }
    Ok(())
}

fn inline_files(
    file: &str,
    text: &str,
    folder: Option<&Path>,
    own: &mut ProfileFile,
) -> Result<(), ProfileError> {
    let place = Place { file, text, folder };
    place.inline("outages", &mut own.outages, false)?;
    for direction in [&mut own.up, &mut own.down] {
        place.inline("rate_trace", &mut direction.rate_trace, false)?;
        place.inline("ge", &mut direction.ge, true)?;
    }
    Ok(())
}

struct Place<'a> {
    file: &'a str,
    text: &'a str,
    folder: Option<&'a Path>,
}

impl Place<'_> {
    fn inline<T: for<'de> Deserialize<'de>>(
        &self,
        key: &str,
        value: &mut Option<Source<T>>,
        single: bool,
    ) -> Result<(), ProfileError> {
        let Some(Source::File(path)) = value else {
            return Ok(());
        };
        let path = self.folder.unwrap_or(Path::new("")).join(&*path);
        let fault = |problem: String| {
            ProfileError::new(self.file, problem)
                .key(key)
                .located(self.text)
        };
        let size = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        if size > MAX_NUMBERS {
            return Err(
                fault(format!("`{}` is larger than 64 MiB", shown(&path))).fix("thin it out")
            );
        }
        let numbers = std::fs::read_to_string(&path).map_err(|e| {
            fault(format!("`{}` cannot be read ({e})", shown(&path)))
                .fix("give a path relative to this file")
        })?;
        let read = rows(&numbers, single).map_err(|(line, problem)| {
            let error = ProfileError::new(&shown(&path), problem)
                .fix(format!("it is named by `{key}` of {}", self.file));
            if line > 0 { error.line(line) } else { error }
        })?;
        *value = Some(Source::Inline(read));
        Ok(())
    }
}

impl ProfileFile {
    /// This file over `base`: what this one leaves out comes from there.
    pub(super) fn over(self, base: Self) -> Self {
        let base = base.stripped(&self.without);
        Self {
            base: None,
            about: self.about.or(base.about),
            rests_on: self.rests_on.or(base.rests_on),
            without: Vec::new(),
            medium: self.medium.or(base.medium),
            mtu: self.mtu.or(base.mtu),
            up: self.up.over(base.up),
            down: self.down.over(base.down),
            idle_promotion: self.idle_promotion.or(base.idle_promotion),
            flap: self.flap.or(base.flap),
            backhaul: self.backhaul.or(base.backhaul),
            grid: self.grid.or(base.grid),
            tower: self.tower.or(base.tower),
            modem_on_box: self.modem_on_box.or(base.modem_on_box),
            power: self.power.or(base.power),
            order: self.order.or(base.order),
            outages: self.outages.or(base.outages),
            cycle: self.cycle.or(base.cycle),
            fade: self.fade.or(base.fade),
            degrade: self.degrade.or(base.degrade),
            attach: self.attach.or(base.attach),
            nat: self.nat.or(base.nat),
            udp: self.udp.or(base.udp),
            bundle: self.bundle.or(base.bundle),
            signal: self.signal.or(base.signal),
            second: self.second.or(base.second),
        }
    }

    /// This file without some of its layers.
    fn stripped(mut self, without: &[Layer]) -> Self {
        for layer in without {
            match layer {
                Layer::Grid => self.grid = None,
                Layer::Tower => (self.tower, self.modem_on_box) = (None, None),
                Layer::Backhaul => self.backhaul = None,
                Layer::Order => self.order = None,
                Layer::Box => self.power = None,
                Layer::Flap => self.flap = None,
                Layer::Nat => self.nat = None,
                Layer::Udp => self.udp = None,
                Layer::IdlePromotion => self.idle_promotion = None,
                Layer::Outages => self.outages = None,
                Layer::Cycle => self.cycle = None,
            }
        }
        self
    }
}

impl DirectionFile {
    fn over(self, base: Self) -> Self {
        let own_rate = self.rate.is_some() || self.rate_trace.is_some();
        let (rate, rate_trace) = if own_rate {
            (self.rate, self.rate_trace)
        } else {
            (base.rate, base.rate_trace)
        };
        Self {
            rate,
            rate_trace,
            owd_ms: self.owd_ms.or(base.owd_ms),
            jitter: self.jitter.or(base.jitter),
            loss: self.loss.or(base.loss),
            ge: self.ge.or(base.ge),
            queue_bytes: self.queue_bytes.or(base.queue_bytes),
            duplicate: self.duplicate.or(base.duplicate),
            corrupt: self.corrupt.or(base.corrupt),
            reorder: self.reorder.or(base.reorder),
            hole: self.hole.or(base.hole),
        }
    }
}

//! Workload files: the tiers T1 to T5, and what each modality weighs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::profile::values::{Positive, Share, Sigma};
use crate::profile::{ProfileError, builtin_workload, shown, suggestion};
use crate::seed::Dice;

const TIERS: [&str; 5] = ["T1", "T2", "T3", "T4", "T5"];
const MODALITIES: &str = "modalities";

/// A tier with the modalities it uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The built-in name, or the file's.
    pub name: String,
    /// One line for people.
    pub about: String,
    pub(super) tier: Tier,
    modalities: BTreeMap<String, Modality>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tier {
    #[serde(default)]
    about: String,
    #[serde(deserialize_with = "positive")]
    pub(super) per_day: f64,
    pub(super) shares: BTreeMap<String, f64>,
    pub(super) burst: Option<Burst>,
    /// Camp days, 0 is Monday.
    pub(super) weekdays: Option<Vec<u8>>,
}

fn positive<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Positive::deserialize(from).map(|value| value.0)
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Burst {
    pub(super) every_days: Positive,
    pub(super) patients: (u16, u16),
    pub(super) hours: Positive,
    pub(super) ct_share: Share,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Modality {
    lossless: Positive,
    pub(super) mix: [f64; 3],
    pub(super) powered: bool,
    pub(super) follow_up: Option<String>,
    images: Vec<Images>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Images {
    count: (u16, u16),
    #[serde(default)]
    weights: Vec<f64>,
    mb: Positive,
    sigma: Sigma,
}

impl Workload {
    /// Loads a built-in tier by name (`T1` to `T5`) or a file by path.
    ///
    /// # Errors
    /// Names the file, the line, the key and the fix.
    pub fn load(name_or_path: &str) -> Result<Self, ProfileError> {
        let tier = builtin_workload(name_or_path).filter(|(name, _)| *name != MODALITIES);
        if let Some((name, text)) = tier {
            return Self::from_toml(name, text);
        }
        let path = Path::new(name_or_path);
        let text = std::fs::read_to_string(path).map_err(|e| {
            let file = shown(path);
            ProfileError::new(
                &file,
                format!("no built-in workload and no file that can be read ({e})"),
            )
            .fix(suggestion(&file, &TIERS))
        })?;
        Self::from_toml(&shown(path), &text)
    }

    /// Reads a tier from text.
    ///
    /// # Errors
    /// As [`Workload::load`].
    pub fn from_toml(file: &str, text: &str) -> Result<Self, ProfileError> {
        let tier: Tier =
            toml::from_str(text).map_err(|e| ProfileError::from_toml(file, text, &e))?;
        let modalities = modalities()?;
        let known: Vec<&str> = modalities.keys().map(String::as_str).collect();
        if let Some(unknown) = tier
            .shares
            .keys()
            .find(|key| !modalities.contains_key(*key))
        {
            return Err(ProfileError::new(file, "no such modality")
                .key(unknown)
                .located(text)
                .fix(suggestion(unknown, &known)));
        }
        if tier
            .shares
            .values()
            .any(|share| !(0.0..=1e6).contains(share))
            || tier.shares.values().sum::<f64>() <= 0.0
        {
            return Err(
                ProfileError::new(file, "shares must be 0 or more, and not all 0")
                    .key("shares")
                    .located(text),
            );
        }
        let name = file.strip_suffix(".toml").unwrap_or(file).to_owned();
        Ok(Self {
            name,
            about: tier.about.clone(),
            tier,
            modalities,
        })
    }

    /// The names of the built-in tiers.
    #[must_use]
    pub fn names() -> [&'static str; 5] {
        TIERS
    }

    pub(super) fn modality(&self, name: &str) -> Option<&Modality> {
        self.modalities.get(name)
    }
}

fn modalities() -> Result<BTreeMap<String, Modality>, ProfileError> {
    let text = builtin_workload(MODALITIES).map_or("", |(_, text)| text);
    toml::from_str(text).map_err(|e| ProfileError::from_toml(MODALITIES, text, &e))
}

impl Modality {
    /// Draws the sizes of one study's instances.
    pub(super) fn instances(&self, dice: &mut Dice) -> Vec<u64> {
        let mut out = Vec::new();
        for images in &self.images {
            let (low, high) = images.count;
            let spread = u64::from(high.saturating_sub(low)) + 1;
            let more = if images.weights.is_empty() {
                dice.below(spread)
            } else {
                (dice.weighted(&images.weights) as u64).min(spread - 1)
            };
            let bytes = (images.mb.0 * 1e6 / self.lossless.0 * dice.lognormal(1.0, images.sigma.0))
                .max(1.0) as u64;
            out.extend((0..u64::from(low) + more).map(|_| bytes));
        }
        out
    }
}

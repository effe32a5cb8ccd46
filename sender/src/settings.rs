//! The sender's configuration: its keys, units and defaults.

mod keys;
mod link;

use karez_host::alarm::AlarmSettings;
use karez_host::audit::AuditSettings;
use karez_host::config::{self, Key, Unfit};
use karez_host::page::ClinicPage;
use karez_host::units::{Period, Size};
use karez_imaging::InstanceInfo;
use karez_protocol::manifest::ReceiptKind;
use karez_protocol::priority::Class;
use karez_quic::LinkConfig;
use serde::{Deserialize, Serialize};

use crate::scanner::{CommitOn, Dicom};
use crate::watch::Watch;

pub use link::{CongestionChoice, Share};

use link::Link;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How this clinic calls itself, for people; empty: as the hub calls it.
    pub name: String,
    /// The hub.
    pub hub: Hub,
    /// The link to it.
    pub link: Link,
    /// What is kept on the disk, and how full that may become.
    pub spool: Spool,
    /// Studies.
    pub study: Study,
    /// Packing.
    pub pack: Pack,
    /// The scanners' way in.
    pub dicom: Dicom,
    /// Folders that are watched.
    pub watch: Watch,
    /// The page.
    pub page: ClinicPage,
    /// Who is told of what is wrong.
    pub alarm: AlarmSettings,
    /// Who else gets the audit log.
    pub audit: AuditSettings,
    /// Rules that give a study its class, the first that fits.
    pub rule: Vec<Rule>,
}

/// The hub.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hub {
    /// Addresses that replace those of the invitation.
    pub addresses: Vec<String>,
}

/// The spool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spool {
    /// Bytes that stay free: below, only STAT is accepted.
    pub keep_free: Size,
    /// Bytes that stay free even of STAT.
    pub keep_free_stat: Size,
    /// Free bytes below which released studies older than `keep_released` go.
    pub evict_below: Size,
    /// How long a released study stays while there is room.
    pub keep_released: Period,
    /// Which receipt releases.
    pub release_on: ReleaseOn,
    /// Bytes a second that the spool reads of itself.
    pub scrub: Size,
    /// How long it rests after it has read everything.
    pub scrub_pause: Period,
}

/// The receipt that releases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseOn {
    /// At the PACS.
    #[default]
    Stored,
    /// Confirmed by the PACS.
    Committed,
}

/// Studies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Study {
    /// After this long without a new image a study's key is wiped and the study is declared
    /// complete as of then.
    pub quiet: Period,
}

/// Packing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pack {
    /// How much CPU a byte is worth.
    pub level: LevelChoice,
}

/// A packing level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LevelChoice {
    /// By the link's rate and what waits for it: `mid`, less when the link would wait for the
    /// core, more when the core would wait for the link.
    #[default]
    Auto,
    /// The least CPU.
    Fast,
    /// In between.
    Mid,
    /// The fewest bytes.
    Best,
}

/// Gives a class to studies whose instances fit all that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// (0008,0060), such as `CR`.
    pub modality: Option<String>,
    /// (0040,1003), such as `HIGH`.
    pub requested: Option<String>,
    /// The class given.
    pub class: Class,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            keep_free: Size(1 << 30),
            keep_free_stat: Size(256 << 20),
            evict_below: Size(4 << 30),
            keep_released: Period(7 * 86_400_000),
            release_on: ReleaseOn::default(),
            scrub: Size(1 << 20),
            scrub_pause: Period(7 * 86_400_000),
        }
    }
}

impl Default for Study {
    fn default() -> Self {
        Self {
            quiet: Period::seconds(60),
        }
    }
}

impl config::Settings for Settings {
    const KEYS: &'static [Key] = keys::KEYS;

    fn check(&self) -> Result<(), Unfit> {
        let unfit = |key, message: &str| {
            Err(Unfit {
                key,
                message: message.to_owned(),
            })
        };
        if self.spool.keep_free_stat > self.spool.keep_free {
            return unfit("spool.keep_free_stat", "must not exceed spool.keep_free");
        }
        if self.study.quiet.0 == 0 {
            return unfit("study.quiet", "must be longer than nothing");
        }
        let committed = self.spool.release_on == ReleaseOn::Committed;
        if self.dicom.commitment == CommitOn::Committed && !committed {
            let message = "can be \"committed\" only with spool.release_on = \"committed\"";
            return unfit("dicom.commitment", message);
        }
        self.link.check()?;
        self.dicom.check()?;
        self.page.address()?;
        self.alarm.check()?;
        self.audit.check()?;
        self.watch.check()
    }
}

impl Settings {
    /// The keys that differ from `old` and can change only by a restart.
    pub(crate) fn waits_for_restart(&self, old: &Self) -> Vec<String> {
        const LIVE: [&str; 9] = [
            "link.bytes_per_",
            "link.hours",
            "link.utc_offset",
            "spool.keep_",
            "spool.evict_below",
            "study.",
            "pack.",
            "rule",
            "name",
        ];
        let changed = config::changed(old, self).into_iter();
        changed
            .filter(|key| !LIVE.iter().any(|live| key.starts_with(live)))
            .collect()
    }

    /// These, with what can change only by a restart as it is in `old`.
    pub(crate) fn with_fixed_of(self, old: &Self) -> Self {
        let mut next = old.clone();
        next.name = self.name;
        next.link.take_limits_of(self.link);
        next.spool = Spool {
            release_on: old.spool.release_on,
            ..self.spool
        };
        next.study = self.study;
        next.pack = self.pack;
        next.rule = self.rule;
        next
    }

    /// The class that the rules give an instance: the first that fits, else by its requested
    /// procedure priority (PS3.3 C.4.11), else none.
    #[must_use]
    pub fn class_of(&self, info: &InstanceInfo) -> Option<Class> {
        let fits = |wanted: &Option<String>, found: &Option<String>| match (wanted, found) {
            (None, _) => true,
            (Some(wanted), Some(found)) => wanted.eq_ignore_ascii_case(found.trim()),
            (Some(_), None) => false,
        };
        let requested = &info.requested_procedure_priority;
        let ruled = self
            .rule
            .iter()
            .find(|r| fits(&r.modality, &info.modality) && fits(&r.requested, requested));
        let by_request = || match requested.as_deref()?.trim() {
            "STAT" => Some(Class::Stat),
            "HIGH" => Some(Class::Urgent),
            "LOW" => Some(Class::Bulk),
            _ => None,
        };
        ruled.map(|r| r.class).or_else(by_request)
    }

    pub(crate) fn link_config(&self) -> LinkConfig {
        self.link.config()
    }

    pub(crate) const fn release_on(&self) -> ReceiptKind {
        match self.spool.release_on {
            ReleaseOn::Stored => ReceiptKind::Stored,
            ReleaseOn::Committed => ReceiptKind::Committed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(modality: &str, requested: Option<&str>) -> InstanceInfo {
        InstanceInfo {
            modality: Some(modality.to_owned()),
            requested_procedure_priority: requested.map(str::to_owned),
            ..InstanceInfo::default()
        }
    }

    #[test]
    fn the_table_of_keys_says_what_the_structs_are() {
        config::check_table::<Settings>().unwrap();
    }

    #[test]
    fn a_reload_changes_what_can_change_and_names_the_rest() {
        let mut new = Settings::default();
        new.study.quiet = Period::seconds(5);
        new.rule = vec![Rule::default()];
        new.dicom.ae_title = "OTHER".into();
        new.spool.release_on = ReleaseOn::Committed;
        let old = Settings::default();
        let waits = new.waits_for_restart(&old);
        assert_eq!(waits, ["dicom.ae_title", "spool.release_on"]);
        let now = new.with_fixed_of(&old);
        assert_eq!((now.study.quiet, now.rule.len()), (Period::seconds(5), 1));
        assert_eq!((now.dicom, now.spool), (old.dicom, old.spool));
    }

    #[test]
    fn a_rule_goes_before_the_requested_priority_and_both_before_nothing() {
        let settings = Settings {
            rule: vec![Rule {
                modality: Some("CR".into()),
                class: Class::Bulk,
                ..Rule::default()
            }],
            ..Settings::default()
        };
        assert_eq!(
            settings.class_of(&info("cr", Some("STAT"))),
            Some(Class::Bulk)
        );
        assert_eq!(
            settings.class_of(&info("CT", Some("STAT"))),
            Some(Class::Stat)
        );
        assert_eq!(
            settings.class_of(&info("CT", Some("HIGH "))),
            Some(Class::Urgent)
        );
        assert_eq!(settings.class_of(&info("CT", None)), None);
    }
}

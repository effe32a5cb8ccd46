//! What an administrator has set for single clinics.

use karez_protocol::id::StudyId;
use karez_protocol::priority::Class;

use super::{Clinic, Engine};
use crate::settings::ClinicRule;

impl Engine {
    /// The rule for a clinic of this name.
    pub(super) fn rule(&self, clinic: &str) -> Option<&ClinicRule> {
        self.settings.clinic.iter().find(|rule| rule.name == clinic)
    }

    /// Where a clinic's instances go. What a rule names and is no target is waited for: nothing
    /// counts as stored that is not where it should be.
    pub(crate) fn targets_of(&self, clinic: &str) -> Vec<String> {
        let named = self.rule(clinic).map(|rule| &rule.targets);
        match named.filter(|targets| !targets.is_empty()) {
            Some(targets) => targets.clone(),
            None => self.registry.targets.keys().cloned().collect(),
        }
    }

    /// How urgent a study is for its hand-off.
    pub(crate) fn class_of(&self, clinic: &Clinic, study: StudyId) -> Class {
        let said = clinic.sink.class(study).unwrap_or_default();
        match self.rule(&clinic.name) {
            Some(rule) if said == Class::default() => rule.class,
            _ => said,
        }
    }

    /// What rules name and is not there: the clinic, and the target.
    pub(crate) fn rules_amiss(&self) -> Vec<(&str, &str)> {
        let rules = self.settings.clinic.iter();
        let named = rules.flat_map(|rule| rule.targets.iter().map(|t| (&*rule.name, &**t)));
        let amiss = named.filter(|(_, target)| !self.registry.targets.contains_key(*target));
        amiss.collect()
    }
}

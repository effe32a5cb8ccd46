//! `[[clinic]]`: what is done otherwise for one clinic.

use std::collections::BTreeSet;

use karez_dimse::AeTitle;
use karez_host::config::Unfit;
use karez_protocol::priority::Class;
use serde::{Deserialize, Serialize};

/// What is done otherwise for the instances of one clinic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClinicRule {
    /// What the hub calls the clinic.
    pub name: String,
    /// The targets that its instances go to; empty: all.
    pub targets: Vec<String>,
    /// The AE title under which its instances go to an archive; empty: that of the target.
    pub calling: String,
    /// How urgent those of its studies are that it calls routine.
    pub class: Class,
}

impl ClinicRule {
    /// The title, if it sets one.
    pub(crate) fn title(&self) -> Option<AeTitle> {
        AeTitle::new(&self.calling).ok()
    }
}

/// Whether these rules can be meant.
pub(super) fn check(rules: &[ClinicRule]) -> Result<(), Unfit> {
    let unfit = |key, message: String| Err(Unfit { key, message });
    let mut names = BTreeSet::new();
    for rule in rules {
        if rule.name.is_empty() {
            let message = "must be what `clinics` calls the clinic";
            return unfit("clinic[].name", message.to_owned());
        }
        if !names.insert(&rule.name) {
            let message = format!("names {} twice", rule.name);
            return unfit("clinic[].name", message);
        }
        if !rule.calling.is_empty() && rule.title().is_none() {
            let message = "must have 1 to 16 printable ASCII characters and no backslash";
            return unfit("clinic[].calling", message.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_its_clinic_once_and_a_title_that_is_one() {
        let rule = |name: &str, calling: &str| ClinicRule {
            name: name.into(),
            calling: calling.into(),
            ..ClinicRule::default()
        };
        let wrong = |rules: &[ClinicRule]| check(rules).err().map(|unfit| unfit.key);
        assert_eq!(wrong(&[rule("duki", "DUKI"), rule("chagai", "")]), None);
        assert_eq!(wrong(&[rule("", "DUKI")]), Some("clinic[].name"));
        assert_eq!(
            wrong(&[rule("a", ""), rule("a", "")]),
            Some("clinic[].name")
        );
        assert_eq!(wrong(&[rule("a", "A\\B")]), Some("clinic[].calling"));
    }
}

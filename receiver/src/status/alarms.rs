//! What is wrong now, each with its owner and what to do.

use serde_json::{Value, json};

use crate::engine::{Engine, Health};
use crate::limits::{ROT_SHOWN, TWIN_SHOWN};

impl Engine {
    pub(super) fn alarms(&self) -> Vec<Value> {
        let mut alarms = Vec::new();
        if !self.registry.backup_confirmed {
            alarms.push(alarm(
                "the recovery sheet is not confirmed: with this machine the keys of the hub would be lost",
                "administrator of this hub",
                "put the sheet in a safe place and run `karez-receiver confirm-backup`",
            ));
        }
        if let Some(full) = &self.full {
            alarms.push(alarm(
                &full.reason,
                "administrator of this hub",
                "make room on the disk of the data directory; nothing is lost, it goes on by itself",
            ));
        }
        if self.registry.targets.is_empty() {
            alarms.push(alarm(
                "there is no target to hand off to",
                "administrator of this hub",
                "add one with `karez-receiver target add NAME folder:PATH`",
            ));
        }
        for (clinic, target) in self.rules_amiss() {
            let what = format!("clinic `{clinic}` goes to target `{target}`, which does not exist");
            let action = "add the target, or correct [[clinic]] in config.toml and `reload`";
            alarms.push(alarm(&what, "administrator of this hub", action));
        }
        self.damage(&mut alarms);
        self.rot(&mut alarms);
        self.resting_targets(&mut alarms);
        self.clinics_in_trouble(&mut alarms);
        alarms
    }

    fn damage(&self, alarms: &mut Vec<Value>) {
        for what in &self.unreadable {
            let action = "check the disk, then restart; the rest goes on";
            alarms.push(alarm(what, "administrator of this hub", action));
        }
        if self.rotten_entries > 0 {
            let what = format!(
                "{} journal entries on the disk have rotted",
                self.rotten_entries
            );
            let action = "check the disk; what they said is asked again from targets and clinics";
            alarms.push(alarm(&what, "administrator of this hub", action));
        }
    }

    fn rot(&self, alarms: &mut Vec<Value>) {
        let shown = ROT_SHOWN.as_secs();
        if self.since(self.rot_at).is_some_and(|s| s < shown) {
            let what = "stored bytes have changed on the disk: they were asked for again";
            let action = "check the disk; `audit list` says how many, `verify` reads all again";
            alarms.push(alarm(what, "administrator of this hub", action));
        }
    }

    fn resting_targets(&self, alarms: &mut Vec<Value>) {
        for name in self.registry.targets.keys() {
            match self.targets.health(name) {
                Some(Health::Down { why, .. }) => {
                    let what = format!("target `{name}` takes nothing: {why}");
                    let action = "see `target test`; it goes on by itself";
                    alarms.push(alarm(&what, "administrator of the target", action));
                }
                Some(Health::Up | Health::Paused) => {}
                None => {
                    let what = format!("target `{name}` is of a kind that this version lacks");
                    let action = "remove it, or use a newer version";
                    alarms.push(alarm(&what, "administrator of this hub", action));
                }
            }
        }
    }

    fn clinics_in_trouble(&self, alarms: &mut Vec<Value>) {
        for (peer, clinic) in &self.clinics {
            let name = &clinic.name;
            let shown = TWIN_SHOWN.as_secs();
            if self.since(clinic.twins_at).is_some_and(|s| s < shown) {
                let what = format!("clinic `{name}` runs twice: two processes use its key");
                let action = "stop the copy; if a PC was stolen, `invite NAME --replace`";
                alarms.push(alarm(&what, name, action));
            }
            if clinic.over_quota {
                let reason = self.quota_reason(*peer);
                let what =
                    format!("clinic `{name}`: {reason}; nothing is lost, the rest waits there");
                let action = format!("give it more: `quota {name} SIZE`");
                alarms.push(alarm(&what, "administrator of this hub", &action));
            }
            if let Some(fault) = &clinic.fault {
                let what = format!("clinic `{name}` sent what cannot be taken: {fault}");
                let action = "update its sender; see the logs of both sides";
                alarms.push(alarm(&what, name, action));
            }
        }
    }
}

fn alarm(what: &str, owner: &str, action: &str) -> Value {
    json!({ "alarm": what, "owner": owner, "actions": [action] })
}

//! Which keys two settings differ in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Settings;

/// The keys in which two settings differ, as `section.key`; a list counts as one.
#[must_use]
pub fn changed<T: Settings>(old: &T, new: &T) -> BTreeSet<String> {
    let [old, new] = [old, new].map(|settings| serde_json::to_value(settings).unwrap_or_default());
    let mut keys = BTreeSet::new();
    compare("", &old, &new, &mut keys);
    keys
}

fn compare(path: &str, old: &Value, new: &Value, keys: &mut BTreeSet<String>) {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        if old != new {
            keys.insert(path.to_owned());
        }
        return;
    };
    for key in before.keys().chain(after.keys()) {
        let below = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        let of =
            |table: &serde_json::Map<String, Value>| table.get(key).cloned().unwrap_or_default();
        compare(&below, &of(before), &of(after), keys);
    }
}

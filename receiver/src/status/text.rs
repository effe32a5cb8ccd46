//! The status as people read it on a terminal.

use karez_host::status::{Table, bytes, duration};
use serde_json::Value;
use std::time::Duration;

/// The whole status.
pub(crate) fn show(status: &Value) -> String {
    let mut text = String::new();
    for alarm in list(status, "alarms") {
        let action = alarm["actions"][0].as_str().unwrap_or_default();
        text += &format!("! {}: {action}\n", word(alarm, "alarm"));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text += &clinics(list(status, "clinics"));
    text += &studies(list(status, "studies"));
    text += &parked(list(status, "parked"));
    let totals = &status["totals"];
    let (payload, resent) = (
        count(totals, "payload_bytes"),
        count(totals, "resent_bytes"),
    );
    text += &format!(
        "{} received, {} of it twice\n",
        bytes(payload),
        bytes(resent)
    );
    text
}

/// The clinics.
pub(crate) fn clinics(clinics: &[Value]) -> String {
    let columns = ["clinic", "line", ">last heard", ">studies open", ">missing"];
    let mut table = Table::new(&columns);
    for clinic in clinics {
        let line = match (&clinic["revoked"], &clinic["connected"]) {
            (Value::Bool(true), _) => "revoked",
            (_, Value::Bool(true)) => "connected",
            _ => "no line",
        };
        let heard = clinic["last_contact_s"].as_u64();
        let heard = heard.map_or_else(|| "-".into(), |s| duration(Duration::from_secs(s)));
        let open = count(clinic, "studies_open").to_string();
        let missing = bytes(count(clinic, "bytes_missing"));
        table.row([word(clinic, "name"), line.into(), heard, open, missing]);
    }
    block(&table)
}

fn studies(studies: &[Value]) -> String {
    let columns = [
        "study",
        "clinic",
        "class",
        ">images",
        ">here",
        ">verified",
        ">stored",
        ">parked",
        "hand-off",
    ];
    let mut table = Table::new(&columns);
    for study in studies {
        let number = |key| count(study, key).to_string();
        table.row([
            word(study, "study"),
            word(study, "clinic"),
            word(study, "priority"),
            number("instances"),
            number("received"),
            number("verified"),
            number("stored"),
            number("parked"),
            hand_offs(study),
        ]);
    }
    block(&table)
}

fn hand_offs(study: &Value) -> String {
    let each = list(study, "handoff").iter().map(|h| {
        let reason = word(h, "reason");
        let tail = if reason.is_empty() {
            reason
        } else {
            format!(" ({reason})")
        };
        format!("{} {}{tail}", word(h, "target"), word(h, "state"))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// What needs a person.
pub(crate) fn parked(parked: &[Value]) -> String {
    let mut table = Table::new(&["parked", "clinic", "study", "reason", "what can be done"]);
    for item in parked {
        let actions = list(item, "actions").iter().filter_map(Value::as_str);
        table.row([
            word(item, "item"),
            word(item, "clinic"),
            word(item, "study"),
            word(item, "reason"),
            actions.collect::<Vec<_>>().join(", "),
        ]);
    }
    block(&table)
}

fn block(table: &Table) -> String {
    if table.is_empty() {
        String::new()
    } else {
        format!("{table}\n")
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

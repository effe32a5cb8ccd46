//! The receiver's figures for Prometheus. OPERATING lists their names.

use karez_host::page::Metrics;
use serde_json::Value;

use super::shown::{count, list};

pub(super) fn text(status: &Value) -> String {
    let mut metrics = Metrics::default();
    let totals = &status["totals"];
    metrics.counter(
        "karez_delivered_bytes_total",
        "Bytes of sealed chunks that are durable here, each chunk once.",
        count(totals, "payload_bytes"),
    );
    metrics.counter(
        "karez_resent_bytes_total",
        "Bytes of chunks that came in vain.",
        count(totals, "resent_bytes"),
    );
    clinics(&mut metrics, list(status, "clinics"));
    studies(&mut metrics, list(status, "studies"));
    if let Some(free) = status["disk"]["free_bytes"].as_u64() {
        let help = "Bytes free on the data directory's disk.";
        metrics.gauge("karez_disk_free_bytes", help, free as f64);
    }
    let needs = |key| list(status, key).len() as f64;
    metrics.gauge("karez_parked", "What needs a person.", needs("parked"));
    metrics.gauge("karez_alarms", "What is wrong now.", needs("alarms"));
    metrics.text()
}

fn clinics(metrics: &mut Metrics, clinics: &[Value]) {
    let present = || clinics.iter().filter(|c| c["revoked"] != Value::Bool(true));
    let name = |c: &Value| c["name"].as_str().unwrap_or_default().to_owned();
    let up = |c: &Value| f64::from(u8::from(c["connected"] == Value::Bool(true)));
    let of = |value: &dyn Fn(&Value) -> Option<f64>| -> Vec<(String, f64)> {
        present()
            .filter_map(|c| Some((name(c), value(c)?)))
            .collect()
    };
    metrics.by_label(
        "karez_clinic_connected",
        "1 while the clinic is connected.",
        "clinic",
        &of(&|c| Some(up(c))),
    );
    metrics.by_label(
        "karez_clinic_last_contact_seconds",
        "Seconds since the clinic was last heard.",
        "clinic",
        &of(&|c| c["last_contact_s"].as_u64().map(|s| s as f64)),
    );
    metrics.by_label(
        "karez_clinic_missing_bytes",
        "Bytes that the clinic has announced and that are not here.",
        "clinic",
        &of(&|c| Some(count(c, "bytes_missing") as f64)),
    );
    metrics.by_label(
        "karez_clinic_studies_open",
        "Studies that are not yet in every archive.",
        "clinic",
        &of(&|c| Some(count(c, "studies_open") as f64)),
    );
}

fn studies(metrics: &mut Metrics, studies: &[Value]) {
    let states = [
        "instances",
        "received",
        "verified",
        "stored",
        "committed",
        "parked",
    ];
    let sum = |key: &str| studies.iter().map(|s| count(s, key)).sum::<u64>() as f64;
    let sums = states.map(|key| (key.replace("instances", "announced"), sum(key)));
    metrics.by_label(
        "karez_instances",
        "Instances of all clinics that have reached a state.",
        "state",
        &sums,
    );
}

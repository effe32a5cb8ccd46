//! The sender's figures for Prometheus. OPERATING lists their names.

use karez_host::page::Metrics;
use karez_protocol::priority::Class;

use crate::status::Status;

pub(super) fn text(status: &Status) -> String {
    let mut metrics = Metrics::default();
    line(&mut metrics, status);
    disk(&mut metrics, status);
    studies(&mut metrics, status);
    metrics.text()
}

fn line(metrics: &mut Metrics, status: &Status) {
    let (hub, totals) = (&status.hub, &status.totals);
    let up = f64::from(u8::from(hub.connected));
    metrics.gauge("karez_hub_connected", "1 while the hub answers.", up);
    if let Some(s) = hub.last_contact_s {
        let help = "Seconds since the hub was last heard.";
        metrics.gauge("karez_hub_last_contact_seconds", help, s as f64);
    }
    let rate = hub.rate_bits_per_s as f64;
    metrics.gauge(
        "karez_link_rate_bits_per_second",
        "Measured when there was last something to send.",
        rate,
    );
    metrics.gauge(
        "karez_link_rtt_seconds",
        "The round trip, smoothed.",
        hub.rtt_ms as f64 / 1000.0,
    );
    metrics.counter(
        "karez_wire_up_bytes_total",
        "IP bytes sent.",
        totals.wire_bytes_up,
    );
    metrics.counter(
        "karez_wire_down_bytes_total",
        "IP bytes received.",
        totals.wire_bytes_down,
    );
    metrics.counter(
        "karez_delivered_bytes_total",
        "Bytes of sealed chunks that arrived, each chunk once.",
        totals.payload_bytes,
    );
    metrics.counter(
        "karez_resent_bytes_total",
        "Bytes of chunks that the hub had already.",
        totals.resent_bytes,
    );
    let wire = (totals.wire_bytes_up + totals.wire_bytes_down) as f64;
    if totals.payload_bytes > 0 {
        metrics.gauge(
            "karez_wire_bytes_per_delivered_byte",
            "IP bytes both ways for each byte that arrived.",
            wire / totals.payload_bytes as f64,
        );
    }
}

fn disk(metrics: &mut Metrics, status: &Status) {
    let spool = &status.spool;
    let free = spool.free_bytes as f64;
    metrics.gauge(
        "karez_disk_free_bytes",
        "Bytes free on the data directory's disk.",
        free,
    );
    metrics.gauge(
        "karez_spool_bytes",
        "Bytes of packs and journals.",
        spool.bytes as f64,
    );
    metrics.gauge(
        "karez_unsealed_bytes",
        "Bytes accepted and not yet sealed to the hub.",
        spool.unsealed_bytes as f64,
    );
    let trouble = f64::from(u8::from(!spool.problem.is_empty()));
    metrics.gauge(
        "karez_disk_trouble",
        "1 while the disk takes no more.",
        trouble,
    );
}

fn studies(metrics: &mut Metrics, status: &Status) {
    let all = &status.studies;
    let by = |receipt: &str| all.iter().filter(|s| s.receipt == receipt).count() as f64;
    let states = ["none", "verified", "stored", "committed"].map(|r| (r.to_owned(), by(r)));
    metrics.by_label(
        "karez_studies",
        "Studies here by their lowest receipt.",
        "receipt",
        &states,
    );
    let waiting = |s: &&crate::status::StudyStatus| s.receipt == "none" && !s.withdrawn;
    let oldest = |class: Class| {
        let ages = all
            .iter()
            .filter(waiting)
            .filter(|s| s.priority == class)
            .map(|s| s.age_s);
        (class.to_string(), ages.max().unwrap_or(0) as f64)
    };
    metrics.by_label(
        "karez_oldest_waiting_seconds",
        "Age of the oldest study that the hub does not have, by class; 0 when none waits.",
        "class",
        &Class::ALL.map(oldest),
    );
    metrics.gauge(
        "karez_parked",
        "What needs a person.",
        status.parked.len() as f64,
    );
}

//! What the tests of transfers share.

use std::time::Duration;

use karez_protocol::manifest::ReceiptKind;

use super::clinic::Clinic;
use super::hub::Hub;
use super::net::Link;
use super::until;

pub fn fast() -> Link {
    Link {
        bits_per_s: 50e6,
        delay: Duration::from_millis(20),
        loss: 0.0,
        queue: Duration::from_secs(2),
    }
}

pub async fn all_stored(clinic: &Clinic, count: u64) {
    let handle = clinic.handle();
    until("all stored", async || {
        handle.progress(vec![(0, count)]).await.unwrap().stored == count
    })
    .await;
}

/// The archive has all that the hub has verified.
pub fn store_all(hub: &Hub) {
    let mut state = hub.state.lock().unwrap();
    let verified = state.receipts.clone().into_iter();
    for (clinic, receipt, _) in verified.filter(|(_, r, _)| r.kind == ReceiptKind::Verified) {
        // It signs for each instance by itself.
        let records = receipt.records[0].set().first().unwrap();
        let segment = receipt.records[0].segment;
        state.attest(clinic, receipt.study, segment, records, ReceiptKind::Stored);
    }
}

/// Stands for a file, so that a difference prints in a line.
pub fn name(file: &[u8]) -> String {
    format!(
        "{} bytes {}",
        file.len(),
        blake3::hash(file).to_hex().split_at(8).0
    )
}

pub fn names(files: &[Vec<u8>]) -> Vec<String> {
    let mut names: Vec<String> = files.iter().map(|f| name(f)).collect();
    names.sort();
    names
}

pub fn rebuilt(hub: &Hub) -> Vec<String> {
    let state = hub.state.lock().unwrap();
    let mut names: Vec<String> = state.rebuilt.iter().map(|(_, raw)| name(raw)).collect();
    names.sort();
    names
}

/// Ends a hub, and waits until its socket is free.
pub async fn end(serving: tokio::task::JoinHandle<()>) {
    serving.abort();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

//! Power cuts and failing disks at every moment of a transfer: nothing is lost, nothing doubled.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use karez_store::Fault;
use support::clinic::Clinic;
use support::hub::Hub;
use support::net::World;
use support::transfer::{all_stored, end, fast, name, names, rebuilt};
use support::{dicom, noise, until};

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_every_sync_loses_and_doubles_nothing() {
    let total = cut_at(u64::MAX).await;
    assert!(total > 20, "{total} syncs");
    for n in 1..=total {
        cut_at(n).await;
    }
}

/// A transfer whose power goes at the `n`-th sync; how many syncs there were.
async fn cut_at(n: u64) -> u64 {
    let net = World::new(n, fast());
    let hub = Hub::new();
    let serving = hub.serve(&net);
    let mut clinic = Clinic::new(&net, &hub, n % 90).await;
    if n < u64::MAX {
        clinic.env.disk.kill_at_sync(n);
    }
    let before = clinic.env.disk.syncs();
    let files = [
        dicom("1.2.3", "A", 200, 1),
        noise(n, 1_500_000),
        dicom("1.2.3", "A", 200, 2),
    ];
    let mut accepted = Vec::new();
    for file in &files {
        if clinic.send(file, None).await.is_ok() {
            accepted.push(file.clone());
        }
    }
    if n == u64::MAX {
        all_stored(&clinic, 3).await;
    } else {
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    let syncs = clinic.env.disk.syncs() - before;
    clinic.kill(n).await;
    clinic.start().unwrap();
    until("arrived", async || {
        accepted.iter().all(|f| rebuilt(&hub).contains(&name(f)))
    })
    .await;
    let handle = clinic.handle();
    until("released", async || {
        let p = handle.progress(vec![(0, 99)]).await.unwrap();
        p.stored == p.instances && p.parked == 0
    })
    .await;
    let rebuilt = rebuilt(&hub);
    for file in &files {
        let times = rebuilt.iter().filter(|r| **r == name(file)).count();
        // What was refused may still have become durable just before the cut.
        assert!(times <= 1, "cut at sync {n}: delivered {times} times");
        assert!(
            times == 1 || !accepted.contains(file),
            "cut at sync {n}: lost"
        );
    }
    end(serving).await;
    syncs
}

#[tokio::test(start_paused = true)]
async fn a_disk_call_that_fails_once_costs_nothing_but_a_second_try() {
    let calls = fail_at(u64::MAX, Fault::Io).await;
    assert!(calls > 60, "{calls} calls");
    for n in (1..calls).step_by(2) {
        let fault = if n % 4 == 1 { Fault::Io } else { Fault::Full };
        fail_at(n, fault).await;
    }
}

/// A transfer of which the `n`-th call of the disk fails; how many calls there were.
async fn fail_at(n: u64, fault: Fault) -> u64 {
    let net = World::new(n, fast());
    let hub = Hub::new();
    let serving = hub.serve(&net);
    let mut clinic = Clinic::new(&net, &hub, n % 90).await;
    let disk = clinic.env.disk.clone();
    let before = disk.calls();
    if n < u64::MAX {
        disk.fail_at(n, fault, false);
    }
    let files = [
        dicom("1.2.3", "A", 200, 1),
        noise(n, 1_500_000),
        dicom("1.2.3", "A", 200, 2),
    ];
    for file in &files {
        while clinic.send(file, None).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let handle = clinic.handle();
    until("all stored", async || {
        let p = handle.progress(vec![(0, 99)]).await.unwrap();
        p.instances >= 3 && p.stored == p.instances
    })
    .await;
    assert_eq!(rebuilt(&hub), names(&files), "{fault:?} at call {n}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = clinic.status().await;
    assert!(
        status.spool.problem.is_empty() && status.parked.is_empty(),
        "{status:?}"
    );
    let calls = disk.calls() - before;
    // What was believed durable is, also after a power cut.
    clinic.kill(n).await;
    clinic.start().unwrap();
    let status = clinic.status().await;
    let whole = status.studies.iter().all(|s| s.receipt == "stored");
    assert!(
        whole && status.spool.unsealed_bytes == 0,
        "{fault:?} at call {n}: {status:?}"
    );
    end(serving).await;
    calls
}

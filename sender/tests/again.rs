//! What a study costs on the wire when it is sent again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use support::clinic::Clinic;
use support::dicom;
use support::hub::Hub;
use support::net::World;
use support::transfer::{all_stored, fast, names, rebuilt};

const IMAGES: u64 = 8;
/// Rows of 64 columns of 12 bits of noise: sealed, an image is as large as a CT slice.
const ROWS: u16 = 2000;

/// IP bytes in both directions so far.
async fn wire(clinic: &Clinic) -> u64 {
    let totals = clinic.status().await.totals;
    totals.wire_bytes_up + totals.wire_bytes_down
}

fn study(name: &str) -> Vec<Vec<u8>> {
    let image = |n| dicom("1.2.3", name, ROWS, n);
    (0..IMAGES).map(image).collect()
}

#[tokio::test(start_paused = true)]
async fn a_corrected_name_costs_less_than_2_percent_and_the_same_study_less_than_1() {
    let net = World::new(1, fast());
    let hub = Hub::new();
    let _serving = hub.serve(&net);
    let clinic = Clinic::new(&net, &hub, 1).await;
    let (wrong, right) = (study("CANARY^ONE"), study("CANARY^CORRECTED"));
    let mut costs = Vec::new();
    for (files, stored) in [(&wrong, 1), (&wrong, 2), (&right, 3)] {
        let start = wire(&clinic).await;
        for file in files {
            clinic.send(file, None).await.unwrap();
        }
        all_stored(&clinic, stored * IMAGES).await;
        costs.push(wire(&clinic).await - start);
    }
    let [first, same, corrected] = costs[..] else {
        panic!("three transmissions");
    };
    println!("first {first}, same {same}, corrected {corrected} bytes");
    assert!(same * 100 < first, "{same} of {first}");
    assert!(corrected * 50 < first, "{corrected} of {first}");
    let all = [wrong.clone(), wrong, right].concat();
    let (mut there, mut sent) = (rebuilt(&hub), names(&all));
    there.dedup();
    sent.dedup();
    assert_eq!(there, sent);
}

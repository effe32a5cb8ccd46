//! Peers that are not of our making: raw PDUs, and DCMTK's storescu over TCP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "../../protocol/dimse/tests/common/mod.rs"]
mod raw;
#[path = "../../protocol/dimse/tests/common/tool.rs"]
mod tool;

use std::sync::Arc;
use std::time::Duration;

use karez_dimse::Uid;
use karez_dimse::command::{Command, Field};
use karez_dimse::uid::{CT_STORAGE, EXPLICIT_LE};
use karez_host::{Env, RealEnv};
use raw::{DATA, LAST, Raw, p_data};
use support::clinic::Clinic;
use support::hub::Hub;
use support::noise;
use support::scanner::{Image, arrived, dial, net, rebuilt, with_hub};
use tokio::io::copy_bidirectional;

fn c_store(image: &Image) -> Vec<u8> {
    let command = Command {
        sop_instance: Uid::new(&image.instance),
        data_set: true,
        ..Command::request(Field::STORE, 7, &Uid::new(image.class))
    };
    command.encode()
}

#[tokio::test(start_paused = true)]
async fn t07_fragments_and_data_sets_of_odd_length_are_taken_as_they_come() {
    let (clinic, hub, _net) = with_hub(7).await;
    let image = Image::of(CT_STORAGE, EXPLICIT_LE, noise(1, 4303));
    let mut scanner = Raw(dial(&clinic).await);
    scanner.associate().await;
    let command = p_data(1, raw::COMMAND | LAST, &c_store(&image));
    scanner.send(&command).await;
    let (first, rest) = image.data_set.split_at(1001);
    scanner.send(&p_data(1, DATA, first)).await;
    scanner.send(&p_data(1, DATA | LAST, rest)).await;
    let (kind, answer) = scanner.pdu().await.unwrap();
    assert_eq!(kind, 4);
    let response = Command::decode(&answer[6..]).unwrap();
    assert_eq!(response.status.map(|status| status.0), Some(0));
    arrived(&hub, 1).await;
    assert_eq!(rebuilt(&hub), [image.expected()]);
}

/// Carries TCP connections to the clinic's port.
async fn tcp(clinic: &Arc<Clinic>) -> u16 {
    let real = RealEnv::new().unwrap();
    let at = "127.0.0.1:0".parse().unwrap();
    let mut listener = real.listen_stream(at).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let clinic = clinic.clone();
    tokio::spawn(async move {
        while let Ok((mut outside, _)) = listener.accept().await {
            let mut inside = dial(&clinic).await;
            tokio::spawn(async move { copy_bidirectional(&mut outside, &mut inside).await });
        }
        drop(real);
    });
    port
}

#[tokio::test]
async fn t01_t02_what_storescu_sends_arrives_as_the_data_set_of_its_file() {
    if !tool::installed("storescu") {
        return;
    }
    let (net, hub) = (net(40), Hub::new());
    hub.serve(&net);
    let mut clinic = Clinic::alone(&net, 40);
    clinic.settings.dicom.allow_any = true;
    clinic.start().unwrap();
    clinic.handle().join(&hub.invitation()).await.unwrap();
    let clinic = Arc::new(clinic);
    let port = tcp(&clinic).await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<Image> = (0..20)
        .map(|n| Image::ct("1.2.3", &format!("1.2.3.{n}"), 64 + n))
        .collect();
    for image in &images {
        std::fs::write(folder.path().join(&image.instance), image.expected()).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let echoed = tool::run("echoscu", &["-aec", "KAREZ", "127.0.0.1", &port]).await;
    assert_eq!(echoed, "");
    let arguments = ["-R", "-aec", "KAREZ_STAT", "+sd", "127.0.0.1", &port, path];
    tool::run("storescu", &arguments).await;
    let all = tokio::time::timeout(Duration::from_secs(60), arrived(&hub, images.len()));
    all.await.unwrap();
    let mut expected: Vec<Vec<u8>> = images.iter().map(Image::expected).collect();
    let mut found = rebuilt(&hub);
    expected.sort();
    found.sort();
    assert!(found == expected, "some bytes differ");
    let status = clinic.status().await;
    let sent: Vec<(&str, u64)> = status
        .scanners
        .iter()
        .map(|scanner| (scanner.title.as_str(), scanner.images))
        .collect();
    assert_eq!(sent, [("ECHOSCU", 0), ("STORESCU", 20)]);
    assert_eq!(status.studies.len(), 1);
}

//! Rules for single clinics: where their images go, under which title, how soon.

use std::time::Duration;

use karez_dimse::Uid;
use karez_dimse::stub::Pacs;
use karez_protocol::priority::Class;
use karez_receiver::{ClinicRule, Command};

use crate::support::made::Image;
use crate::support::until;
use crate::{Chain, ct};

fn rule(name: &str) -> ClinicRule {
    ClinicRule {
        name: name.into(),
        ..ClinicRule::default()
    }
}

/// Images of a patient and a study of their own.
fn others(count: u64) -> Vec<Image> {
    let other = |n| Image {
        uid: format!("1.2.826.0.1.80.{n}"),
        study: "1.2.826.0.1.81".into(),
        ..Image::ct(n)
    };
    (1..=count).map(other).collect()
}

/// The hub reads its configuration again.
async fn reload(chain: &mut Chain, rules: Vec<ClinicRule>) {
    chain.hub.settings.clinic = rules;
    let settings = Box::new(chain.hub.settings.clone());
    let waits = chain.hub.ask(Command::Reload { settings }).await.unwrap();
    assert_eq!(waits, serde_json::json!([]));
}

#[tokio::test(start_paused = true)]
async fn each_clinic_goes_to_its_targets_under_its_title() {
    let mut chain = Chain::new(600).await;
    let second = Pacs::new(true);
    chain.hub.reach.put("second:104", &second);
    let url = "dicom://SECOND@second:104?calling=HUB".to_owned();
    let name = "second".to_owned();
    chain
        .hub
        .ask(Command::TargetAdd { name, url })
        .await
        .unwrap();
    let duki = chain.hub.clinic(&chain.net, "duki", 601).await;
    let only = ClinicRule {
        targets: vec!["pacs".into()],
        calling: "CHAGAI".into(),
        ..rule("chagai")
    };
    reload(&mut chain, vec![only, rule("duki")]).await;
    chain.send(&ct(3)).await;
    for image in others(2) {
        duki.send(&image.file(), None).await.unwrap();
    }
    chain.stored(5).await;
    let titles = |pacs: &Pacs| {
        let held = pacs.held().into_values();
        let mut titles: Vec<String> = held.map(|held| held.calling).collect();
        titles.sort();
        titles
    };
    assert_eq!(
        titles(&chain.pacs),
        ["CHAGAI", "CHAGAI", "CHAGAI", "HUB", "HUB"]
    );
    assert_eq!(titles(&second), ["HUB", "HUB"]);
    let status = chain.hub.status().await;
    let studies = status["studies"].as_array().unwrap();
    let of = |name: &str| studies.iter().find(|s| s["clinic"] == name).unwrap()["handoff"].clone();
    assert_eq!(of("chagai").as_array().unwrap().len(), 1);
    assert_eq!(of("duki").as_array().unwrap().len(), 2);
    // It is the clinic's own after a restart too.
    chain.hub.kill(1).await;
    chain.hub.start().await.unwrap();
    let late = Image {
        uid: "1.2.826.0.1.82".into(),
        ..Image::ct(9)
    };
    chain.send(&[late]).await;
    chain.stored(6).await;
    assert_eq!(second.held().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_should_go_to_a_target_that_does_not_exist_is_not_stored_and_an_alarm_says_so() {
    let mut chain = Chain::new(610).await;
    let wrong = ClinicRule {
        targets: vec!["pacs".into(), "second".into()],
        ..rule("chagai")
    };
    reload(&mut chain, vec![wrong]).await;
    chain.send(&ct(2)).await;
    until("the PACS has them", async || chain.pacs.held().len() == 2).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(chain.sum("stored").await, 0);
    let alarms = chain.hub.status().await["alarms"].to_string();
    assert!(
        alarms.contains("target `second`, which does not exist"),
        "{alarms}"
    );
    let second = Pacs::new(true);
    chain.hub.reach.put("second:104", &second);
    let url = "dicom://SECOND@second:104".to_owned();
    let name = "second".to_owned();
    chain
        .hub
        .ask(Command::TargetAdd { name, url })
        .await
        .unwrap();
    chain.stored(2).await;
    assert_eq!((chain.pacs.received().len(), second.held().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_clinic_whose_routine_is_urgent_goes_before_the_others() {
    let mut chain = Chain::new(620).await;
    let urgent = ClinicRule {
        class: Class::Urgent,
        ..rule("duki")
    };
    reload(&mut chain, vec![urgent]).await;
    let duki = chain.hub.clinic(&chain.net, "duki", 621).await;
    let pause = |paused| Command::TargetPause {
        name: "pacs".into(),
        paused,
    };
    chain.hub.ask(pause(true)).await.unwrap();
    chain.send(&ct(20)).await;
    until("verified", async || chain.sum("verified").await == 20).await;
    for image in others(2) {
        duki.send(&image.file(), None).await.unwrap();
    }
    until("verified", async || chain.sum("verified").await == 22).await;
    chain.hub.ask(pause(false)).await.unwrap();
    chain.stored(22).await;
    let received = chain.pacs.received();
    let first: Vec<&Uid> = received.iter().take(6).collect();
    let ours = others(2);
    let early = ours.iter().filter(|image| first.contains(&&image.uid()));
    // One at a time of a study; the other association is given to the older clinic's meanwhile.
    assert_eq!(early.count(), 2, "{first:?}");
}

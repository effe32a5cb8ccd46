//! The clinic, the hub, the archive, and what lies between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use karez_dimse::part10;
use karez_dimse::stub::Pacs;
use karez_host::Failure;
use karez_protocol::seal::HubSeed;
use karez_receiver::{Command, Receiver};
use karez_sender::{Given as Handed, Sender, Status, Work};
use karez_store::Disk;
use tokio::time::Instant;

use super::script::Timeline;
use super::{Given, Options, Outcome, Report, Script};
use crate::calendar::{Place, SiteCalendar};
use crate::link::{Direction, Link};
use crate::profile::Profile;
use crate::seed::Seed;
use crate::world::{Air, Machine, SiteId};

const SITE: SiteId = SiteId(1);
const HUB: [u8; 4] = [10, 0, 0, 1];
const PORT: u16 = 4433;
const DATA: &str = "/data";
/// Where the archive answers, in the hospital's own network.
const ARCHIVE: &str = "10.0.0.9:104";
/// The link is drawn for this long.
const HORIZON: Duration = Duration::from_secs(3600);

/// A running world.
pub(super) struct World {
    air: Air,
    pacs: Pacs,
    sender: Sender,
    receiver: Receiver,
    start: Instant,
}

impl World {
    /// Sets up a hub and a clinic, and lets the clinic join.
    pub(super) async fn start(options: &Options) -> Result<Self, Failure> {
        let air = Air::new();
        let seed = Seed::new(options.seed);
        let pacs = Pacs::new(true);
        let hub = Machine::new(&air, HUB.into(), seed.child("hub")).with_pacs(ARCHIVE, &pacs);
        let hub = Arc::new(hub);
        let clinic = Arc::new(Machine::new(&air, SITE.ip(), seed.child("clinic")));
        air.join(SITE, link(options)?);
        let receiver = start_hub(&hub, seed).await?;
        let sender = Sender::start(
            clinic.env(),
            Path::new(DATA),
            karez_sender::Settings::default(),
            Work::All,
        )?;
        let invite = Command::Invite {
            name: "clinic".into(),
            addresses: vec![format!("10.0.0.1:{PORT}")],
            replace: false,
        };
        let answer = receiver.handle().command(invite).await?;
        let invitation = answer["invitation"].as_str().unwrap_or_default();
        sender.handle().join(invitation).await?;
        Ok(Self {
            air,
            pacs,
            sender,
            receiver,
            start: Instant::now(),
        })
    }

    /// Gives a study to the clinic; the name that the clinic knows it by.
    pub(super) async fn hand_in(&self, given: &Given) -> Result<String, Failure> {
        let mut study = String::new();
        for file in &given.files {
            let handed = Handed {
                folder: given.name.as_bytes().to_vec(),
                class: Some(given.class),
            };
            let mut intake = self.sender.handle().intake(handed)?;
            intake.write(file).await?;
            study = intake.finish().await?.study;
        }
        Ok(study)
    }

    /// The clinic's status.
    pub(super) async fn clinic_status(&self) -> Result<Status, Failure> {
        self.sender.handle().status().await
    }

    /// Whether the link carries anything now.
    pub(super) fn link_is_up(&self) -> bool {
        let now = self.air.elapsed();
        self.air.link(SITE, |link| link.is_up(now)).unwrap_or(false)
    }

    /// Why the hub keeps instances for a person, and how many.
    async fn parked(&self) -> Result<BTreeMap<String, usize>, Failure> {
        let parked = self.receiver.handle().command(Command::Parked {}).await?;
        let mut reasons = BTreeMap::new();
        for item in parked.as_array().into_iter().flatten() {
            let reason = item["reason"].as_str().unwrap_or_default().to_owned();
            *reasons.entry(reason).or_default() += 1;
        }
        Ok(reasons)
    }

    /// Compares what the archive holds with what was handed in, and stops both daemons.
    pub(super) async fn finish(
        self,
        script: &Script,
        timeline: &Timeline,
        spoil: bool,
    ) -> Result<Report, Failure> {
        let took = self.start.elapsed();
        let there = archived(&self.pacs, spoil);
        let parked = self.parked().await?;
        let studies = script.studies.iter().enumerate().map(|(index, given)| {
            let times = timeline.studies.get(index);
            outcome(given, times, &there)
        });
        let studies = studies.collect();
        let now = self.air.elapsed();
        let report = Report {
            studies,
            wire_up: self.wire(Direction::Up),
            wire_down: self.wire(Direction::Down),
            outages: self.outages(now),
            parked,
            took,
        };
        self.sender.stop().await?;
        self.receiver.stop().await;
        Ok(report)
    }

    fn wire(&self, direction: Direction) -> u64 {
        let offered = |link: &Link<Vec<u8>>| link.counters(direction).offered.bytes;
        self.air.link(SITE, offered).unwrap_or(0)
    }

    fn outages(&self, now: Duration) -> usize {
        let count = |link: &Link<Vec<u8>>| {
            let mut downs = 0;
            let mut at = Duration::ZERO;
            while let Some((when, up)) = link.next_signal(at).filter(|(when, _)| *when <= now) {
                downs += usize::from(!up);
                at = when;
            }
            downs
        };
        self.air.link(SITE, count).unwrap_or(0)
    }
}

/// The fingerprints of all data sets in the archive, one of them with a flipped bit if that is
/// wished.
fn archived(pacs: &Pacs, spoil: bool) -> BTreeSet<[u8; 32]> {
    let held = pacs.held().into_values();
    let mut data_sets: Vec<Vec<u8>> = held.filter_map(|held| held.bytes).collect();
    if spoil && let Some(byte) = data_sets.iter_mut().flatten().next_back() {
        *byte ^= 1;
    }
    let hash = |data_set: &Vec<u8>| *blake3::hash(data_set).as_bytes();
    data_sets.iter().map(hash).collect()
}

fn outcome(
    given: &Given,
    times: Option<&(String, Duration, Option<Duration>)>,
    there: &BTreeSet<[u8; 32]>,
) -> Outcome {
    let identical = |file: &&Vec<u8>| {
        let head = part10::Head::read(file).ok();
        let data_set = head.and_then(|head| file.get(head.data_set..));
        data_set.is_some_and(|data_set| there.contains(blake3::hash(data_set).as_bytes()))
    };
    let stored_at = times.and_then(|(_, _, stored)| *stored);
    let accepted = times.map_or(Duration::ZERO, |(_, accepted, _)| *accepted);
    Outcome {
        name: given.name.clone(),
        class: given.class.to_string(),
        files: given.files.len(),
        bytes: given.files.iter().map(|f| f.len() as u64).sum(),
        stored_after: stored_at.map(|at| at.saturating_sub(accepted)),
        stored_at,
        identical: given.files.iter().filter(identical).count(),
    }
}

/// About 1 Mbit/s, 300 ms, 2 % loss, and an outage now and then.
fn link(options: &Options) -> Result<Link<Vec<u8>>, Failure> {
    let speed = options.speed.max(0.01);
    let spec = format!(
        "rate_kbit={},rtt_ms={},loss=0.02,queue_ms={},up_s={},down_s={},signal=1",
        1000.0 * speed,
        300.0 / speed,
        600.0 / speed,
        20.0 / speed,
        6.0 / speed
    );
    let profile = Profile::from_spec(&spec).map_err(|e| Failure::new(e.to_string()))?;
    let place = Place::alone(options.seed, "clinic", HORIZON);
    Ok(Link::new(
        &profile,
        &SiteCalendar::draw(&profile, &place),
        &place,
    ))
}

async fn start_hub(machine: &Arc<Machine>, seed: Seed) -> Result<Receiver, Failure> {
    let dir = Path::new(DATA);
    let disk = machine.disk();
    let made = disk.create_dir_all(dir);
    made.map_err(|e| Failure::new(format!("the hub's disk: {e}")))?;
    karez_receiver::keys::store(disk, dir, &HubSeed::new(seed.child("hub seed").bytes()))?;
    let mut settings = karez_receiver::Settings::default();
    settings.hub.listen = (HUB, PORT).into();
    let receiver = Receiver::start(machine.env(), dir, settings).await?;
    let add = Command::TargetAdd {
        name: "archive".into(),
        url: format!("dicom://ARCHIVE@{ARCHIVE}"),
    };
    receiver.handle().command(add).await?;
    Ok(receiver)
}

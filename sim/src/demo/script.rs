//! What is handed in, and when.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use karez_dimse::part10::Head;
use karez_host::Failure;
use karez_protocol::priority::Class;
use karez_store::{Disk, EntryKind, RealDisk, read_whole};
use tokio::time::Instant;

use super::Options;
use super::world::World;
use crate::made::{chest_radiograph, head_ct};
use crate::seed::Seed;

/// Slices of the made CT.
const SLICES: u32 = 28;
/// When the second study comes, at speed 1.
const SECOND_AFTER: Duration = Duration::from_secs(12);
/// Nobody waits longer for a demo, at speed 1.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The SOP class of a DICOMDIR (PS3.4 annex B.5).
const DIRECTORY: &str = "1.2.840.10008.1.3.10";
/// Bytes of one file of a real study.
const FILE_MAX: usize = 256 << 20;

/// One study to hand in.
#[derive(Clone, Debug)]
pub struct Given {
    /// What to call it on the terminal.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Its files.
    pub files: Vec<Vec<u8>>,
    /// When, since the start.
    pub at: Duration,
}

/// All studies, in order of time.
#[derive(Clone, Debug)]
pub struct Script {
    /// The studies.
    pub studies: Vec<Given>,
    speed: f64,
}

/// When each study was handed in and stored, and under which name the clinic knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    /// By study: its short name at the clinic, when it was accepted, when it was stored.
    pub(super) studies: Vec<(String, Duration, Option<Duration>)>,
}

impl Script {
    /// The made studies, or those of a folder.
    ///
    /// # Errors
    /// The folder cannot be read or holds nothing.
    pub fn of(options: &Options) -> Result<Self, Failure> {
        let speed = options.speed.max(0.01);
        let studies = match &options.studies {
            None => made(Seed::new(options.seed)),
            Some(folder) => real(folder)?,
        };
        let second = SECOND_AFTER.div_f64(speed);
        let studies = studies.into_iter().enumerate().map(|(index, mut study)| {
            study.at = if index == 0 { Duration::ZERO } else { second };
            study
        });
        Ok(Self {
            studies: studies.collect(),
            speed,
        })
    }

    /// Hands everything in at its time and waits until all is stored or patience ends.
    ///
    /// # Errors
    /// A daemon refused something.
    pub(super) async fn play(
        &self,
        world: &World,
        say: &mut dyn FnMut(&str),
    ) -> Result<Timeline, Failure> {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        let mut next_word = Duration::ZERO;
        while start.elapsed() < PATIENCE.div_f64(self.speed.min(1.0)) {
            for given in self.studies.iter().skip(timeline.studies.len()) {
                if given.at > start.elapsed() {
                    break;
                }
                let study = world.hand_in(given).await?;
                say(&format!(
                    "{}: {} handed in as {}",
                    clock(start),
                    given.name,
                    given.class
                ));
                timeline.studies.push((study, start.elapsed(), None));
            }
            let status = world.clinic_status().await?;
            let mut left = self.studies.len() - timeline.studies.len();
            for (study, _, stored) in timeline.studies.iter_mut().filter(|s| s.2.is_none()) {
                let shown = status.studies.iter().find(|s| s.study == *study);
                if shown.is_some_and(|s| s.receipt == "stored") {
                    *stored = Some(start.elapsed());
                }
                left += usize::from(
                    shown.is_none_or(|s| s.receipt != "stored" && s.parked < s.instances),
                );
            }
            if start.elapsed() >= next_word {
                next_word = start.elapsed() + Duration::from_secs(2);
                say(&format!(
                    "{}: {}",
                    clock(start),
                    super::show::progress(self, &timeline, &status, world)
                ));
            }
            if left == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(timeline)
    }
}

fn clock(start: Instant) -> String {
    format!("{:6.1} s", start.elapsed().as_secs_f64())
}

fn made(seed: Seed) -> Vec<Given> {
    let files = |made: Vec<crate::made::MadeFile>| made.into_iter().map(|f| f.bytes).collect();
    vec![
        Given {
            name: "CT head".into(),
            class: Class::Routine,
            files: files(head_ct(seed.child("ct"), SLICES)),
            at: Duration::ZERO,
        },
        Given {
            name: "chest X-ray".into(),
            class: Class::Stat,
            files: files(chest_radiograph(seed.child("dx"))),
            at: Duration::ZERO,
        },
    ]
}

/// Each folder in `folder` is a study, the smallest one STAT; a folder of files alone is one. What
/// is no image for an archive stays out.
fn real(folder: &Path) -> Result<Vec<Given>, Failure> {
    let mut found: Vec<Given> = Vec::new();
    let here = files_in(folder)?;
    let folders = list(folder)?
        .into_iter()
        .filter(|(_, kind)| *kind == EntryKind::Directory);
    let mut groups: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for (index, (name, _)) in folders.enumerate() {
        groups.push((
            format!("study {}", index + 1),
            files_in(&folder.join(name))?,
        ));
    }
    groups.push(("files".into(), here));
    for (name, files) in groups.into_iter().filter(|(_, files)| !files.is_empty()) {
        found.push(Given {
            name,
            class: Class::Routine,
            files,
            at: Duration::ZERO,
        });
    }
    let size = |g: &Given| g.files.iter().map(Vec::len).sum::<usize>();
    found.sort_by_key(|g| std::cmp::Reverse(size(g)));
    if found.len() > 1
        && let Some(smallest) = found.last_mut()
    {
        smallest.class = Class::Stat;
    }
    if found.is_empty() {
        return Err(Failure::new("there is nothing to send")
            .at(folder.display())
            .fix("Give a folder of DICOM files, or of folders of them"));
    }
    Ok(found)
}

fn list(folder: &Path) -> Result<Vec<(OsString, EntryKind)>, Failure> {
    let listed = RealDisk.entries(folder);
    let listed =
        listed.map_err(|e| Failure::new(format!("cannot be listed: {e}")).at(folder.display()))?;
    Ok(listed
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect())
}

fn files_in(folder: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let mut files = Vec::new();
    for (name, kind) in list(folder)? {
        if kind == EntryKind::File {
            let bytes = read_whole(&RealDisk, &folder.join(name), FILE_MAX)?;
            files.extend(bytes.filter(|bytes| is_image(bytes)));
        }
    }
    Ok(files)
}

/// A DICOM file that is no directory of others.
fn is_image(file: &[u8]) -> bool {
    Head::read(file).is_ok_and(|head| head.meta.sop_class.as_str() != DIRECTORY)
}

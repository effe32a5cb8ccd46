//! `estimate`: how small files become, and how long they take, without sending anything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use karez_host::status::{self, Table};
use karez_host::{Failure, exit, process};
use karez_imaging::{CodecId, Estimate as Packing, Estimator, Level};
use karez_sender::SealedSize;
use serde_json::{Value, json};

use super::PROGRAM;
use super::files::{Found, Source, Walk, unreadable};

/// Says how small files become, without sending anything
///
/// Packs and unpacks every file as the daemon would, one folder after the other as one study, and
/// compares the bytes. Needs no hub and no data directory. Speeds are of one core, in millions of
/// the files' bytes per second. Before the daemon seals a part it unpacks it once more: packing for
/// the link takes both times.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Estimate {
    /// Files, and folders with everything in them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How much computing a byte on the link is worth; auto: mid, best on a thin link, fast on a rich one
    #[arg(long, value_enum, default_value_t = Choice::Auto)]
    level: Choice,

    /// The link's rate, for the time that the files take
    #[arg(long, value_name = "KBIT/S", default_value_t = 64,
          value_parser = RangedU64ValueParser::<u64>::new().range(1..=100_000_000))]
    rate: u64,

    /// Print JSON: an object per file, and the totals as the last line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  karez-sender estimate CT/                         a folder, at the level for 64 kbit/s
  karez-sender estimate --level best --rate 512 CT/ MR/
  karez-sender estimate --json CT/ | tail -n 1      the totals, for a script";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Fast,
    Mid,
    Best,
    Auto,
}

/// Figures of one file, or of several added up.
#[derive(Default)]
struct Figures {
    packing: Packing,
    sealed_bytes: u64,
}

impl Estimate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (mut all, mut failed) = (Figures::default(), 0u64);
        let mut table = Table::new(&COLUMNS);
        let mut study: Option<(PathBuf, Estimator<'_>)> = None;
        for found in Walk::new(&self.paths) {
            let measured = match found {
                Found::File(path) => {
                    let estimator = of_folder(&mut study, &path, self.level());
                    let measured = Figures::measure(&path, estimator);
                    measured
                        .map(|figures| (path.clone(), figures))
                        .map_err(|error| (path, error))
                }
                Found::Skipped(..) => continue,
                Found::Unreadable(path, error) => Err((path, error)),
            };
            match measured {
                Ok((path, figures)) => {
                    self.show(&mut table, Some(&path), &figures)?;
                    all.add(&figures);
                }
                Err((path, error)) => {
                    failed += 1;
                    exit::say(PROGRAM, &unreadable(&path, &error));
                }
            }
        }
        if all.packing.parts == 0 && failed == 0 {
            return Err(Failure::new("there is no file with anything in it")
                .fix("Name files, or a folder that holds some"));
        }
        self.show(&mut table, None, &all)?;
        if !self.json {
            status::print(&table.to_string())?;
        }
        verdict(&all, failed)
    }

    fn level(&self) -> Level {
        match self.level {
            Choice::Fast => Level::Fast,
            Choice::Mid => Level::Mid,
            Choice::Best => Level::Best,
            Choice::Auto => Level::for_link(self.rate.saturating_mul(1000)),
        }
    }

    /// One line of JSON at once, or a row of the table that comes at the end.
    fn show(
        &self,
        table: &mut Table,
        path: Option<&Path>,
        figures: &Figures,
    ) -> Result<(), Failure> {
        if self.json {
            let mut object = figures.json(self.rate);
            if let (Some(path), Value::Object(object)) = (path, &mut object) {
                object.insert("path".to_owned(), json!(path.display().to_string()));
            }
            return status::print_json(&object);
        }
        let name = path.map_or("all".to_owned(), |path| path.display().to_string());
        table.row([
            name,
            status::bytes(figures.packing.bytes),
            status::bytes(figures.sealed_bytes),
            format!("{:.3}", figures.ratio()),
            figures.codec(),
            format!("{:.1}", figures.mb_per_s(figures.packing.pack_secs)),
            format!("{:.1}", figures.mb_per_s(figures.packing.unpack_secs)),
            status::duration(Duration::from_secs_f64(figures.seconds(self.rate))),
        ]);
        Ok(())
    }
}

const COLUMNS: [&str; 8] = [
    "file",
    ">size",
    ">sealed",
    ">ratio",
    "codec",
    ">pack MB/s",
    ">unpack MB/s",
    ">on the link",
];

/// One study's images lie in one folder, mostly: later ones build on earlier ones of their folder.
fn of_folder<'s>(
    study: &'s mut Option<(PathBuf, Estimator<'static>)>,
    path: &Path,
    level: Level,
) -> &'s mut Estimator<'static> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if study.as_ref().is_some_and(|(known, _)| known != folder) {
        *study = None;
    }
    let new = || (folder.to_owned(), Estimator::new(level, &process::cpu_time));
    &mut study.get_or_insert_with(new).1
}

fn verdict(all: &Figures, failed: u64) -> Result<(), Failure> {
    if all.packing.parts > 0 && !all.packing.exact {
        return Err(Failure::new("a file did not come back bit for bit")
            .fix("Do not use this build; report the kind of image, not the image"));
    }
    match failed {
        0 => Ok(()),
        1 => Err(Failure::new("one path could not be read")),
        _ => Err(Failure::new(format!("{failed} paths could not be read"))),
    }
}

impl Figures {
    fn measure(path: &Path, estimator: &mut Estimator<'_>) -> std::io::Result<Self> {
        let source = Source::open(path)?;
        let mut size: Option<SealedSize> = None;
        let packing = estimator.add_seen(&source, &mut |plan, part, packed| {
            let new = || {
                SealedSize::new(
                    karez_imaging::ByteSource::len(&source),
                    plan.head.prefix_len,
                )
            };
            size.get_or_insert_with(new).part(part, packed);
        })?;
        let sealed_bytes = size.map_or(0, SealedSize::finish);
        Ok(Self {
            packing,
            sealed_bytes,
        })
    }

    fn add(&mut self, other: &Self) {
        self.packing.add(&other.packing);
        self.sealed_bytes += other.sealed_bytes;
    }

    /// The codec of the most pixel bytes; of the head, when there is nothing else.
    fn codec(&self) -> String {
        match self.packing.raw_by_codec.is_empty() {
            true => CodecId::ZSTD.to_string(),
            false => self.packing.codec().to_string(),
        }
    }

    fn ratio(&self) -> f64 {
        self.packing.bytes as f64 / (self.sealed_bytes as f64).max(1.0)
    }

    fn mb_per_s(&self, seconds: f64) -> f64 {
        self.packing.bytes as f64 / 1e6 / seconds.max(1e-6)
    }

    /// On a link of `rate` kbit/s, without what the link's own protocol adds.
    fn seconds(&self, rate: u64) -> f64 {
        self.sealed_bytes as f64 * 8.0 / (rate as f64 * 1000.0)
    }

    fn json(&self, rate: u64) -> Value {
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        json!({
            "bytes": self.packing.bytes,
            "sealed_bytes": self.sealed_bytes,
            "ratio": rounded(self.ratio()),
            "codec": self.codec(),
            "pack_mb_per_s": rounded(self.mb_per_s(self.packing.pack_secs)),
            "unpack_mb_per_s": rounded(self.mb_per_s(self.packing.unpack_secs)),
            "rate_kbit_per_s": rate,
            "seconds": rounded(self.seconds(rate)),
        })
    }
}

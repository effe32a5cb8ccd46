//! `estimate`: how small files become, without sending anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use karez_host::status::{self, Table};
use karez_host::{Env, Failure, RealEnv, exit};
use karez_imaging::{Estimate as Figures, Estimator, Level};
use serde_json::json;

use super::PROGRAM;
use super::files::{Found, Source, Walk, unreadable};

/// Says how small files become.
#[derive(Args, Debug)]
pub(super) struct Estimate {
    /// Files, and folders with everything in them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How much computing a byte on the link is worth
    #[arg(long, value_enum, default_value_t = Choice::Auto)]
    level: Choice,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    Fast,
    Best,
    Auto,
}

impl Estimate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let env = RealEnv::new()
            .map_err(|error| Failure::new(format!("the program cannot start: {error}")))?;
        let start = env.now();
        let clock = move || -> Duration { env.now() - start };
        let level = match self.level {
            Choice::Fast => Level::Fast,
            Choice::Best => Level::Best,
            Choice::Auto => Level::Mid,
        };
        let (mut folders, mut failed) = (BTreeMap::<PathBuf, Figures>::new(), 0);
        // One study's images lie in one folder, mostly; each folder is packed as one study.
        let mut current: Option<(PathBuf, Estimator<'_>)> = None;
        for found in Walk::new(&self.paths) {
            let path = match found {
                Found::File(path) => path,
                Found::Skipped(..) => continue,
                Found::Unreadable(path, error) => {
                    failed += 1;
                    exit::say(PROGRAM, &unreadable(&path, &error));
                    continue;
                }
            };
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            if current.as_ref().is_none_or(|(known, _)| *known != folder) {
                current = Some((folder.clone(), Estimator::new(level, &clock)));
            }
            let Some((_, estimator)) = &mut current else {
                continue;
            };
            match Source::open(&path).and_then(|source| estimator.add(&source)) {
                Ok(figures) => folders.entry(folder).or_default().add(&figures),
                Err(error) => {
                    failed += 1;
                    exit::say(PROGRAM, &unreadable(&path, &error));
                }
            }
        }
        self.print(&folders)?;
        match failed {
            0 => Ok(()),
            _ => Err(Failure::new(format!("{failed} paths could not be read"))),
        }
    }

    fn print(&self, folders: &BTreeMap<PathBuf, Figures>) -> Result<(), Failure> {
        let mut all = Figures::default();
        folders.values().for_each(|figures| all.add(figures));
        if self.json {
            return status::print_json(&json!({
                "bytes": all.bytes,
                "packed_bytes": all.packed_bytes,
                "ratio": all.ratio(),
                "pack_bytes_per_s": per_second(&all),
                "exact": all.exact,
            }));
        }
        let mut table = Table::new(&["folder", ">size", ">packed", ">ratio", "codec", ">MB/s"]);
        let named = folders
            .iter()
            .map(|(folder, f)| (folder.display().to_string(), f));
        for (name, figures) in named.chain([("all".to_owned(), &all)]) {
            table.row([
                name,
                status::bytes(figures.bytes),
                status::bytes(figures.packed_bytes),
                format!("{:.2}", figures.ratio()),
                figures.codec().to_string(),
                format!("{:.0}", per_second(figures) / 1e6),
            ]);
        }
        status::print(&table.to_string())
    }
}

fn per_second(figures: &Figures) -> f64 {
    figures.bytes as f64 / figures.pack_secs.max(1e-6)
}

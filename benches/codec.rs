//! How small real images become, and how fast one core is at it: one row per folder of the corpus
//! and level. `peers_codec.py` sets zstd, JPEG-LS and JPEG XL beside it.
//!
//! `KAREZ_CORPUS=FOLDER cargo bench -p karez-benches --bench codec`; without it the folder
//! `../shared/corpus` beside the workspace.
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::path::{Path, PathBuf};

use karez_host::process::cpu_time;
use karez_imaging::{Estimate, Estimator, Level};

fn main() -> std::io::Result<()> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("KAREZ_CORPUS").map_or(beside, PathBuf::from);
    println!("| folder | level | bytes | ratio | pack MB/s | unpack MB/s | exact |");
    println!("|---|---|---|---|---|---|---|");
    for folder in sorted(&corpus)?.into_iter().filter(|path| path.is_dir()) {
        for level in [Level::Fast, Level::Mid, Level::Best] {
            row(&folder, level)?;
        }
    }
    Ok(())
}

fn row(folder: &Path, level: Level) -> std::io::Result<()> {
    let mut estimator = Estimator::new(level, &cpu_time);
    let mut all = Estimate::default();
    for file in sorted(folder)?.into_iter().filter(|path| path.is_file()) {
        all.add(&estimator.add(&std::fs::read(file)?)?);
    }
    let rate = |seconds: f64| all.bytes as f64 / 1e6 / seconds.max(1e-9);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "| {name} | {level} | {} | {:.3} | {:.1} | {:.1} | {} |",
        all.bytes,
        all.ratio(),
        rate(all.pack_secs),
        rate(all.unpack_secs),
        all.exact
    );
    Ok(())
}

fn sorted(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

//! Ratio and speed by folder: `cargo run --release -p karez-imaging --example ratio -- LEVEL DIR...`
//!
//! A folder is a study; its files are taken in the order of their names.
#![allow(clippy::print_stdout)]
use std::path::{Path, PathBuf};
use std::time::Duration;

use karez_imaging::{Estimate, Estimator, Level};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let level: Level = arguments.next().ok_or("a level, then folders")?.parse()?;
    let each = std::env::var_os("EACH").is_some();
    let mut total = Estimate::default();
    for folder in arguments {
        let sum = measure(Path::new(&folder), level, each)?;
        let name = Path::new(&folder)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        show(&name, &sum);
        total.add(&sum);
    }
    show("total", &total);
    Ok(())
}

fn measure(
    folder: &Path,
    level: Level,
    each: bool,
) -> Result<Estimate, Box<dyn std::error::Error>> {
    let mut estimator = Estimator::new(level, &cpu_time);
    let mut sum = Estimate::default();
    for file in files(folder)? {
        let one = estimator.add(&std::fs::read(&file)?)?;
        if each {
            show(
                &file.file_name().unwrap_or_default().to_string_lossy(),
                &one,
            );
        }
        sum.add(&one);
    }
    Ok(sum)
}

/// This thread's own seconds, so that a busy machine does not blur the figures (Linux).
fn cpu_time() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = line.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn show(name: &str, sum: &Estimate) {
    let mb = sum.bytes as f64 / 1e6;
    println!(
        "{name:36} {:>10} -> {:>9} ratio {:7.3} head {:>6} {:8} pack {:6.2} unpack {:6.2} MB/s{}",
        sum.bytes,
        sum.packed_bytes,
        sum.ratio(),
        sum.head_bytes,
        sum.codec(),
        mb / sum.pack_secs.max(1e-9),
        mb / sum.unpack_secs.max(1e-9),
        if sum.exact { "" } else { " NOT EXACT" },
    );
}

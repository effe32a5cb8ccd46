//! Pages of simulated disks, kept in a file of this machine that has no name: it goes with the
//! process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use karez_store::Cold;

const PAGE: u64 = 4096;

/// The file. Places that were freed are used again first.
pub struct ColdFile {
    file: File,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    end: u64,
    free: Vec<u64>,
}

impl ColdFile {
    /// A new one in the folder for temporary files.
    ///
    /// # Errors
    /// It cannot be made there.
    pub fn new() -> io::Result<Self> {
        let name = format!("karez-sim-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self {
            file,
            places: Mutex::default(),
        })
    }

    fn with<T>(&self, run: impl FnOnce(&mut Places) -> T) -> T {
        run(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cold for ColdFile {
    fn put(&self, page: &[u8; 4096]) -> Option<u64> {
        let at = self.with(|places| {
            places.free.pop().unwrap_or_else(|| {
                places.end += 1;
                places.end - 1
            })
        });
        if self.file.write_all_at(page, at * PAGE).is_ok() {
            return Some(at);
        }
        self.free(at);
        None
    }

    fn get(&self, at: u64) -> [u8; 4096] {
        let mut page = [0; 4096];
        if let Err(error) = self.file.read_exact_at(&mut page, at * PAGE) {
            // The store finds the page rotten, and the run fails by that.
            tracing::error!(%error, "a page of the world is lost");
        }
        page
    }

    fn free(&self, at: u64) {
        self.with(|places| places.free.push(at));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use karez_store::{Disk, MemDisk, OpenMode};

    use super::*;

    #[test]
    fn a_disk_whose_pages_are_put_away_reads_writes_and_tears_as_another() {
        let disks = [MemDisk::new(), MemDisk::new()];
        let cold = Arc::new(ColdFile::new().unwrap());
        disks[1].put_away(cold.clone());
        let seen = disks.map(|disk| {
            let (dir, path) = (Path::new("/d"), Path::new("/d/a"));
            disk.create_dir_all(dir).unwrap();
            let file = disk.open(path, OpenMode::CreateNew).unwrap();
            for n in 0..64_u8 {
                file.write_at(u64::from(n) * 3000, &[n; 5000]).unwrap();
                if n % 3 == 0 {
                    file.sync().unwrap();
                }
            }
            disk.sync_dir(dir).unwrap();
            file.write_at(40_000, &[255; 9000]).unwrap();
            disk.crash(7);
            let file = disk.open(path, OpenMode::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            file.read_at(0, &mut bytes).unwrap();
            bytes
        });
        assert_eq!(seen[0], seen[1]);
        assert!(cold.with(|places| places.end > 30));
        assert_eq!(
            cold.with(|places| places.free.len() as u64),
            cold.with(|p| p.end)
        );
    }
}

//! Files to send: a folder of real ones where there is one, made ones otherwise.

use std::path::{Path, PathBuf};

use crate::folder::files_below;
use crate::made;

/// The folder named by `KAREZ_CORPUS`, or `../shared/corpus` beside the workspace, or files that
/// [`made`] writes into `scratch`.
#[must_use]
pub fn folder(scratch: &Path) -> PathBuf {
    let beside = crate::source_tree::root().join("../shared/corpus");
    let named = std::env::var_os("KAREZ_CORPUS").map(PathBuf::from);
    match named.or_else(|| beside.is_dir().then_some(beside)) {
        Some(folder) => folder,
        None => {
            let folder = scratch.join("made");
            made::write_all(&folder);
            folder
        }
    }
}

/// Its files.
#[must_use]
pub fn files(scratch: &Path) -> (PathBuf, Vec<PathBuf>) {
    let folder = folder(scratch);
    let files = files_below(&folder);
    assert!(!files.is_empty(), "no files in {}", folder.display());
    (folder, files)
}

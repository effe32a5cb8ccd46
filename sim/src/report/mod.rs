//! A run as people read it: one HTML page that needs nothing else, and the same pictures as PNG.
//!
//! [`html`] draws from an [`Outcome`] and its timeline: when the line was up, rate and queue, bytes
//! delivered, each study from arrival to the archive, waiting times, what it cost. Pictures inside
//! the page are SVG and follow the reader's light or dark theme.

mod compare;
mod draw;
mod page;
mod panels;
mod picture;
mod table;
mod view;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::run::Outcome;

pub use compare::{Compared, compare};
pub use page::html;
pub use picture::png;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A picture could not be drawn.
    #[error("the picture could not be drawn: {0}")]
    Drawing(String),
    /// A file could not be written.
    #[error("{path} cannot be written: {source}; give --report a path in a folder that exists")]
    Write {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is to be compared cannot be.
    #[error("{path}: {problem}; {fix}")]
    Compare {
        /// Which.
        path: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        fix: String,
    },
}

/// Writes the page to `path` and the pictures beside it, with the ending `.png`; returns where.
///
/// # Errors
/// Says which file could not be drawn or written.
pub fn write(path: &Path, outcome: &Outcome) -> Result<[PathBuf; 2], ReportError> {
    let picture = path.with_extension("png");
    put(path, html(outcome)?.as_bytes())?;
    put(&picture, &png(outcome)?)?;
    Ok([path.to_owned(), picture])
}

/// Writes one file.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    std::fs::write(path, bytes).map_err(|source| ReportError::Write {
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests;

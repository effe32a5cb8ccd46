//! `[watch]`.

use std::path::{Path, PathBuf};

use karez_host::config::Unfit;
use karez_host::units::Period;
use serde::{Deserialize, Serialize};

/// Folders into which other programs put files to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// The folders, each with all that is below it; absolute paths.
    pub folders: Vec<String>,
    /// What becomes of a file once it is accepted: `keep`, `delete` or `move:FOLDER`.
    pub after: String,
    /// How long a file must stay as it is before it is taken.
    pub quiet: Period,
    /// How often the folders are looked at.
    pub poll: Period,
}

/// What becomes of a file once it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Delete,
    /// To this folder: absolute, or within the watched one.
    Move(PathBuf),
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            folders: Vec::new(),
            after: "keep".to_owned(),
            quiet: Period::seconds(5),
            poll: Period::seconds(2),
        }
    }
}

impl Watch {
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        let unfit = |key, message: &str| {
            Err(Unfit {
                key,
                message: message.to_owned(),
            })
        };
        if self.folders.iter().any(|f| !Path::new(f).is_absolute()) {
            return unfit("watch.folders", "must be absolute paths");
        }
        if self.after().is_none() {
            return unfit(
                "watch.after",
                "must be \"keep\", \"delete\" or \"move:FOLDER\"",
            );
        }
        if self.poll.0 == 0 {
            return unfit("watch.poll", "must be longer than nothing");
        }
        Ok(())
    }

    pub(super) fn after(&self) -> Option<After> {
        match (self.after.as_str(), self.after.strip_prefix("move:")) {
            ("keep", _) => Some(After::Keep),
            ("delete", _) => Some(After::Delete),
            (_, Some(folder)) if !folder.is_empty() => Some(After::Move(folder.into())),
            _ => None,
        }
    }
}

impl After {
    /// Where files of `folder` are moved to, if they are.
    pub(super) fn target(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::Move(target) => Some(folder.join(target)),
            Self::Keep | Self::Delete => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named_by_its_key() {
        let key = |watch: Watch| watch.check().err().map(|unfit| unfit.key);
        assert_eq!(key(Watch::default()), None);
        let watch = |folder: &str, after: &str| Watch {
            folders: vec![folder.into()],
            after: after.into(),
            ..Watch::default()
        };
        assert_eq!(key(watch("/in", "move:done")), None);
        assert_eq!(key(watch("in", "keep")), Some("watch.folders"));
        assert_eq!(key(watch("/in", "move:")), Some("watch.after"));
        assert_eq!(key(watch("/in", "burn")), Some("watch.after"));
        let target = watch("/in", "move:done").after().unwrap();
        assert_eq!(target.target(Path::new("/in")), Some("/in/done".into()));
    }
}

//! How an administrator names a target: `folder:PATH`, `dicom://CALLED_AET@HOST:PORT`, or either
//! behind `NAME=`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use karez_host::Env;

use super::pacs::Pacs;
use super::{Folder, Peer, PeerError, Target};
use crate::limits::NAME_MAX;

/// Where and how to hand off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Files below a folder.
    Folder(PathBuf),
    /// A PACS.
    Dicom(Peer),
}

/// Why a text names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme.
    #[error(
        "`{0}` is no target that this version knows; write folder:PATH or \
         dicom://CALLED_AET@HOST:PORT"
    )]
    Scheme(String),
    /// A path that depends on where the program was started.
    #[error("a folder must be given by its whole path, from / on")]
    Relative,
    /// No PACS's address.
    #[error("{0}")]
    Peer(#[from] PeerError),
    /// A title for something that has none.
    #[error("only a PACS (dicom://...) is told an AE title of ours")]
    NoTitle,
    /// A name that would not do as one.
    #[error(
        "a name has 1 to 64 letters, digits, spaces, `.`, `-` and `_`, and starts with a letter or digit"
    )]
    Name,
}

impl Address {
    /// The target itself.
    #[must_use]
    pub fn open(&self, env: Arc<dyn Env>) -> Arc<dyn Target> {
        match self {
            Self::Folder(path) => Arc::new(Folder::new(env, path.clone())),
            Self::Dicom(peer) => Arc::new(Pacs::new(env, peer.clone())),
        }
    }

    /// The same with another AE title of ours.
    ///
    /// # Errors
    /// It is no title, or the target knows none.
    pub fn calling(self, title: &str) -> Result<Self, AddressError> {
        match self {
            Self::Dicom(peer) => Ok(Self::Dicom(peer.calling(title)?)),
            Self::Folder(_) => Err(AddressError::NoTitle),
        }
    }

    /// What an administrator should know about it.
    #[must_use]
    pub fn risk(&self) -> Option<&'static str> {
        match self {
            Self::Dicom(peer) => peer.risk(),
            Self::Folder(_) => None,
        }
    }

    const fn scheme(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Dicom(_) => "dicom",
        }
    }

    /// Reads `[NAME=]URL`; a target without a name is called after its scheme.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn with_name(text: &str) -> Result<(String, Self), AddressError> {
        match text.split_once('=') {
            Some((name, url)) if is_name(name) => Ok((name.to_owned(), url.parse()?)),
            _ => {
                let address: Self = text.parse()?;
                Ok((address.scheme().to_owned(), address))
            }
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(peer) = text.strip_prefix("dicom://") {
            return Ok(Self::Dicom(Peer::read(peer)?));
        }
        let Some(path) = text.strip_prefix("folder:") else {
            return Err(AddressError::Scheme(text.to_owned()));
        };
        let path = PathBuf::from(path);
        if path.is_absolute() {
            Ok(Self::Folder(path))
        } else {
            Err(AddressError::Relative)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "folder:{}", path.display()),
            Self::Dicom(peer) => peer.fmt(f),
        }
    }
}

/// Whether a clinic or a target may be called so: it becomes part of paths and status lines.
#[must_use]
pub(crate) fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_');
    name.len() <= NAME_MAX
        && name.chars().all(good)
        && name.starts_with(char::is_alphanumeric)
        && name.trim() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_with_and_without_its_name() {
        let folder = Address::Folder("/pacs".into());
        assert_eq!(
            Address::with_name("folder:/pacs"),
            Ok(("folder".into(), folder.clone()))
        );
        assert_eq!(
            Address::with_name("one=folder:/pacs"),
            Ok(("one".into(), folder))
        );
        assert_eq!(
            Address::with_name("folder:/a=b").unwrap().1.to_string(),
            "folder:/a=b"
        );
        assert_eq!(
            Address::with_name("folder:pacs"),
            Err(AddressError::Relative)
        );
        assert!(Address::with_name("ftp:/pacs").is_err());
        let (name, pacs) = Address::with_name("dicom://PACS@host:104?calling=ME").unwrap();
        assert_eq!(name, "dicom");
        assert_eq!(pacs.to_string(), "dicom://PACS@host:104?calling=ME");
        assert_eq!(Address::with_name("a=dicom://P@h:1").unwrap().0, "a");
        let folder = Address::Folder("/pacs".into());
        assert_eq!(folder.calling("ME"), Err(AddressError::NoTitle));
    }

    #[test]
    fn names_stay_inside_their_folder() {
        assert!(is_name("clinic-one") && is_name("St. Mary 2"));
        for bad in ["", ".", "..", "a/b", "-x", "a\nb", " a", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}

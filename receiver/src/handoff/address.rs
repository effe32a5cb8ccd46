//! How an administrator names a target: `folder:PATH`, `dicom://CALLED_AET@HOST:PORT`,
//! `stow+https://HOST:PORT/PATH`, the last two together with a space between for one PACS with two
//! doors, or any of these behind `NAME=`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use karez_host::Env;

use super::doors::Doors;
use super::pacs::Pacs;
use super::reports::Reports;
use super::web::Web;
use super::{Folder, Peer, PeerError, Service, ServiceError, Target};
use crate::limits::NAME_MAX;

/// What an administrator should know about an archive that is not to be asked.
pub(super) const NEVER_ASKED: &str = "it is never asked what it has: after a crash an instance \
     may be given to it twice, and other bytes that it holds under the same UID are not noticed";

/// Where and how to hand off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Files below a folder.
    Folder(PathBuf),
    /// A PACS.
    Dicom(Peer),
    /// A DICOMweb service.
    Web(Service),
    /// A PACS with two doors.
    Doors(Peer, Service),
}

/// Why a text names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme.
    #[error(
        "`{0}` is no target that this version knows; write folder:PATH, \
         dicom://CALLED_AET@HOST:PORT, stow+http://HOST:PORT/PATH or stow+https://HOST:PORT/PATH"
    )]
    Scheme(String),
    /// A path that depends on where the program was started.
    #[error("a folder must be given by its whole path, from / on")]
    Relative,
    /// No PACS's address.
    #[error("{0}")]
    Peer(#[from] PeerError),
    /// No DICOMweb service's address.
    #[error("{0}")]
    Service(#[from] ServiceError),
    /// Two addresses that are not the two doors of a PACS.
    #[error(
        "a second address is that of the same PACS's DICOMweb service: dicom://... --also stow+..."
    )]
    Also,
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
    pub(crate) fn open(&self, env: Arc<dyn Env>, reports: &Arc<Reports>) -> Arc<dyn Target> {
        match self {
            Self::Folder(path) => Arc::new(Folder::new(env, path.clone())),
            Self::Dicom(peer) => Arc::new(Pacs::new(env, peer.clone(), reports.clone())),
            Self::Web(service) => Arc::new(Web::new(env, service.clone())),
            Self::Doors(peer, service) => {
                let dimse = Pacs::new(env.clone(), peer.clone(), reports.clone());
                Arc::new(Doors::new(dimse, Web::new(env, service.clone())))
            }
        }
    }

    /// The same with another AE title of ours.
    ///
    /// # Errors
    /// It is no title, or the target knows none.
    pub fn calling(self, title: &str) -> Result<Self, AddressError> {
        match self {
            Self::Dicom(peer) => Ok(Self::Dicom(peer.calling(title)?)),
            Self::Doors(peer, service) => Ok(Self::Doors(peer.calling(title)?, service)),
            Self::Folder(_) | Self::Web(_) => Err(AddressError::NoTitle),
        }
    }

    /// The same with a second door.
    ///
    /// # Errors
    /// The two are not the two doors of a PACS.
    pub fn also(self, other: Self) -> Result<Self, AddressError> {
        match (self, other) {
            (Self::Dicom(peer), Self::Web(service)) => Ok(Self::Doors(peer, service)),
            _ => Err(AddressError::Also),
        }
    }

    /// What an administrator should know about it.
    #[must_use]
    pub fn risk(&self) -> Option<&'static str> {
        match self {
            Self::Dicom(peer) => peer.risk(),
            Self::Web(service) => service.risk(),
            Self::Doors(peer, service) => peer.risk().or_else(|| service.risk()),
            Self::Folder(_) => None,
        }
    }

    const fn scheme(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Dicom(_) | Self::Doors(..) => "dicom",
            Self::Web(_) => "stow",
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
        if let Some((first, second)) = text.split_once(" stow+") {
            let first: Self = first.parse()?;
            return first.also(format!("stow+{second}").parse()?);
        }
        for (scheme, secure) in [("stow+http://", false), ("stow+https://", true)] {
            if let Some(service) = text.strip_prefix(scheme) {
                return Ok(Self::Web(Service::read(service, secure)?));
            }
        }
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
            Self::Web(service) => service.fmt(f),
            Self::Doors(peer, service) => write!(f, "{peer} {service}"),
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
    fn two_doors_of_a_pacs_read_back_as_they_are_shown() {
        let text = "dicom://PACS@host:104 stow+http://host:8042/dicom-web";
        let doors: Address = text.parse().unwrap();
        assert!(matches!(doors, Address::Doors(..)));
        assert_eq!(doors.to_string(), text);
        for text in [
            "folder:/a stow+http://host:8042/dicom-web",
            "stow+http://a/b stow+http://host:8042/dicom-web",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Also));
        }
    }

    #[test]
    fn names_stay_inside_their_folder() {
        assert!(is_name("clinic-one") && is_name("St. Mary 2"));
        for bad in ["", ".", "..", "a/b", "-x", "a\nb", " a", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}

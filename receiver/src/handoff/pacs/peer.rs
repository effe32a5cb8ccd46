//! Where a PACS is and what the two call each other:
//! `dicom://CALLED_AET@HOST:PORT[?calling=AET&associations=N&commitment=no&find=no&versions=all&tls=yes&ca=FILE&cert=FILE&key=FILE]`.

use std::fmt;

use karez_dimse::AeTitle;
use karez_host::tls;

use crate::handoff::address::NEVER_ASKED;
use crate::handoff::web::{file, named, own};

/// What we call ourselves unless an administrator says otherwise.
const CALLING: &str = "KAREZ";

/// A PACS's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it is called.
    pub called: AeTitle,
    /// What we call ourselves.
    pub calling: AeTitle,
    /// `HOST:PORT`.
    pub at: String,
    /// How many associations it gets at once; by default two, and one where it is a program that
    /// is known to lose instances of two.
    pub associations: Option<usize>,
    /// Whether it can be asked what it has (C-FIND).
    pub find: bool,
    /// Whether it is asked for storage commitment, where it does that.
    pub commitment: bool,
    /// Whether it keeps all versions of one UID, as a router or a folder of files does. One that
    /// can be asked is not believed to.
    pub all_versions: bool,
    /// The certificates when it is reached by TLS.
    pub tls: Option<tls::Files>,
}

/// Why a text is no PACS's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Not in the form.
    #[error("write a PACS as dicom://CALLED_AET@HOST:PORT")]
    Form,
    /// A title that is none.
    #[error("`{0}` is no AE title: 1 to 16 printable ASCII characters without a backslash")]
    Title(String),
    /// An option that is not known.
    #[error(
        "`{0}` is not known; a PACS's address takes calling=AET, associations=1 or 2, \
         commitment=no, find=no and with that versions=all, tls=yes and with that ca=FILE and \
         cert=FILE&key=FILE, each by its whole path"
    )]
    Option(String),
}

impl Peer {
    /// Reads what stands behind `dicom://`.
    ///
    /// # Errors
    /// [`PeerError`].
    pub fn read(text: &str) -> Result<Self, PeerError> {
        let (place, options) = text.split_once('?').unwrap_or((text, ""));
        let (called, at) = place.rsplit_once('@').ok_or(PeerError::Form)?;
        let at = at.trim_end_matches('/');
        let (host, port) = at.rsplit_once(':').ok_or(PeerError::Form)?;
        let good =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if host.is_empty() || !host.chars().all(good) || port.parse::<u16>().is_err() {
            return Err(PeerError::Form);
        }
        let mut peer = Self {
            called: title(called)?,
            calling: title(CALLING)?,
            at: at.to_owned(),
            associations: None,
            find: true,
            commitment: true,
            all_versions: false,
            tls: None,
        };
        let mut files = tls::Files::default();
        let (mut certificate, mut key) = (None, None);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let unknown = || PeerError::Option(option.to_owned());
            match option.split_once('=') {
                Some(("tls", "yes")) => peer.tls = Some(tls::Files::default()),
                Some(("ca", path)) => files.authorities = Some(file(path).ok_or_else(unknown)?),
                Some(("cert", path)) => certificate = Some(file(path).ok_or_else(unknown)?),
                Some(("key", path)) => key = Some(file(path).ok_or_else(unknown)?),
                Some(("calling", text)) => peer.calling = title(text)?,
                Some(("associations", "1")) => peer.associations = Some(1),
                Some(("associations", "2")) => peer.associations = Some(2),
                Some(("commitment", "no")) => peer.commitment = false,
                Some(("find", "no")) => peer.find = false,
                Some(("versions", "all")) => peer.all_versions = true,
                _ => return Err(unknown()),
            }
        }
        files.own = own(certificate, key).ok_or(PeerError::Option("cert without key".into()))?;
        match &mut peer.tls {
            Some(tls) => *tls = files,
            None if files != tls::Files::default() => {
                return Err(PeerError::Option("a certificate without tls=yes".into()));
            }
            None => {}
        }
        match peer.find && peer.all_versions {
            true => Err(PeerError::Option("versions=all".into())),
            false => Ok(peer),
        }
    }

    /// The same with another title of ours.
    ///
    /// # Errors
    /// [`PeerError::Title`].
    pub fn calling(self, text: &str) -> Result<Self, PeerError> {
        let calling = AeTitle::new(text).map_err(|_| PeerError::Title(text.to_owned()))?;
        Ok(Self { calling, ..self })
    }

    /// What an administrator should know about this choice of options.
    #[must_use]
    pub fn risk(&self) -> Option<&'static str> {
        (!self.find).then_some(NEVER_ASKED)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dicom://{}@{}", Escaped(&self.called), self.at)?;
        let mut options = Vec::new();
        if self.calling.as_str() != CALLING {
            options.push(format!("calling={}", Escaped(&self.calling)));
        }
        options.extend(self.associations.map(|n| format!("associations={n}")));
        options.extend((!self.commitment).then(|| "commitment=no".to_owned()));
        options.extend((!self.find).then(|| "find=no".to_owned()));
        options.extend(self.all_versions.then(|| "versions=all".to_owned()));
        if let Some(files) = &self.tls {
            options.push("tls=yes".to_owned());
            options.extend(named(files));
        }
        match options.is_empty() {
            true => Ok(()),
            false => write!(f, "?{}", options.join("&")),
        }
    }
}

/// An AE title in a URL (RFC 3986): what could be taken for a part of it is escaped.
struct Escaped<'a>(&'a AeTitle);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.as_str().bytes() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                other => write!(f, "%{other:02X}")?,
            }
        }
        Ok(())
    }
}

fn title(escaped: &str) -> Result<AeTitle, PeerError> {
    let bad = || PeerError::Title(escaped.to_owned());
    let mut text = String::new();
    let mut rest = escaped;
    while let Some((plain, code)) = rest.split_once('%') {
        let byte = code
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        text.push_str(plain);
        text.push(char::from(byte.ok_or_else(bad)?));
        rest = code.get(2..).unwrap_or_default();
    }
    text.push_str(rest);
    AeTitle::new(&text).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_is_shown() {
        for text in [
            "dicom://PACS@pacs.example.org:104",
            "dicom://PACS@192.0.2.7:11112?calling=CLINIC_ONE",
            "dicom://A%40B%20C@[2001:db8::1]:104?calling=X%3F&find=no",
            "dicom://PACS@pacs:2762?tls=yes",
            "dicom://PACS@pacs:2762?tls=yes&ca=/etc/ca.pem&cert=/etc/our.pem&key=/etc/our.key",
            "dicom://PACS@pacs:104?associations=2",
            "dicom://PACS@pacs:104?find=no",
            "dicom://PACS@pacs:104?calling=A&commitment=no&find=no",
            "dicom://PACS@pacs:104?find=no&versions=all",
        ] {
            let peer = Peer::read(text.strip_prefix("dicom://").unwrap()).unwrap();
            assert_eq!(peer.to_string(), text);
        }
        let peer = Peer::read("PACS@pacs:104").unwrap();
        assert_eq!((peer.calling.as_str(), peer.find), ("KAREZ", true));
        assert_eq!(peer.risk(), None);
        let peer = peer.calling("CT ROOM").unwrap();
        assert_eq!(peer.to_string(), "dicom://PACS@pacs:104?calling=CT%20ROOM");
    }

    #[test]
    fn what_is_no_address_says_why() {
        for text in [
            "",
            "PACS",
            "PACS@",
            "PACS@host",
            "PACS@:104",
            "PACS@host:x",
            "PACS@ho/st:1",
        ] {
            assert_eq!(Peer::read(text), Err(PeerError::Form), "{text}");
        }
        for text in [
            "@host:104",
            "SEVENTEEN_LETTERS@host:104",
            "A%5CB@host:1",
            "A%@host:1",
        ] {
            assert!(
                matches!(Peer::read(text), Err(PeerError::Title(_))),
                "{text}"
            );
        }
        for option in ["tls=yes&cert=/a", "ca=/a"] {
            let wrong = Peer::read(&format!("PACS@host:104?{option}"));
            assert!(matches!(wrong, Err(PeerError::Option(_))), "{option}");
        }
        for option in [
            "found=no",
            "associations=3",
            "versions=all",
            "find",
            "tls=no",
            "ca=a",
        ] {
            let unknown = Peer::read(&format!("PACS@host:104?{option}"));
            assert_eq!(unknown, Err(PeerError::Option(option.into())));
        }
    }
}
